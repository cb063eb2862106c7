"""The figures of a run for people, and for programs in `benchmark.json`."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.contest import Result
    from tests.benchmarks.pace import Latencies

FILE = Path(__file__).resolve().parent.parent.parent / "benchmark.json"
SERVERS = ("RabbitMQ", "Redis", "Postgres")


class Figures:
    """What was measured, by name."""

    def __init__(self) -> None:
        self.results: dict[str, dict[str, float]] = {}
        self.latencies: dict[str, Latencies] = {}
        self.stages: dict[str, float] = {}
        self.others: dict[str, float] = {}
        self.console = Console(width=None if os.isatty(1) else 110)

    def step(self, what: str) -> None:
        """Say what is being done, for it takes minutes."""
        self.console.print(f"  [dim]…[/dim] {what}", highlight=False)

    def put(self, name: str, runs: Sequence[Result]) -> None:
        """Medians of several runs."""
        servers = {f"{each}_us": median(run.cpu_us.get(each, 0.0) for run in runs) for each in ("own", *SERVERS)}
        rate, rss = median(run.rate for run in runs), median(run.rss_mib for run in runs)
        self.results[name] = {"rate": rate, **servers, "rss_mib": rss}

    def ratios(self) -> dict[str, float]:
        """The figures that count, for those of one machine say little of another's."""

        wanted = {
            "single jobs, rate × naive": ("single jobs", "naive", "rate"),
            "single jobs, rate × bare": ("single jobs", "bare", "rate"),
            "single jobs, own CPU × bare": ("single jobs", "bare", "own_us"),
            "arrays of 50, rate × naive": ("arrays of 50", "naive", "rate"),
            "arrays of 50, rate × naive with arrays of 50": ("arrays of 50", "naive, arrays of 50", "rate"),
            "single jobs, rate of 2 processes × 1": ("single jobs, 2 processes", "single jobs", "rate"),
            "arrays of 50, rate of 2 processes × 1": ("arrays of 50, 2 processes", "arrays of 50", "rate"),
        }
        found = self.results
        return {
            name: found[one][of] / found[other][of]
            for name, (one, other, of) in wanted.items()
            if one in found and other in found
        }

    def show(self) -> None:
        """Print everything and write the file."""
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
        table = Table(
            "",
            "msg/s",
            "own CPU",
            *SERVERS,
            "memory",
            title=f"Speed on {machine}; CPU in µs per message",
            box=box.SIMPLE,
        )
        for name, found in self.results.items():
            cpu = [f"{found[f'{each}_us']:.0f}" if found[f"{each}_us"] else "–" for each in ("own", *SERVERS)]
            table.add_row(
                name, f"{found['rate']:,.0f}", *cpu, f"{found['rss_mib']:.0f} MiB" if found["rss_mib"] else "–"
            )
        self.console.print(table)
        self._print("Ratios", {name: f"{value:.2f}" for name, value in self.ratios().items()})
        told = {name: f"{v.p50:.0f} · {v.p95:.0f} · {v.p99:.0f} ms" for name, v in self.latencies.items()}
        self._print("From enqueueing to the carrier's answer: p50 · p95 · p99", told)
        own, total = self.results["arrays of 50"]["own_us"], sum(self.stages.values()) or 1.0
        stages = {name: f"{share / total:.0%}  {own * share / total:.0f} µs" for name, share in self.stages.items()}
        self._print("Where the engine's own CPU goes, arrays of 50", stages)
        self._print("Parts", {name: f"{value:,.0f}" for name, value in self.others.items()})
        FILE.write_text(json.dumps(self._json(), indent=1, ensure_ascii=False))
        self.console.print(f"The same for programs: {FILE.name}")

    def _print(self, title: str, rows: Mapping[str, str]) -> None:
        table = Table("", "", title=title, box=box.SIMPLE, show_header=False, title_justify="left")
        for row in rows.items():
            table.add_row(*row)
        self.console.print(table)

    def _json(self) -> dict[str, Any]:
        return {
            "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
            "results": self.results,
            "ratios": self.ratios(),
            "latencies_ms": {name: value._asdict() for name, value in self.latencies.items()},
            "stages": self.stages,
            "others": self.others,
        }
