"""How a long-lived command is asked to end."""

from __future__ import annotations

import asyncio
import signal
import sys

SECOND_SIGNAL = 130


def stop_on_signals() -> asyncio.Event:
    """An event that the first signal sets; the second ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            sys.exit(SECOND_SIGNAL)
        stop.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, on_signal)
    return stop
