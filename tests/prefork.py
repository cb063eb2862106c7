"""Processes of ours that have imported everything when they begin: to import takes a worker 0.7 s of CPU.

Python's own fork server imports it once for all the processes that a pytest starts.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
from multiprocessing import get_context
from multiprocessing.reduction import DupFd
from typing import TYPE_CHECKING, Any

from tests.servers.processes import OwnProcess, watchdog

if TYPE_CHECKING:
    from collections.abc import Mapping
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

    @property
    def running(self) -> bool:
        return self._child.exitcode is None

    def wait(self) -> int:
        """Its exit code, negative for a signal."""
        self._child.join()
        assert self._child.exitcode is not None
        watchdog().tell("ended", self.pid)
        return self._child.exitcode

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process and everything in its group."""
        if self.running:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:  # it has just begun and is in no group of its own yet, or has just ended
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)


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
