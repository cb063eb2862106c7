"""Is there room on a channel? Its window of unanswered submits, and its rate over all workers together."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from adapters.carriers.room import Room

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
        self._channel = channel
        self._rate = rate
        self._cap = cap
        self._room = Room(window)

    @property
    def window(self) -> int:
        """How many submits may be unanswered at once."""
        return self._room.size

    def resize(self, window: int) -> None:
        """Let so many submits be unanswered at once from now on; 0 while there is no way to the carrier."""
        self._room.resize(window)

    @property
    def load(self) -> float:
        """The share of the window in use, from 0 to 1; 1 where there is no window."""
        return min(1.0, self._room.held / self.window) if self.window else 1.0

    @asynccontextmanager
    async def place(self, segments: int, within_s: float) -> AsyncIterator[bool]:
        """Wait for a place and then for its turn; False if they do not come within the time."""
        give_up_at = asyncio.get_running_loop().time() + within_s
        if not await self._take(give_up_at):
            yield False
            return
        try:
            yield await self._turn(segments, give_up_at)
        finally:
            self._room.leave()

    async def drain(self) -> None:
        """Wait until every place is free, and give none away any more."""
        await self._room.drain()

    async def _take(self, give_up_at: float) -> bool:
        try:
            async with asyncio.timeout_at(give_up_at):
                await self._room.take()
        except TimeoutError:
            return False
        return True

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
