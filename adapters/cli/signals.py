"""How a long-lived command is asked to end."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND_SIGNAL = 130
AT_ONCE = signal.SIGQUIT  #: what a supervisor sends on when it is signalled a second time


def _end_at_once() -> None:
    sys.exit(SECOND_SIGNAL)


def stop_on_signals(again: Callable[[], None] = _end_at_once) -> asyncio.Event:
    """An event that the first signal sets; the second, by default, ends the process at once."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            again()
        stop.set()

    _on((signal.SIGTERM, signal.SIGINT), on_signal)
    return stop


def stop_with_supervisor(pipe: int) -> asyncio.Event:
    """An event that any signal sets, and the end of the pipe, which comes by the supervisor's wish or its death.

    Signals are not counted: terminals and systemd send each to all processes. The supervisor counts its own.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_end() -> None:
        loop.remove_reader(pipe)
        stop.set()

    loop.add_reader(pipe, on_end)
    _on((signal.SIGTERM, signal.SIGINT), stop.set)
    _on((AT_ONCE,), _end_at_once)
    return stop


def _on(signals: tuple[signal.Signals, ...], call: Callable[[], None]) -> None:
    for name in signals:
        asyncio.get_running_loop().add_signal_handler(name, call)
