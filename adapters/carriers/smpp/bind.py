"""One bind that is kept: made again whenever it ends, after a while that grows while the carrier is away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.carriers.smpp.login import BindRefusedError, bind, said
from adapters.carriers.smpp.session import Session
from engine.events import BindDown, BindUp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random
    from typing import NoReturn

    from adapters.carriers.smpp.login import Login, Mode
    from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm
    from adapters.carriers.smpp.session import Pace
    from engine.ports import Clock, Telemetry


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next try, in seconds."""

    first_s: float = 0.5
    max_s: float = 30.0
    refused_s: float = 60.0  #: after a refusal that does not heal by itself: an account may be locked by many tries
    lasted_s: float = 60.0  #: a bind that held so long was a good one, and the next wait is a first one

    def delay_s(self, failures: int, rng: Random, *, refused: bool = False) -> float:
        """The wait after so many failures one after the other: doubled each time, with jitter of up to a half."""
        most_s = self.refused_s if refused else min(self.max_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return most_s * rng.uniform(0.5, 1.0)


class Bind:
    """A bind as the operator wants it: there."""

    def __init__(
        self,
        channel: str,
        mode: Mode,
        login: Login,
        window: int,
        *,
        pace: Pace,
        backoff: Backoff,
        clock: Clock,
        telemetry: Telemetry,
        rng: Random,
    ) -> None:
        self.mode = mode
        self.tried = asyncio.Event()  #: set once the first try succeeded or failed
        self.refused: str | None = None  #: why somebody has to act before it can come up
        self.session: Session | None = None  #: while it is up
        self._channel = channel
        self._login = login
        self._window = window
        self._pace = pace
        self._backoff = backoff
        self._clock = clock
        self._telemetry = telemetry
        self._rng = rng
        self._told: str | None = None
        self._closing = False

    async def close(self) -> None:
        """Take leave of the carrier; what is not answered by then stays unknown. `keep` has still to be cancelled."""
        self._closing = True
        if self.session:
            await self.session.unbind()

    async def keep(
        self, take: Callable[[DeliverSm | DataSm], Awaitable[None]], changed: Callable[[], None]
    ) -> NoReturn:
        """Bind again and again; `take` what comes, and say with `changed` when the bind came up or takes no more."""
        failures = 0
        while True:
            session = Session(take, self._window, self._pace, changed)
            try:
                await bind(self._login, self.mode, session, self._pace)
            except Exception as error:  # noqa: BLE001  (nobody would start us again)
                failures += 1
                lasting = isinstance(error, BindRefusedError) and error.lasting
                self.refused = said(error) if lasting else None
                self._tell_down(said(error), lasting=lasting)
                self.tried.set()
                await asyncio.sleep(self._backoff.delay_s(failures, self._rng, refused=lasting))
                continue
            lasted_s = await self._hold(session, changed)
            failures = 1 if lasted_s >= self._backoff.lasted_s else failures + 1
            await asyncio.sleep(self._backoff.delay_s(failures, self._rng))

    async def _hold(self, session: Session, changed: Callable[[], None]) -> float:
        """Keep a session until it is over; answers how long that was, in seconds."""
        since = self._clock.monotonic()
        self.session, self.refused, self._told = session, None, None
        self._telemetry.emit(BindUp(self._channel, self.mode.value))
        self.tried.set()
        changed()
        reason = "closed"
        try:
            reason = await session.run()
        finally:
            self.session = None
            lasted_s = self._clock.monotonic() - since
            self._tell_down(reason, up_s=lasted_s)
        return lasted_s

    def _tell_down(self, reason: str, *, lasting: bool = False, up_s: float | None = None) -> None:
        if reason != self._told and not self._closing:  # once per outage and reason
            self._told = reason
            self._telemetry.emit(BindDown(self._channel, self.mode.value, reason, lasting, up_s))
