"""One connection of a client: its bind, its submits and their answers, and what it is sent."""

from __future__ import annotations

import asyncio
import hmac
import itertools
import time
from typing import TYPE_CHECKING, cast

from adapters.carriers.smpp import message_bodies as message
from adapters.carriers.smpp import session_bodies as session
from adapters.carriers.smpp.commands import Status
from adapters.carriers.smpp.pdu import Body, Frames, Pdu, PduError, encode
from adapters.carriers.smpp.tlv import Tag
from adapters.carriers.smsc.smpp_deliveries import Deliveries
from adapters.carriers.smsc.smpp_messages import known_answer, read_submit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapters.carriers.smsc.carrier import Answer, Carrier
    from adapters.carriers.smsc.messages import Item
    from adapters.carriers.smsc.outbox import Outbox

SYSTEM_ID = "CARRIER"
BIND_WITHIN_S = 10.0
ENQUIRE_AFTER_S, GIVE_UP_AFTER_S = 30.0, 60.0  #: without a word from the client
LOOK_S = 1.0
GOODBYE_S = 2.0  #: for the answer to our unbind
LAST_SEQUENCE = 0x7FFFFFFF

STATUSES = {
    "accepted": Status.ESME_ROK,
    "refused": Status.ESME_RINVDSTADR,
    "fault": Status.ESME_RSYSERR,
    "throttled": Status.ESME_RTHROTTLED,
    "queue_full": Status.ESME_RMSGQFUL,
}
BindResp = session.BindReceiverResp | session.BindTransmitterResp | session.BindTransceiverResp
#: what answers a bind, and whether it may submit and receive
_BINDS: dict[type[session.Bind], tuple[type[BindResp], bool, bool]] = {
    session.BindReceiver: (session.BindReceiverResp, False, True),
    session.BindTransmitter: (session.BindTransmitterResp, True, False),
    session.BindTransceiver: (session.BindTransceiverResp, True, True),
}


