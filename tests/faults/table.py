"""The table at the end of a run: a line per fault, and what could not be injected, with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.checker import Findings

#: rows of the fault matrix (research/queue-semantics.md, 5) that no test injects
NOT_INJECTED = {
    "a receipt 72 h late": "nobody waits so long; a link's life of 96 h is a constant of adapters/redis/correlator.py",
    "Postgres down for 5 minutes": "down for seconds instead: nothing in the engine counts them",
    "power cut": "servers that sync to a disk that lies cannot be told from others on this machine",
}
HEADER = ("fault", "runs", "jobs", "lost", "duplicates", "breaches", "unknown", "recovery s")


@dataclass
class Line:
    """What all runs of one fault came to."""

    runs: int = 0
    jobs: int = 0
    lost: int = 0
    duplicates: int = 0
    breaches: int = 0
    unknown: int = 0
    recovery_s: float = 0.0  #: the longest
    broken_off: int = 0

    def cells(self) -> tuple[str, ...]:
        counts = (self.jobs, self.lost, self.duplicates, self.breaches, self.unknown)
        remark = f"  {self.broken_off} broken off" if self.broken_off else ""
        return (str(self.runs), *map(str, counts), f"{self.recovery_s:.1f}{remark}")


@dataclass
class Table:
    """Filled by the rows, printed at the end."""

    lines: dict[str, Line] = field(default_factory=dict)

    def add(self, fault: str, findings: Findings | None, recovery_s: float = 0.0) -> None:
        """One run of a fault; None if it broke off before it could be judged."""
        line = self.lines.setdefault(fault, Line())
        line.runs += 1
        if findings is None:
            line.broken_off += 1
            return
        line.jobs += findings.jobs
        line.lost += findings.lost
        line.duplicates += findings.duplicates
        line.breaches += findings.breaches
        line.unknown += findings.unknown
        line.recovery_s = max(line.recovery_s, recovery_s)

    def text(self) -> Iterator[str]:
        """The table, line by line."""
        rows = [HEADER, *((fault, *line.cells()) for fault, line in sorted(self.lines.items()))]
        wide = max(len(row[0]) for row in rows)
        for row in rows:
            yield f"{row[0]:<{wide}}" + "".join(f"{cell:>11}" for cell in row[1:])
        yield ""
        yield "not injected:"
        for fault, reason in NOT_INJECTED.items():
            yield f"  {fault}: {reason}"
