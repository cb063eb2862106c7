"""When is a channel's next turn, within one process?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.ports import Clock


class MemoryRateCap:
    """One line of turns per channel, at the rate the carrier allows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free_at: dict[str, float] = {}

    async def reserve(self, channel: str, rate: float, segments: int, within_s: float) -> float | None:
        """Seconds until the turn that is now reserved, at `rate` segments a second.

        None if there is none within `within_s` seconds; then nothing is reserved.
        """
        now = self._clock.monotonic()
        turn = max(now, self._free_at.get(channel, now))
        if turn - now > within_s:
            return None
        self._free_at[channel] = turn + segments / rate
        return turn - now
