"""A channel to a carrier that speaks SMPP 3.4, over one bind or several."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from adapters.carriers.smpp.bind import Backoff, Bind
from adapters.carriers.smpp.incoming import Incoming
from adapters.carriers.smpp.link import NotWrittenError
from adapters.carriers.smpp.parts import References
from adapters.carriers.smpp.requests import NoAnswerError
from adapters.carriers.smpp.session import Pace
from adapters.ending import end
from engine.events import AnsweredLate
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled, Unanswered
from engine.receipts import LateAnswer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from random import Random
    from typing import NoReturn

    from adapters.carriers.place import Places
    from adapters.carriers.smpp.dialect import Dialect
    from adapters.carriers.smpp.login import Login, Mode
    from adapters.carriers.smpp.message_bodies import SubmitSm
    from adapters.carriers.smpp.pdu import Pdu
    from adapters.carriers.smpp.session import Session
    from engine.inbound import InboundMessage
    from engine.message import Message
    from engine.outcomes import Outcome
    from engine.ports import Clock, Telemetry
    from engine.receipts import DeliveryReceipt, NotSent, Receipt
    from engine.routing import Profile

FIRST_TRY_S = 2.0  #: that opening waits for the binds; a carrier that is away must not keep the service from starting
_PACE, _BACKOFF = Pace(), Backoff()

_log = logging.getLogger(__name__)


class SmppChannel:
    """Submits over whichever bind has most room; its window is that of one bind times the binds that are up."""

    def __init__(
        self,
        profile: Profile,
        places: Places,
        login: Login,
        modes: Sequence[Mode],
        dialect: Dialect,
        *,
        clock: Clock,
        telemetry: Telemetry,
        rng: Random,
        pace: Pace = _PACE,
        backoff: Backoff = _BACKOFF,
    ) -> None:
        """`places` begin with the window of one bind; `modes` has one for each bind."""
        self.profile = profile
        self._places = places
        self._window = places.window
        self._dialect = dialect
        self._references = References(rng)
        self._clock = clock
        self._telemetry = telemetry
        self._binds = [
            Bind(profile.name, mode, login, places.window, pace=pace, backoff=backoff, clock=clock,
                 telemetry=telemetry, rng=rng)
            for mode in modes
        ]  # fmt: skip
        self._keeping: list[asyncio.Task[NoReturn]] = []
        self._telling: set[asyncio.Task[None]] = set()
        self._tell: Callable[[LateAnswer], Awaitable[None]] | None = None

    @property
    def ready(self) -> bool:
        """Whether a bind is up over which messages can be submitted."""
        return bool(self._sessions())

    @property
    def load(self) -> float:
        """How full its window is, from 0 to 1; 1 while no bind is up."""
        return self._places.load

    def place(self, message: Message, within_s: float, rate: float = inf) -> AbstractAsyncContextManager[bool]:
        """Wait for room in the window of any bind and for the channel's turn; False if there is none in time."""
        return self._places.place(message, within_s, rate)

    async def open(self, tell: Callable[[DeliveryReceipt | InboundMessage | LateAnswer], Awaitable[None]]) -> None:
        """Bind, and keep the binds; waits a little for the first tries."""
        self._tell = tell
        incoming = Incoming(self.profile.name, self._dialect, self._clock, tell)
        self._changed()
        self._keeping = [asyncio.create_task(bind.keep(incoming.take, self._changed)) for bind in self._binds]
        tries = [asyncio.ensure_future(bind.tried.wait()) for bind in self._binds]
        await asyncio.wait(tries, timeout=FIRST_TRY_S)
        await end(tries)

    async def close(self) -> None:
        """Wait for the answers under way, then take leave of the carrier on every bind."""
        await self._places.drain()
        await asyncio.gather(*(bind.close() for bind in self._binds))
        await end(self._keeping)
        await end(self._telling)

    async def submit(self, message: Message) -> Outcome:
        """Submit the parts of a message in their order over one bind, each when the one before was accepted.

        Once a part was accepted the message is begun: a later part that is not leaves its outcome open, for over
        another channel the phone would get the first parts again.
        """
        parts = self._dialect.write(message, self._references)
        if isinstance(parts, Refused):
            return parts
        session = max(self._sessions(), key=lambda session: session.room, default=None)
        if session is None or session.room <= 0:
            return self._no_bind()
        ids: list[str] = []
        with session.place():
            for part in parts:
                late = partial(self._hear_late, message, ids, len(parts))
                outcome = await self._submit_part(session, part, late, begun=bool(ids))
                if not isinstance(outcome, Accepted):
                    return _of_the_rest(outcome, len(ids), len(parts)) if ids else outcome
                ids.append(outcome.carrier_id)
        return Accepted(" ".join(ids))

    async def ask(self, receipt: Receipt) -> DeliveryReceipt | NotSent | None:
        """What the carrier says of a message by its own id; SMPP knows no other, so without one nothing is learnt."""
        session = next(iter(self._sessions()), None)
        if session is None or not receipt.carrier_id or " " in receipt.carrier_id:
            return None
        answer = await session.ask(self._dialect.query(receipt.carrier_id))
        return self._dialect.read_query(answer, receipt.carrier_id, self.profile.name, self._clock.now())

    def _sessions(self) -> list[Session]:
        """Those over which messages can be submitted just now."""
        up = (bind.session for bind in self._binds if bind.mode.submits)
        return [session for session in up if session is not None and session.takes_submits]

    def _changed(self) -> None:
        self._places.resize(self._window * len(self._sessions()))

    def _no_bind(self) -> ChannelFault:
        refused = [bind.refused for bind in self._binds if bind.mode.submits]
        if (reason := refused[0]) and all(refused):
            return ChannelFault(f"{reason[0].upper()}{reason[1:]}.", fatal=True)
        return ChannelFault("No bind to the carrier is up, or none has room any more.")

    async def _submit_part(
        self, session: Session, part: SubmitSm, late: Callable[[Pdu], None], *, begun: bool
    ) -> Outcome:
        """One part; of a message that is begun it is tried again while the carrier is too busy for it."""
        outcome = await self._submit_once(session, part, late)
        while begun and isinstance(outcome, Throttled):
            await asyncio.sleep(outcome.retry_after_s)
            outcome = await self._submit_once(session, part, late)
        return outcome

    async def _submit_once(self, session: Session, part: SubmitSm, late: Callable[[Pdu], None]) -> Outcome:
        try:
            return self._dialect.outcome(await session.submit(part, late))
        except NotWrittenError:
            return ChannelFault("The link to the carrier ended before the submit.")
        except NoAnswerError as error:
            return Unanswered(f"Submitted and not answered: {error}.")
        except ValueError as error:
            return Refused("NOT_WRITABLE", f"The message cannot be written: {error}.")

    def _hear_late(self, message: Message, ids: list[str], parts: int, pdu: Pdu) -> None:
        """A part was answered after it was given up; the last of a message makes it a submitted one."""
        outcome = self._dialect.outcome(pdu)
        self._telemetry.emit(AnsweredLate(message.job.id, self.profile.name, outcome))
        if self._tell and isinstance(outcome, Accepted) and len(ids) + 1 == parts:
            carrier_id = " ".join([*ids, outcome.carrier_id])
            answer = LateAnswer(self.profile.name, carrier_id, message.recipient.number, message.job.id)
            task = asyncio.get_running_loop().create_task(self._tell_late(self._tell, answer))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell_late(self, tell: Callable[[LateAnswer], Awaitable[None]], answer: LateAnswer) -> None:
        try:
            await tell(answer)
        except Exception as error:  # noqa: BLE001  (the carrier answers once: nobody can be asked again)
            _log.warning("a late answer on channel %s was not taken (%s)", self.profile.name, type(error).__name__)


def _of_the_rest(outcome: Outcome, accepted: int, parts: int) -> Unanswered:
    said = "" if isinstance(outcome, Accepted) else f" ({outcome.reason})"
    return Unanswered(f"Of {parts} parts {accepted} were accepted, and then no more{said}.")
