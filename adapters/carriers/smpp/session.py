"""One bind to a carrier (SMPP 3.4): from its bind to its end, everything that either end may ask of the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.carriers.smpp.commands import RESPONSE, Command, Status
from adapters.carriers.smpp.deliveries import Deliveries
from adapters.carriers.smpp.link import Link
from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm
from adapters.carriers.smpp.pdu import Pdu
from adapters.carriers.smpp.requests import Requests
from adapters.carriers.smpp.session_bodies import EnquireLink, EnquireLinkResp, GenericNack, Unbind, UnbindResp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from adapters.carriers.smpp.message_bodies import SubmitSm
    from adapters.carriers.smpp.pdu import Body, PduError

MAX_MALFORMED = 10  #: PDUs of a session, after which the other end is not held to speak SMPP

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient a session is, in seconds."""

    enquire_link_s: float = 30.0  #: of silence, after which the carrier is asked whether it is there
    answer_s: float = 10.0  #: for the answer to anything but a submit, whose patience is the engine's
    connect_s: float = 10.0


class Session:
    """What is said on one connection. It is over once, and never comes back: `reason` tells why."""

    def __init__(
        self,
        take: Callable[[DeliverSm | DataSm], Awaitable[None]],
        window: int,
        pace: Pace,
        shut: Callable[[], None] = lambda: None,
    ) -> None:
        """`take` returns once what a carrier handed over is safe; `shut` hears when no submits are taken any more.

        `window` is of unanswered submits.
        """
        self.link = Link(self._hear, self._mishear, self.end)
        self.reason: str | None = None
        self.held = 0  #: places of the window
        self._window = window
        self._pace = pace
        self._shut = shut
        self._requests = Requests()
        self._deliveries = Deliveries(take, self.link.send)
        self._over = asyncio.Event()
        self._leaving = False
        self._goodbye: int | None = None  # sequence number of the carrier's unbind
        self._unheeded = 0  # submits given up since one was answered
        self._malformed = 0

    @property
    def takes_submits(self) -> bool:
        """Whether it is there, and neither end takes leave."""
        return self.reason is None and not self._leaving

    @property
    def room(self) -> int:
        """How many places of the window are free."""
        return self._window - self.held if self.takes_submits else 0

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """One place of the window, for the submits of one message one after the other."""
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1
            self._leave_if_idle()

    async def submit(self, body: SubmitSm, late: Callable[[Pdu], None]) -> Pdu:
        """The carrier's answer to a submit, however long that takes; one given up before it came is told to `late`.

        Whoever submits holds a `place`.

        Raises:
            NotWrittenError: it was surely not sent.
            NoAnswerError: it was written, and no answer will come.
            ValueError: it cannot be written.
        """
        try:
            return await self.ask(body, late)
        except asyncio.CancelledError:
            self._count_unheeded()
            raise

    async def ask(self, body: Body, late: Callable[[Pdu], None] | None = None) -> Pdu:
        """The carrier's answer to any request; raises as `submit` does."""
        await self.link.writable()
        sequence, answer = self._requests.begin(body.command, late)
        try:
            self.link.send(Pdu(body, sequence))
        except ValueError:
            self._requests.drop(sequence)
            raise
        try:
            return await answer
        except asyncio.CancelledError:
            if late and answer.done() and not answer.cancelled() and not answer.exception():
                late(answer.result())  # it came just when it was given up
            self._requests.give_up(sequence)
            raise

    async def run(self) -> str:
        """Keep the session alive until it is over; answers why it is."""
        try:
            while self.reason is None:
                await self._look()
            return self.reason
        finally:
            self.end("closed")
            await self._deliveries.end()

    async def unbind(self) -> None:
        """Finish what the carrier handed over, take leave of it, and hang up."""
        self._leave_off()
        await self._deliveries.finish(self._pace.answer_s)
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(self._pace.answer_s):
                await self.ask(Unbind())
        self.end("closed")

    def end(self, reason: str) -> None:
        """It is over; whoever waits for an answer is told that none will come."""
        if self.reason is None:
            self.reason = reason
            self._over.set()
            self._requests.end(reason)
            self.link.close()
            self._shut()

    async def _look(self) -> None:
        """Wait until the carrier has been silent for long, ask whether it is there, and end the session if not."""
        loop = asyncio.get_running_loop()
        heard_at = self.link.heard_at
        silent_s = loop.time() - heard_at
        if silent_s < self._pace.enquire_link_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.enquire_link_s - silent_s):
                    await self._over.wait()
            return
        with contextlib.suppress(ConnectionError):
            try:
                async with asyncio.timeout(self._pace.answer_s):
                    await self.ask(EnquireLink())
            except TimeoutError:
                if self.link.heard_at == heard_at:
                    self.end("the carrier gives no sign of life")

    def _hear(self, pdu: Pdu) -> None:
        match pdu.body:
            case DeliverSm() | DataSm() as body:
                self._deliveries.begin(body, pdu.sequence)
            case EnquireLink():
                self.link.send(Pdu(EnquireLinkResp(), pdu.sequence))
            case Unbind():
                self._part(pdu.sequence)
            case _ if pdu.command & RESPONSE:
                self._hear_answer(pdu)
            case _ if pdu.command not in (Command.ALERT_NOTIFICATION, Command.OUTBIND):  # neither is ever answered
                self.link.send(Pdu(GenericNack(), pdu.sequence, Status.ESME_RINVCMDID))

    def _hear_answer(self, pdu: Pdu) -> None:
        if pdu.command == Command.SUBMIT_SM_RESP:
            self._unheeded = 0
        if not self._requests.answer(pdu):
            _log.debug("a carrier answers (%s) what was not asked", pdu.command.name.lower())

    def _mishear(self, error: PduError) -> None:
        """Go on after a PDU whose inside makes no sense; end the session where PDUs cannot be told apart any more."""
        header, self._malformed = error.header, self._malformed + 1
        if not header.is_response:
            self.link.send(Pdu(GenericNack(), header.sequence, error.status))
        self._requests.fail(header.sequence, header.command)
        if error.fatal or self._malformed > MAX_MALFORMED:
            self.end(f"the carrier sends what is no SMPP ({error})")

    def _part(self, sequence: int) -> None:
        """The carrier says goodbye: submit nothing more, and answer when it has answered what is under way."""
        if self._goodbye is None:
            self._goodbye = sequence
            self._leave_off()
            asyncio.get_running_loop().call_later(self._pace.answer_s, self._leave)
            self._leave_if_idle()

    def _leave_off(self) -> None:
        self._leaving = True
        self._shut()

    def _leave_if_idle(self) -> None:
        if self._goodbye is not None and not self.held:
            self._leave()

    def _leave(self) -> None:
        if self._goodbye is not None and self.reason is None:
            self.link.send(Pdu(UnbindResp(), self._goodbye))
            self.end("the carrier unbound")

    def _count_unheeded(self) -> None:
        """Where as many submits as the window holds end without an answer, and none between, the link is of no use."""
        self._unheeded += 1
        if self._unheeded >= self._window:
            self.end("the carrier answers no submit")
