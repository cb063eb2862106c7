"""A server is away: say so once, wait with back-off, go on when it is back. Nothing is lost meanwhile."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from engine.events import ServerAway, ServerBack

if TYPE_CHECKING:
    from engine.ports import Clock, Telemetry

FIRST_DELAY_S, MAX_DELAY_S = 0.1, 5.0


class NotPreparedError(Exception):
    """A server answers but lacks what `sms-engine init` makes; the sentence is ours, so it may be shown."""


class Outage:
    """The state of one server as its adapter sees it; `/readyz` reads `away`."""

    def __init__(self, server: str, clock: Clock, telemetry: Telemetry) -> None:
        self.server = server
        self._clock = clock
        self._telemetry = telemetry
        self._since: float | None = None
        self._delay_s = FIRST_DELAY_S

    @property
    def away(self) -> bool:
        """Whether the server did not answer when last asked."""
        return self._since is not None

    async def wait(self, error: BaseException) -> None:
        """Note that the server failed us and sleep before the next try, longer each time up to 5 s, with jitter."""
        if self._since is None:
            self._since = self._clock.monotonic()
            self._telemetry.emit(ServerAway(self.server, _say(error)))
        delay_s, self._delay_s = self._delay_s, min(self._delay_s * 2, MAX_DELAY_S)
        await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))

    def over(self) -> None:
        """Note that the server answered."""
        if self._since is not None:
            self._telemetry.emit(ServerBack(self.server, self._clock.monotonic() - self._since))
            self._since = None
            self._delay_s = FIRST_DELAY_S


def _say(error: BaseException) -> str:
    # Messages of client libraries may quote addresses with passwords, so only the kind is told.
    return str(error) if isinstance(error, NotPreparedError) else type(error).__name__
