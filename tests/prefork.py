"""Processes of ours that have imported everything when they begin: to import takes a worker 0.7 s of CPU.

Python's own fork server imports it once for all the processes that a pytest starts.
"""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import sys
from multiprocessing import active_children, get_context
from multiprocessing.reduction import DupFd
from typing import TYPE_CHECKING, Any

from tests.servers.processes import OwnProcess, watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_forking = get_context("forkserver")
_forking.set_forkserver_preload(["adapters.cli.worker", "tests.faults.failpoints", __name__])


class Forked:
    """`python -m MODULE ARGUMENTS` as an `OwnProcess`, but forked off one that has imported what a worker needs."""

    def __init__(self, module: str, *arguments: str, env: Mapping[str, str], output: int) -> None:
        """Start it, all it says going to a descriptor."""
        descriptors = _Descriptor(output), _Descriptor(watchdog().commands.fileno())
        words = module, *arguments
        self._child = _forking.Process(target=_become, args=(*descriptors, words, dict(env)), daemon=True)
        self._child.start()
        assert self._child.pid
        self.pid = self._child.pid
        self._over = False

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._child.exitcode

    @property
    def running(self) -> bool:
        return self.code is None

    def wait(self) -> int:
        """Its exit code, once all it left in its group is gone too."""
        self._child.join()
        if not self._over:
            self._over = True
            self._signal_group(signal.SIGKILL)
            watchdog().tell("ended", self.pid)
        assert self.code is not None
        return self.code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process and everything in its group."""
        if self.running:
            self._signal_group(number)

    def send_alone(self, number: signal.Signals) -> None:
        """Send a signal to the process, and to nothing it started."""
        if self.running:
            _signal(os.kill, self.pid, number)

    def _signal_group(self, number: signal.Signals) -> None:
        if not _signal(os.killpg, self.pid, number) and self.running:  # it has just begun, and has no group yet
            _signal(os.kill, self.pid, number)


def _signal(send: Callable[[int, signal.Signals], None], pid: int, number: signal.Signals) -> bool:
    """Whether anybody was there to take it: who ends at this moment is none who runs."""
    try:
        send(pid, number)
    except ProcessLookupError:
        return False
    return True


@atexit.register
def _kill_what_is_left() -> None:
    for child in active_children():  # otherwise they are asked to end, and waited for, whether they can or not
        child.kill()


def started(module: str, *arguments: str, env: Mapping[str, str], output: Path) -> Forked | OwnProcess:
    """Start `python -m MODULE ARGUMENTS`, forked if that can be; what it says is added to a file."""
    if "LD_PRELOAD" in env:
        return OwnProcess([sys.executable, "-m", module, *arguments], env=env, output=output)
    with output.open("ab") as out:
        return Forked(module, *arguments, env=env, output=out.fileno())


class _Descriptor:
    """One that arrives as a number in the process it is sent to."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _number_of, (DupFd(self._number),)


def _number_of(duplicate: Any) -> int:
    return int(duplicate.detach())


def _become(output: int, commands: int, words: tuple[str, ...], env: dict[str, str]) -> None:
    os.setpgid(0, 0)
    os.write(commands, f"group {os.getpid()}\n".encode())
    os.close(commands)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [*words]
    sys.orig_argv = [sys.executable, "-m", *words]
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
