"""When is a channel's next turn, within one process?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.turns import AHEAD_S, Line, ask

if TYPE_CHECKING:
    from engine.message import Category
    from engine.ports import Clock
    from engine.turns import Answer, Pace


class MemoryRateCap:
    """One line of turns per channel, at the rate the carrier allows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free_at: dict[str, float] = {}
        self._asked_until: dict[tuple[str, Category], float] = {}

    async def reserve(
        self, channel: str, pace: Pace, segments: int, category: Category, within_s: float, *, again: bool = False
    ) -> Answer:
        """A turn, or when to ask `again`, or None if the turn cannot come within `within_s` seconds."""
        now, own = self._clock.monotonic(), (channel, category)
        line = Line(self._free_at.get(channel, now), self._asked_until.get(own, now))
        line, answer = ask(line, now, pace, segments, AHEAD_S.get(category, within_s), within_s, again=again)
        self._free_at[channel], self._asked_until[own] = line.free_at, line.asked_until
        return answer
