"""A worker whose event loop is stuck keeps its jobs and tells nobody; it is ended, so that others get them."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EXIT_STUCK = 70  #: as sysexits.h calls an internal software error
LOOKS = 10  #: within the patience


@asynccontextmanager
async def watched(patience_s: float) -> AsyncIterator[None]:
    """End the process, with `EXIT_STUCK`, when the running loop has done nothing for so long."""
    watchdog = _Watchdog(patience_s)
    ticking = asyncio.create_task(watchdog.tick())
    threading.Thread(target=watchdog.watch, name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        watchdog.stopped.set()
        ticking.cancel()


class _Watchdog:
    def __init__(self, patience_s: float) -> None:
        self.stopped = threading.Event()
        self._patience_s = patience_s
        self._every_s = patience_s / LOOKS
        self._ticked_at = time.monotonic()

    async def tick(self) -> None:
        """Show that the loop goes round."""
        while True:
            self._ticked_at = time.monotonic()
            await asyncio.sleep(self._every_s)

    def watch(self) -> None:
        """Look at the loop, from a thread of its own."""
        looked_at = time.monotonic()
        while not self.stopped.wait(self._every_s):
            now = time.monotonic()
            if now - looked_at > self._patience_s / 2:
                self._ticked_at = now  # the whole process was frozen, which is not the loop's fault
            looked_at = now
            if now - self._ticked_at > self._patience_s:
                sys.stderr.write(f"sms-engine: the event loop is stuck for {self._patience_s:g} s; ending the worker\n")
                sys.stderr.flush()
                os._exit(EXIT_STUCK)