class SmppSession(asyncio.Protocol):
    """Speaks to one client; `ended` is called once it is over."""

    def __init__(
        self,
        carrier: Carrier,
        logins: Mapping[str, str],
        begun: Callable[[SmppSession], None],
        ended: Callable[[SmppSession], None],
    ) -> None:
        self.account = ""  #: empty until it is bound
        self._carrier = carrier
        self._logins = logins
        self._begun = begun
        self._ended = ended
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._outbox: Outbox | None = None
        self._deliveries: Deliveries | None = None  # both while it receives
        self._sends = False  # the client may submit
        self._unanswered = 0
        self._submits = 0
        self._sequences = itertools.cycle(range(1, LAST_SEQUENCE))
        self._congested = False
        self._mute = False
        self._held: list[bytes] = []
        self._heard_at = time.monotonic()
        self._timers: list[asyncio.TimerHandle] = []  # that go off once
        self._looking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        loop, every_s = asyncio.get_running_loop(), self._carrier.behaviour.disconnect_every_s
        self._timers = [loop.call_later(BIND_WITHIN_S, self._unbound_too_long)]
        self._looking = loop.call_later(LOOK_S, self._look)
        if every_s:
            self._timers.append(loop.call_later(every_s, self.disconnect))
        self._begun(self)
        self.follow()

    def data_received(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        self._frames.feed(data)
        while self._transport is not None and not self._transport.is_closing():
            try:
                pdu = self._frames.take()
            except PduError as error:
                self._carrier.counts["malformed"] += 1
                if not error.header.is_response:
                    self._write(session.GenericNack(), error.header.sequence, error.status)
                if error.fatal:
                    self._transport.close()
                continue
            if pdu is None:
                return
            self._handle(pdu)

    def connection_lost(self, _: Exception | None) -> None:
        assert self._looking is not None
        for timer in (*self._timers, self._looking):
            timer.cancel()
        self._transport = None
        if self._outbox is not None and self._deliveries is not None:
            self._outbox.remove(self, self._deliveries.untaken())
        self._ended(self)

    def pause_writing(self) -> None:
        self._congested = True
        if self._transport is not None:
            self._transport.pause_reading()  # who does not read what we answer need not ask more

    def resume_writing(self) -> None:
        self._congested = False
        if self._transport is not None and not self._mute:
            self._transport.resume_reading()
        self._pump()

    @property
    def room(self) -> bool:
        """Whether it takes one more item now."""
        return self._deliveries is not None and self._deliveries.room and not self._congested and not self._mute

    def send(self, item: Item) -> None:
        """Send an item; the outbox hears whether it was taken."""
        assert self._deliveries is not None
        self._deliveries.send(item, self._carrier.behaviour.receipt_in, time.monotonic())

    def follow(self) -> None:
        """Act on the state that the carrier is in now."""
        mute = self._carrier.behaviour.state == "mute"
        if mute == self._mute or self._transport is None:
            return
        self._mute = mute
        if mute:
            self._transport.pause_reading()
            return
        self._heard_at = time.monotonic()
        held, self._held = self._held, []
        self._transport.write(b"".join(held))
        if not self._congested:
            self._transport.resume_reading()
        self._pump()

    def disconnect(self, answer: bytes = b"") -> None:
        """End it as the behaviour says; `answer` is what would have been written last."""
        if self._transport is None:
            return
        self._carrier.counts["disconnects"] += 1
        match self._carrier.behaviour.disconnect_by:
            case "close":
                self._transport.write(answer)
                self._transport.close()
            case "unbind":
                self._transport.write(answer)
                self._write(session.Unbind(), next(self._sequences))
                self._timers.append(asyncio.get_running_loop().call_later(GOODBYE_S, self.abort))
            case "mid_pdu":
                cut = answer or encode(Pdu(session.EnquireLink(), next(self._sequences)))
                self._transport.write(cut[: len(cut) // 2])
                self._transport.close()

    def abort(self) -> None:
        """End it at once, as when the machine dies."""
        if self._transport is not None:
            self._transport.abort()

    def _handle(self, pdu: Pdu) -> None:
        match pdu.body:
            case message.SubmitSm() | message.DataSm() as body:
                self._submit(body, pdu.sequence)
            case message.DeliverSmResp() | session.GenericNack():
                if self._deliveries is not None:
                    self._deliveries.settle(pdu.sequence, pdu.status)
            case session.EnquireLink():
                self._carrier.counts["enquiries"] += 1
                self._write(session.EnquireLinkResp(), pdu.sequence)
            case session.EnquireLinkResp():
                pass
            case session.BindReceiver() | session.BindTransmitter() | session.BindTransceiver():
                self._bind(pdu.body, pdu.sequence)
            case message.QuerySm() as body:
                self._query(body, pdu.sequence)
            case session.Unbind():
                self._write(session.UnbindResp(), pdu.sequence)
                self._close()
            case session.UnbindResp():
                self._close()
            case _:
                self._carrier.counts["malformed"] += 1
                self._write(session.GenericNack(), pdu.sequence, Status.ESME_RINVCMDID)

    def _bind(self, body: session.Bind, sequence: int) -> None:
        resp, sends, receives = _BINDS[type(body)]
        password = self._logins.get(body.system_id)
        if self.account:
            self._write(resp(), sequence, Status.ESME_RALYBND)
            return
        if password is None or not hmac.compare_digest(password.encode(), body.password.encode()):
            self._carrier.counts["logins_refused"] += 1
            self._write(resp(), sequence, Status.ESME_RINVSYSID if password is None else Status.ESME_RINVPASWD)
            self._close()
            return
        self.account, self._sends = body.system_id, sends
        self._write(resp(SYSTEM_ID, {Tag.SC_INTERFACE_VERSION: b"\x34"}), sequence)
        if receives:
            self._outbox = self._carrier.outbox(self.account)
            self._deliveries = Deliveries(self._outbox, self._sequences, self._write)
            self._outbox.add(self)

    def _submit(self, body: message.SubmitSm | message.DataSm, sequence: int) -> None:
        resp = message.SubmitSmResp if isinstance(body, message.SubmitSm) else message.DataSmResp
        window = self._carrier.behaviour.window
        if not self._sends:
            self._write(resp(), sequence, Status.ESME_RINVBNDSTS)
            return
        if window and self._unanswered >= window:
            self._carrier.counts["queue_full"] += 1
            self._write(resp(), sequence, Status.ESME_RMSGQFUL)
            return
        try:
            answer = self._carrier.submit(read_submit(body, self.account))
        except OSError:  # the log
            self._write(resp(), sequence, Status.ESME_RSYSERR)
            return
        self._submits += 1
        last = self._submits == self._carrier.behaviour.disconnect_after
        if answer.fate == "silent":
            if last:
                self.disconnect()
            return
        self._unanswered += 1
        pdu = Pdu(resp(answer.carrier_id), sequence, STATUSES[answer.fate])
        if answer.safe is not None:
            answer.safe.add_done_callback(lambda safe: self._answer_safely(safe, answer, pdu, last=last))
        elif answer.after_s:
            asyncio.get_running_loop().call_later(answer.after_s, self._answer, pdu, last)
        else:
            self._answer(pdu, last)

    def _answer_safely(self, safe: asyncio.Future[None], answer: Answer, pdu: Pdu, *, last: bool) -> None:
        if safe.exception() is not None:
            pdu = Pdu(type(pdu.body)(), pdu.sequence, Status.ESME_RSYSERR)
        asyncio.get_running_loop().call_later(answer.after_s, self._answer, pdu, last)

    def _answer(self, pdu: Pdu, last: bool) -> None:
        self._unanswered -= 1
        if last:
            self.disconnect(encode(pdu))
        else:
            self._write(pdu.body, pdu.sequence, pdu.status)

    def _query(self, body: message.QuerySm, sequence: int) -> None:
        known = self._carrier.known.ask(body.message_id)
        if known is None or not self.account:
            status = Status.ESME_RQUERYFAIL if self.account else Status.ESME_RINVBNDSTS
            self._write(message.QuerySmResp(body.message_id), sequence, status)
            return
        self._write(known_answer(known), sequence)

    def _look(self) -> None:
        """Once a second: send again what was not answered, and see whether the client still lives."""
        self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._look)
        now = time.monotonic()
        if self._mute:
            return
        if self._deliveries is not None:
            self._deliveries.look(now)
        if now - self._heard_at > GIVE_UP_AFTER_S:
            self.abort()
        elif now - self._heard_at > ENQUIRE_AFTER_S:
            self._write(session.EnquireLink(), next(self._sequences))

    def _pump(self) -> None:
        if self._outbox is not None:
            self._outbox.pump()

    def _unbound_too_long(self) -> None:
        if not self.account:
            self.abort()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _write(self, body: Body, sequence: int, status: int = Status.ESME_ROK) -> None:
        data = encode(Pdu(body, sequence, status))
        if self._mute:
            self._held.append(data)
        elif self._transport is not None:
            self._transport.write(data)
