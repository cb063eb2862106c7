"""Is there room on a channel? Its window of unanswered submits, and its rate over all workers together."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Protocol

from adapters.carriers.room import Room
from engine.message import Category
from engine.turns import Later, Pace, Turn

if TYPE_CHECKING:
    from engine.message import Message
    from engine.turns import Answer

RANK = {category: rank for rank, category in enumerate(Category)}  #: the most urgent first


class RateCap(Protocol):
    """Turns on a channel that several workers share."""

    async def reserve(
        self, channel: str, pace: Pace, segments: int, category: Category, within_s: float, *, again: bool = False
    ) -> Answer:
        """A turn, or when to ask `again`, or None if the turn cannot come within `within_s` seconds.

        Only a turn is reserved: whoever does not take it leaves the channel idle for so long.
        """
        ...


class Place:
    """A message's place on a channel; not a generator, for one is made for each message."""

    __slots__ = "_held", "_message", "_places", "_rate", "_within_s"

    def __init__(self, places: Places, message: Message, within_s: float, rate: float) -> None:
        self._places = places
        self._message = message
        self._within_s = within_s
        self._rate = rate
        self._held = False

    async def __aenter__(self) -> bool:
        self._held = await self._places.enter(self._message, self._within_s, self._rate)
        return self._held

    async def __aexit__(self, *_: object) -> None:
        if self._held:
            self._places.leave()


class Places:
    """The places of one channel; each is held from before a submit until it is answered."""

    def __init__(self, channel: str, window: int, rate: float | None, cap: RateCap, burst: int = 1) -> None:
        """`rate` is in segments a second over all workers, `burst` what may go at once; None means no cap."""
        self._channel = channel
        self._rate = math.inf if rate is None else rate
        self._burst = burst
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
        room = self._room
        return min(1.0, room.held / room.size) if room.size else 1.0

    def place(self, message: Message, within_s: float, rate: float = math.inf) -> Place:
        """Wait for a place and then for its turn; False if they do not come within the time.

        `rate` is what the carrier bears at present, in segments a second; it counts where it is below the cap.
        """
        return Place(self, message, within_s, min(rate, self._rate))

    async def enter(self, message: Message, within_s: float, rate: float) -> bool:
        """Hold a place and wait for its turn; False, and no place, if they do not come within the time."""
        if math.isinf(rate) and self._room.take_free():
            return True
        wait_s = await self._take(message, asyncio.get_running_loop().time() + within_s, rate)
        if wait_s:
            try:
                await asyncio.sleep(wait_s)
            except BaseException:
                self.leave()
                raise
        return wait_s is not None

    def leave(self) -> None:
        """Give a place back."""
        self._room.leave()

    async def drain(self) -> None:
        """Wait until every place is free, and give none away any more."""
        await self._room.drain()

    async def _take(self, message: Message, give_up_at: float, rate: float) -> float | None:
        """Hold a place whose turn comes in so many seconds; None, and no place, if that is not possible in time.

        Who has to ask again holds no place meanwhile: it is for those who have a turn.
        """
        again = False
        try:
            async with asyncio.timeout_at(give_up_at):
                while True:
                    match await self._ask(message, give_up_at, rate, again=again):
                        case Turn(wait_s):
                            return wait_s
                        case Later(wait_s):
                            await asyncio.sleep(wait_s)
                            again = True
                        case None:
                            return None
        except TimeoutError:
            return None

    async def _ask(self, message: Message, give_up_at: float, rate: float, *, again: bool) -> Answer:
        """Take a place and ask for a turn; without a turn the place is given back."""
        await self._room.take(RANK[message.category])
        answer: Answer = None
        try:
            if math.isinf(rate):
                answer = Turn(0.0)
            else:
                left_s = give_up_at - asyncio.get_running_loop().time()
                pace = Pace(rate, self._burst)
                answer = await self._cap.reserve(
                    self._channel, pace, message.segments, message.category, left_s, again=again
                )
        finally:
            if not isinstance(answer, Turn):
                self._room.leave()
        return answer
