"""A number of places that may grow and shrink while some of them are held."""

from __future__ import annotations

import asyncio
from collections import OrderedDict


class Room:
    """Whoever waits for a place gets one in turn; it is never given twice."""

    def __init__(self, size: int) -> None:
        self.held = 0
        self._size = size
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._closed = False
        self._left = asyncio.Event()

    @property
    def size(self) -> int:
        """How many places there are; more may still be held after it was made smaller."""
        return self._size

    def resize(self, size: int) -> None:
        """Have so many places from now on."""
        self._size = size
        self._hand_out()

    async def take(self) -> None:
        """Wait for a place; each must be given back with `leave`."""
        if self._free and not self._waiting:
            self.held += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given just when it was given up
                self.leave()
            self._waiting.pop(turn, None)
            raise

    def leave(self) -> None:
        """Give a place back."""
        self.held -= 1
        self._left.set()
        self._hand_out()

    async def drain(self) -> None:
        """Give no place away any more, and wait until every one is free."""
        self._closed = True
        while self.held:
            self._left.clear()
            await self._left.wait()

    @property
    def _free(self) -> bool:
        return self.held < self._size and not self._closed

    def _hand_out(self) -> None:
        while self._waiting and self._free:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                self.held += 1
                turn.set_result(None)
