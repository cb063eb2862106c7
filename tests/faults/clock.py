"""A time of day of its own for a process, which can be set while it runs: Debian's libfaketime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.servers import FaultRedis
from tests.servers.processes import OwnProcess
from tests.servers.root import on_path

if TYPE_CHECKING:
    from collections.abc import Sequence

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


class TimeOfDay:
    """The time of day of the processes started with `environment`; their monotonic time stays the machine's."""

    def __init__(self, folder: Path) -> None:
        self._offset = folder / "offset"
        self.set_ahead(0)

    def set_ahead(self, seconds: float) -> None:
        """By how much the time is ahead of the machine's, from now on; negative is behind."""
        written = self._offset.with_suffix(".new")
        written.write_text(f"{seconds:+}\n")
        written.replace(self._offset)  # a reader sees the old one or the new one

    def environment(self) -> dict[str, str]:
        """For a process that shall see it."""
        assert LIBRARY, "tests/run --faults installs libfaketime"
        return {
            # The allocator that Redis is linked with asks for the time before libfaketime is ready: libc's comes first.
            "LD_PRELOAD": f"{LIBRARY} libc.so.6",
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


class ClockedRedis(FaultRedis):
    """A Redis whose clock can be set: always the installed one.

    Redis 8 with libfaketime crashes as it starts where libc's allocator comes first, and hangs where its own does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = TimeOfDay(self.folder.path)

    @classmethod
    def binary(cls) -> Path | None:
        return on_path("redis-server")

    def _run(self, command: Sequence[str | Path]) -> OwnProcess:
        return OwnProcess(command, env={**os.environ, **self.clock.environment()}, output=self.log)
