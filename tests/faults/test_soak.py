"""Random faults under load for as long as one likes: in the end nothing is lost, and nothing has grown."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.faults.conftest import MINUTES
from tests.faults.jobs import some_jobs
from tests.faults.nemesis import STRIKES

if TYPE_CHECKING:
    from tests.faults.conftest import Row
    from tests.faults.lab import Lab

RATE = 250.0  #: jobs a second
CALM_S = (2.0, 12.0)  #: between two faults
SETTLED_S = 900.0  #: a bound against hanging
FILES = 10  #: more than at the start, when all is at rest again
GROWTH = 1.25, 16.0  #: of a worker's memory, from a fifth of the time to its end: a factor, and MiB on top of it


@dataclass
class Sizes:
    """What a worker that lives all the time takes, as the system counts it."""

    pid: int
    memory_mib: list[float] = field(default_factory=list)

    def measure(self) -> None:
        status = Path(f"/proc/{self.pid}/status").read_text()
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        self.memory_mib.append(int(kib) / 1024)

    def files(self) -> int:
        """How many it has open: connections, for the most part."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def early_and_late(self) -> tuple[float, float]:
        """The medians of memory in the second fifth of the time, when it has warmed up, and in the last."""
        sizes, fifth = self.memory_mib, max(1, len(self.memory_mib) // 5)
        return median(sizes[fifth : 2 * fifth] or sizes), median(sizes[-fifth:])


async def _send(lab: Lab, until: float) -> None:
    while time.monotonic() < until:
        behind = len(lab.confirmed) - len(lab.callback.arrivals)
        if behind < 20 * RATE:  # after an outage the backlog is worked off before it grows on
            await lab.send(some_jobs(100, lab.rng), rate=RATE, most=20)
        else:
            await asyncio.sleep(0.5)


async def _strike(lab: Lab, until: float, struck: Counter[str]) -> None:
    while time.monotonic() < until:
        await asyncio.sleep(lab.rng.uniform(*CALM_S))
        strike = lab.rng.choice(STRIKES)
        struck[strike.__name__] += 1
        with lab.fault():
            await strike(lab)


async def _watch(lab: Lab, sizes: Sizes, struck: Counter[str], capsys: pytest.CaptureFixture[str]) -> None:
    began, told_at = time.monotonic(), 0.0
    while True:
        sizes.measure()
        if time.monotonic() - told_at > 30:
            told_at = time.monotonic()
            with capsys.disabled():
                print(
                    f"\n{(told_at - began) / 60:5.1f} min  {len(lab.confirmed):,} jobs confirmed,"
                    f" {len(lab.callback.arrivals):,} heard of, {struck.total()} faults,"
                    f" {sizes.memory_mib[-1]:.0f} MiB, {sizes.files()} files", end="", flush=True,
                )  # fmt: skip
        await asyncio.sleep(2)


@pytest.mark.soak
@pytest.mark.fault(f"soak, {MINUTES:g} min")
async def test_after_random_faults_under_load_nothing_is_lost_and_nothing_has_grown(
    row: Row, capsys: pytest.CaptureFixture[str]
) -> None:
    async with row.lab() as lab:
        await lab.start()
        sizes, struck = Sizes(lab.workers[0].pid), Counter[str]()
        at_first = sizes.files()
        watching = asyncio.create_task(_watch(lab, sizes, struck, capsys))
        until = time.monotonic() + MINUTES * 60
        await asyncio.gather(_send(lab, until), _strike(lab, until, struck))
        await lab.settled(SETTLED_S)
        watching.cancel()
        with capsys.disabled():
            print("\n" + ", ".join(f"{name} {count}" for name, count in sorted(struck.items())))
            print(f"{len(lab.confirmed) / MINUTES / 60:.0f} jobs/s; {dict(lab.states())}")
        await lab.until(lambda: sizes.files() <= at_first + FILES, f"no more than {at_first + FILES} files to be open")
        await row.holds(lab, cut=True)
        early, late = sizes.early_and_late()
        assert late < early * GROWTH[0] + GROWTH[1]
