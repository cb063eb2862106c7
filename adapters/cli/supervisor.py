"""The parent of a worker's processes: it does none of the work, starts again what ended, and tells all when to stop.

Each process is the same command once more, started afresh, with its seat in the environment. Its input is a pipe from
here: the settings come first, in one line, so that all have the same ones, also those started much later. When the pipe
ends, a process drains and ends, which holds however this parent came to its end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from adapters.bootstrap.listening import taken
from adapters.bootstrap.seat import seats
from adapters.cli.errors import CommandError
from adapters.cli.signals import AT_ONCE, stop_on_signals
from adapters.ending import end

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from adapters.bootstrap.seat import Seat
    from config.settings import Settings

BAD_SETTINGS = 2
NOT_STARTED = 71  #: as sysexits.h calls an error of the system, such as "cannot fork"
SIGNALLED = 128  #: and the signal's number: an exit code as shells give it
FIRST_S, MAX_S = 0.5, 30.0
LASTED_S = 60.0  #: a process that lived so long was a good one


def supervise(settings: Settings, values: Mapping[str, Any]) -> int:
    """Keep the processes of a worker running until told to stop; answers the exit code.

    Raises:
        ConfigError: the worker's address cannot be had.
    """
    with ExitStack() as stack:
        try:
            places = stack.enter_context(seats(settings.http_host, settings.http_port, settings.processes))
        except OSError as error:
            raise taken(settings, error) from None
        return asyncio.run(_supervise(places, msgspec.json.encode(values) + b"\n"))


async def _supervise(places: Iterable[Seat], settings: bytes) -> int:
    return await Supervisor(settings).run(places)


def settings_from(pipe: int) -> dict[str, Any]:
    """What a supervisor has written for this process.

    Raises:
        CommandError: it was gone before it had.
    """
    with os.fdopen(pipe, "rb", closefd=False) as stream:
        line = stream.readline()
    if not line:
        raise CommandError("the supervisor of this process is gone.")
    return dict(msgspec.json.decode(line))


def delay_s(failures: int) -> float:
    """How long to wait before the next start, after so many short lives one after the other."""
    return min(MAX_S, FIRST_S * 2.0 ** min(failures - 1, 30))


class Supervisor:
    """Keeps one process on each seat."""

    def __init__(self, settings: bytes) -> None:
        """`settings` is the line that every process reads."""
        self._settings = settings
        self.stop = stop_on_signals(self._end_at_once)
        self._running: set[Process] = set()
        self._log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("sms")

    async def run(self, places: Iterable[Seat]) -> int:
        """Until told to stop, and all have ended; answers 0 if all did so well."""
        codes = await asyncio.gather(*map(self._keep, places))
        self._log.info("all processes have ended", codes=codes)
        worst = next(filter(None, codes), 0)
        return worst if worst >= 0 else SIGNALLED - worst

    async def _keep(self, seat: Seat) -> int:
        """A process on this seat, and its next when it ends; answers the exit code of the last."""
        loop = asyncio.get_running_loop()
        lives = failures = 0
        while not self.stop.is_set():
            began = loop.time()
            code = await self._live(seat)
            lives += 1
            if lives == 1 and code == BAD_SETTINGS:  # nor would the next be any better
                self.stop.set()
            if self.stop.is_set():
                return 0 if code == -signal.SIGTERM else code  # it was killed before it had begun, and held nothing
            failures = 1 if loop.time() - began >= LASTED_S else failures + 1
            wait_s = delay_s(failures)
            self._log.error("a process ended and is started again", process=seat.number, code=code, in_s=wait_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self.stop.wait()
        return 0

    async def _live(self, seat: Seat) -> int:
        """One process, from its start to its end; answers its exit code, negative for a signal."""
        try:
            process = await create_subprocess_exec(
                sys.executable, *sys.orig_argv[1:],
                env={**os.environ, **seat.environment()}, pass_fds=seat.descriptors, stdin=PIPE,
            )  # fmt: skip
        except OSError as error:  # no room for one just now: the others go on
            self._log.error("a process cannot be started", process=seat.number, error=error.strerror)
            return NOT_STARTED
        self._log.info("a process was started", process=seat.number, pid=process.pid)
        self._running.add(process)
        telling = asyncio.create_task(self._tell(process))
        try:
            return await process.wait()
        finally:
            self._running.discard(process)
            await end([telling])

    async def _tell(self, process: Process) -> None:
        """Give a process its settings, and later the word to stop."""
        assert process.stdin
        with suppress(ConnectionError):  # it ended, which `_live` sees
            process.stdin.write(self._settings)
            await process.stdin.drain()
        await self.stop.wait()
        process.stdin.close()

    def _end_at_once(self) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                process.send_signal(AT_ONCE)
