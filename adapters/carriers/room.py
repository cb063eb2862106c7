"""A number of places that may grow and shrink while some of them are held; the most urgent gets the next."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict


class Room:
    """Whoever waits for a place gets one in turn, of the lowest rank that waits; it is never given twice."""

    def __init__(self, size: int) -> None:
        self.held = 0
        self.size = size  #: how many places there are; more may still be held after it was made smaller
        self._lines: defaultdict[int, OrderedDict[asyncio.Future[None], None]] = defaultdict(OrderedDict)
        self._closed = False
        self._left = asyncio.Event()

    def resize(self, size: int) -> None:
        """Have so many places from now on."""
        self.size = size
        self._hand_out()

    def take_free(self) -> bool:
        """Have a place if one is free and nobody waits for it; it must be given back with `leave`."""
        if self._free and not any(self._lines.values()):
            self.held += 1
            return True
        return False

    async def take(self, rank: int = 0) -> None:
        """Wait for a place, before all of a higher rank; each must be given back with `leave`."""
        if self.take_free():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines[rank][turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given just when it was given up
                self.leave()
            self._lines[rank].pop(turn, None)
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
        return self.held < self.size and not self._closed

    def _hand_out(self) -> None:
        while self._free and (line := self._first_line()):
            turn, _ = line.popitem(last=False)
            if not turn.done():
                self.held += 1
                turn.set_result(None)

    def _first_line(self) -> OrderedDict[asyncio.Future[None], None] | None:
        return next((self._lines[rank] for rank in sorted(self._lines) if self._lines[rank]), None)
