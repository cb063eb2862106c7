"""How do the channels do, as seen by this process?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import health
from engine.health import Vitals
from engine.outcomes import Accepted, ChannelFault, Unanswered

if TYPE_CHECKING:
    from engine.outcomes import Outcome
    from engine.ports import Clock


class MemoryHealthBoard:
    """The vitals of each channel."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._vitals: dict[str, Vitals] = {}

    def observe(self, channel: str, outcome: Outcome, latency_s: float) -> None:
        """Note how a submit ended; a refused message or a throttle says nothing about the channel's health."""
        if isinstance(outcome, Accepted | ChannelFault | Unanswered):
            self._vitals[channel] = health.observe(
                self._vitals.get(channel, Vitals()),
                success=isinstance(outcome, Accepted),
                latency_s=latency_s,
                now=self._clock.monotonic(),
            )

    def score(self, channel: str) -> float:
        """From 0 (send nothing) to 1."""
        return health.score(self._vitals.get(channel, Vitals()), self._clock.monotonic())
