"""Fixtures of the fault tests: their own servers, a seed for each row, and the table at the end.

A row that is not marked `short` is collected only by `tests/run --faults`, which sets SMS_TEST_FAULTS=all; a soak only
by `tests/run --soak MINUTES`, which sets SMS_TEST_SOAK_MINUTES.
"""

from __future__ import annotations

import os
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.lab import ALL
from tests.faults.servers import FaultRedis, Servers
from tests.faults.setup import lab
from tests.faults.table import Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.faults.checker import Findings
    from tests.faults.lab import Lab

FOLDER = Path(__file__).parent
SEED = int(os.environ.get("SMS_TEST_FAULT_SEED") or secrets.randbits(32))
MINUTES = float(os.environ.get("SMS_TEST_SOAK_MINUTES") or 0)
ROW_S = 240  #: a bound against hanging, as is that of a soak
SOAK_S = 1800 + 120 * MINUTES
TABLE = Table()

_left_to_all: list[str] = []
_ran_on: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(name, short=False): a row of the fault matrix; short: part of tests/run")
    config.addinivalue_line("markers", "soak: only on request, for as long as is asked for")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in [item for item in items if FOLDER in item.path.parents]:
        mark, soak = item.get_closest_marker("fault"), item.get_closest_marker("soak") is not None
        item.add_marker(pytest.mark.timeout(SOAK_S if soak else ROW_S), append=False)
        if soak and not MINUTES:
            items.remove(item)
        elif mark is not None and not soak and not ALL and not mark.kwargs.get("short"):
            items.remove(item)
            _left_to_all.append(item.name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE.lines:
        terminalreporter.section(f"faults, seed {SEED}, on {', '.join(_ran_on)}")
        for line in TABLE.text():
            terminalreporter.line(line)
        if _left_to_all:
            terminalreporter.line(f"{len(_left_to_all)} more rows are part of tests/run --faults")


@dataclass
class Row:
    """One row of the matrix: its name in the table, its seed, and the labs it is tried in."""

    fault: str
    seed: int
    servers: Servers
    folder: Path
    judged: bool = field(default=False)

    @asynccontextmanager
    async def lab(self, *, redis: FaultRedis | None = None, **options: Any) -> AsyncIterator[Lab]:
        """An installation on healthy servers, perhaps with a Redis of its own; two workers are not started yet."""
        await self.servers.heal()
        servers = replace(self.servers, redis=redis or self.servers.redis)
        async with lab(servers, self.folder, self.seed, **options) as ready:
            yield ready

    async def holds(self, ready: Lab, **exceptions: Any) -> Findings:
        """Judge what happened in the lab (`Lab.judge`), enter it in the table, and fail where one is broken."""
        findings = await ready.judge(**exceptions)
        TABLE.add(self.fault, findings, ready.recovery_s)
        self.judged = True
        told = "\n  ".join(findings.wrong[:12])
        assert not findings.wrong, f"{self.fault} (seed {SEED}): {len(findings.wrong)} things are wrong\n  {told}"
        return findings


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Private servers, which rows may kill: each row heals them first."""
    started = Servers()
    try:
        started.start()
        _ran_on.extend(server.named() for server in started.all)
        yield started
    finally:
        started.close()


@pytest.fixture
def row(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Row]:
    """The row that a test is."""
    mark = request.node.get_closest_marker("fault")
    assert mark is not None, "a row has a name in the table"
    row = Row(mark.args[0], Random(f"{SEED}:{request.node.name}").getrandbits(32), servers, tmp_path)
    yield row
    if not row.judged:
        TABLE.add(row.fault, None)
