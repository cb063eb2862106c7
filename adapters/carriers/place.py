"""Is there room on a channel? Its window of unanswered submits, and its rate over all workers together."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class RateCap(Protocol):
    """Turns on a channel that several workers share."""

    async def reserve(self, channel: str, rate: float, segments: int, within_s: float) -> float | None:
        """Seconds until the reserved turn; None if there is none within the time, then nothing is reserved.

        `rate` is in segments a second.
        """
        ...


class Places:
    """The places of one channel; each is held from before a submit until it is answered."""

    def __init__(self, channel: str, window: int, rate: float | None, cap: RateCap) -> None:
        """`rate` is in segments a second over all workers; None means no cap."""
        self.window = window
        self._channel = channel
        self._rate = rate
        self._cap = cap
        self._free = asyncio.Semaphore(window)
        self._held = 0

    @property
    def load(self) -> float:
        """The share of the window in use, from 0 to 1."""
        return self._held / self.window

    @asynccontextmanager
    async def place(self, segments: int, within_s: float) -> AsyncIterator[bool]:
        """Wait for a place and then for its turn; False if they do not come within the time."""
        give_up_at = asyncio.get_running_loop().time() + within_s
        if not await self._take(give_up_at):
            yield False
            return
        self._held += 1
        try:
            yield await self._turn(segments, give_up_at)
        finally:
            self._held -= 1
            self._free.release()

    async def drain(self) -> None:
        """Wait until every place is free, and give none away any more."""
        for _ in range(self.window):
            await self._free.acquire()

    async def _take(self, give_up_at: float) -> bool:
        try:
            async with asyncio.timeout_at(give_up_at):
                return await self._free.acquire()
        except TimeoutError:
            return False

    async def _turn(self, segments: int, give_up_at: float) -> bool:
        if self._rate is None:
            return True
        within_s = give_up_at - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(give_up_at):
                wait_s = await self._cap.reserve(self._channel, self._rate, segments, within_s)
        except TimeoutError:
            return False
        if wait_s:
            await asyncio.sleep(wait_s)
        return wait_s is not None
