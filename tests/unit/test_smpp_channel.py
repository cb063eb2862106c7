"""A channel over SMPP: several binds as one way, long messages over one of them, and what is known when things end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from adapters.carriers.smpp.addresses import Address, destination, source
from adapters.carriers.smpp.bind import Backoff
from adapters.carriers.smpp.channel import SmppChannel
from adapters.carriers.smpp.commands import Command, Status
from adapters.carriers.smpp.dialect import Dialect
from adapters.carriers.smpp.login import Login, Mode
from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm, QuerySmResp, SubmitSm, SubmitSmResp
from adapters.carriers.smpp.parts import Way, Writing
from adapters.carriers.smpp.session import Pace
from adapters.carriers.smpp.session_bodies import BindTransceiverResp, Unbind
from adapters.carriers.smpp.tlv import Tag
from adapters.clock import SystemClock
from engine.events import AnsweredLate
from engine.inbound import InboundMessage
from engine.message import Recipient
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled, Unanswered
from engine.receipts import DeliveryReceipt, LateAnswer, State, receipt_for
from engine.routing import Profile
from tests.carriers import message, places
from tests.smsc import Smsc, SmscLink, answers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from adapters.carriers.smpp.pdu import Pdu
    from engine.message import Message
    from engine.receipts import Receipt

PATIENT = Pace(enquire_link_s=600, answer_s=60, connect_s=60)
AT_ONCE = Backoff(first_s=0.001, max_s=0.001, refused_s=0.001)
LONG = "A code, and a long story of how it came about. " * 8  # 376 characters of GSM-7: three parts


class Told(list[Any]):
    """What was told, by telemetry or by the channel."""

    def emit(self, event: Any) -> None:
        self.append(event)

    async def tell(self, news: Any) -> None:
        self.append(news)


class On:
    """An open channel."""

    def __init__(self, channel: SmppChannel) -> None:
        self.channel = channel
        self.events = Told()
        self.news = Told()

    async def submit(self, one: Message | None = None) -> Any:
        one = one or message()
        async with self.channel.place(one, 30) as free:
            assert free
            return await self.channel.submit(one)


@asynccontextmanager
async def opened(
    smsc: Smsc,
    *modes: Mode,
    window: int = 10,
    dialect: Dialect | None = None,
    backoff: Backoff = AT_ONCE,
    pace: Pace = PATIENT,
) -> AsyncIterator[On]:
    events = Told()
    channel = SmppChannel(
        Profile("alpha"),
        places(window),
        Login("127.0.0.1", smsc.port, "user", "secret"),
        modes or [Mode.TRANSCEIVER],
        dialect or Dialect(sender="1069"),
        clock=SystemClock(),
        telemetry=events,
        rng=Random(1),
        pace=pace,
        backoff=backoff,
    )
    on = On(channel)
    on.events = events
    await channel.open(on.news.tell)
    yield on
    await channel.close()


def long_message() -> Message:
    return message()._replace(text=LONG, segments=3, recipient=Recipient("+447700900123", "GB"))


def submits(smsc: Smsc) -> list[Any]:
    return [pdu.body for link in smsc.links for pdu in link.only(Command.SUBMIT_SM)]


async def test_a_message_is_written_as_the_carrier_wants_it() -> None:
    async with Smsc().running() as smsc, opened(smsc, dialect=Dialect(sender="+8610690000")) as on:
        assert await on.submit(message(extend="77")) == Accepted("id-1")
        (asked,) = submits(smsc)
    assert asked == SubmitSm(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr="861069000077",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="8613800001234",
        registered_delivery=1,
        data_coding=8,
        short_message="【Acme】Your code is 1234.".encode("utf-16-be"),
    )


@pytest.mark.parametrize(
    ("sender", "extend", "address"),
    [
        ("", None, Address(0, 0, "")),
        ("Acme", None, Address(5, 0, "Acme")),
        ("1069", None, Address(3, 0, "1069")),
        ("1069", "12345678", Address(3, 0, "106912345678")),
        ("447700900123", None, Address(1, 1, "447700900123")),
        ("+447700900", "123", Address(1, 1, "447700900123")),
        ("1069", "1" * 16, Address(3, 0, "1069" + "1" * 16)),
    ],
)
def test_the_kind_of_a_sender_shows(sender: str, extend: str | None, address: Address) -> None:
    assert source(sender, extend) == address


@pytest.mark.parametrize(
    ("sender", "extend", "code"),
    [("Acme", "1", "EXTEND_IMPOSSIBLE"), ("", "1", "EXTEND_IMPOSSIBLE"), ("1069", "1" * 17, "EXTEND_TOO_LONG")],
)
async def test_a_sub_address_that_does_not_fit_is_refused_and_nothing_sent(sender: str, extend: str, code: str) -> None:
    async with Smsc().running() as smsc, opened(smsc, dialect=Dialect(sender=sender)) as on:
        refused = await on.submit(message(extend=extend))
        assert isinstance(refused, Refused)
        assert refused.code == code
        assert extend not in refused.reason
        assert submits(smsc) == []


def test_a_recipient_is_written_without_its_plus() -> None:
    assert destination("+8613800001234") == Address(1, 1, "8613800001234")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.ESME_RINVDSTADR, Refused),
        (Status.ESME_RSYSERR, ChannelFault),
        (Status.ESME_RTHROTTLED, Throttled),
        (Status.ESME_RMSGQFUL, Throttled),
    ],
)
async def test_a_carriers_answer_is_one_of_the_outcomes(status: int, kind: type) -> None:
    async with Smsc(answers(status)).running() as smsc, opened(smsc) as on:
        assert isinstance(await on.submit(), kind)
        assert on.channel.load == 0


@pytest.mark.parametrize("way", Way)
async def test_the_parts_of_a_long_message_go_over_one_bind_in_their_order(way: Way) -> None:
    dialect = Dialect(sender="1069", writing=Writing(long=way))
    both = [Mode.TRANSCEIVER] * 2
    async with Smsc().running() as smsc, opened(smsc, *both, dialect=dialect) as on:
        outcome = await on.submit(long_message())
        per_link = [len(link.only(Command.SUBMIT_SM)) for link in smsc.links]
        bodies = submits(smsc)
    assert sorted(per_link) == ([0, 1] if way is Way.PAYLOAD else [0, 3])
    match way:
        case Way.UDH:
            assert [body.short_message[4:6] for body in bodies] == [b"\3\1", b"\3\2", b"\3\3"]
            assert {body.esm_class for body in bodies} == {0x40}
        case Way.SAR:
            assert [body.tlvs[Tag.SAR_SEGMENT_SEQNUM] for body in bodies] == [b"\1", b"\2", b"\3"]
        case Way.PAYLOAD:
            assert bodies[0].tlvs[Tag.MESSAGE_PAYLOAD] == LONG.encode()
    assert outcome == Accepted("id-1" if way is Way.PAYLOAD else "id-1 id-2 id-3")


async def test_two_long_messages_to_one_phone_have_two_references() -> None:
    async with Smsc().running() as smsc, opened(smsc) as on:
        await on.submit(long_message())
        await on.submit(long_message())
        assert len({body.short_message[3] for body in submits(smsc)}) == 2


def from_part(number: int, status: int) -> Any:
    """A script that answers the submits from one on, counted from 1, with a status."""
    seen = 0

    def script(link: SmscLink, pdu: Pdu) -> bool:
        nonlocal seen
        if pdu.command != Command.SUBMIT_SM:
            return False
        seen += 1
        if seen < number:
            return False
        link.send(SubmitSmResp(), pdu.sequence, status)
        return True

    return script


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.ESME_RINVDSTADR, Refused),
        (Status.ESME_RSYSERR, ChannelFault),
        (Status.ESME_RTHROTTLED, Throttled),
    ],
)
async def test_a_first_part_that_is_not_accepted_is_the_outcome_and_no_other_is_sent(status: int, kind: type) -> None:
    async with Smsc(from_part(1, status)).running() as smsc, opened(smsc) as on:
        assert isinstance(await on.submit(long_message()), kind)
        assert len(submits(smsc)) == 1


@pytest.mark.parametrize("status", [Status.ESME_RINVDSTADR, Status.ESME_RSYSERR])
async def test_a_later_part_that_is_not_accepted_leaves_the_outcome_open(status: int) -> None:
    async with Smsc(from_part(2, status)).running() as smsc, opened(smsc) as on:
        outcome = await on.submit(long_message())
        assert isinstance(outcome, Unanswered)
        assert "Of 3 parts 1 were accepted" in outcome.reason
        assert len(submits(smsc)) == 2


async def test_a_later_part_for_which_the_carrier_is_too_busy_is_sent_again_over_the_same_bind() -> None:
    seen: list[int] = []

    def busy_once(link: SmscLink, pdu: Pdu) -> bool:
        if pdu.command != Command.SUBMIT_SM:
            return False
        seen.append(pdu.sequence)
        if len(seen) == 2:
            link.send(SubmitSmResp(), pdu.sequence, Status.ESME_RTHROTTLED)
            return True
        return False

    async with Smsc(busy_once).running() as smsc, opened(smsc, Mode.TRANSCEIVER, Mode.TRANSCEIVER) as on:
        assert await on.submit(long_message()) == Accepted("id-1 id-2 id-3")
        numbers = [body.short_message[5] for body in submits(smsc)]
        assert numbers == [1, 2, 2, 3]
        assert 0 in [len(link.only(Command.SUBMIT_SM)) for link in smsc.links]


async def test_a_link_that_ends_within_a_long_message_leaves_it_open() -> None:
    def cut_at_two(link: SmscLink, pdu: Pdu) -> bool:
        if pdu.command == Command.SUBMIT_SM and len(link.only(Command.SUBMIT_SM)) == 2:
            link.cut()
            return True
        return False

    async with Smsc(cut_at_two).running() as smsc, opened(smsc) as on:
        assert isinstance(await on.submit(long_message()), Unanswered)


async def test_a_link_that_ends_before_the_answer_leaves_the_submit_open_and_is_made_again() -> None:
    def cut(link: SmscLink, pdu: Pdu) -> bool:
        if pdu.command == Command.SUBMIT_SM and len(smsc.links) == 1:
            link.cut()
            return True
        return False

    async with Smsc(cut).running() as smsc, opened(smsc) as on:
        assert isinstance(await on.submit(), Unanswered)
        assert await on.submit() == Accepted("id-1")


async def test_without_a_bind_nothing_is_sent_and_nobody_gets_a_place() -> None:
    async with Smsc().running() as smsc:
        pass
    backoff = Backoff(first_s=600, max_s=600)
    async with opened(smsc, backoff=backoff) as on:
        assert not on.channel.ready
        assert on.channel.load == 1
        async with on.channel.place(message(), 0.01) as free:
            assert not free
        outcome = await on.channel.submit(message())
        assert isinstance(outcome, ChannelFault)
        assert not outcome.fatal


async def test_a_refused_login_is_a_fault_that_somebody_has_to_see_to() -> None:
    def refuse(link: SmscLink, pdu: Pdu) -> bool:
        link.send(BindTransceiverResp(), pdu.sequence, Status.ESME_RINVPASWD)
        return True

    backoff = Backoff(refused_s=600)
    async with Smsc(refuse).running() as smsc, opened(smsc, backoff=backoff) as on:
        assert not on.channel.ready
        assert await on.channel.submit(message()) == ChannelFault(
            "The carrier refuses the bind (ESME_RINVPASWD).", fatal=True
        )


async def test_the_window_is_that_of_the_binds_that_are_up_and_each_has_its_own() -> None:
    both = [Mode.TRANSCEIVER] * 2
    backoff = Backoff(first_s=600, max_s=600)
    async with Smsc(answers(silent=True)).running() as smsc, opened(smsc, *both, window=3, backoff=backoff) as on:
        under_way = [asyncio.create_task(on.submit()) for _ in range(10)]
        await smsc.until(lambda: len(submits(smsc)) == 6)
        await asyncio.sleep(0.02)
        assert [len(link.only(Command.SUBMIT_SM)) for link in smsc.links] == [3, 3]
        assert on.channel.load == 1
        smsc.links[0].cut()
        await smsc.until(lambda: sum(task.done() for task in under_way) == 3)
        await asyncio.sleep(0.02)
        assert len(submits(smsc)) == 6
        for _ in range(4):
            smsc.links[1].send(SubmitSmResp("x"), smsc.links[1].only(Command.SUBMIT_SM)[-1].sequence)
            waiting = sum(not task.done() for task in under_way)
            await smsc.until(lambda left=waiting: sum(not task.done() for task in under_way) == left - 1)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        assert max(len(link.only(Command.SUBMIT_SM)) for link in smsc.links) == 7


async def test_messages_go_over_the_bind_with_most_room() -> None:
    async with Smsc(answers(silent=True)).running() as smsc, opened(smsc, *[Mode.TRANSCEIVER] * 3) as on:
        under_way = [asyncio.create_task(on.submit()) for _ in range(6)]
        await smsc.until(lambda: len(submits(smsc)) == 6)
        assert [len(link.only(Command.SUBMIT_SM)) for link in smsc.links] == [2, 2, 2]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def test_of_a_pair_one_bind_submits_and_the_other_receives() -> None:
    async with Smsc().running() as smsc, opened(smsc, Mode.TRANSMITTER, Mode.RECEIVER) as on:
        assert await on.submit() == Accepted("id-1")
        by_mode = {link.bound: link for link in smsc.links}
        assert len(by_mode[Command.BIND_TRANSMITTER].only(Command.SUBMIT_SM)) == 1
        by_mode[Command.BIND_RECEIVER].send(DeliverSm(esm_class=4, short_message=b"id:id-1 stat:DELIVRD"))
        await smsc.until(lambda: on.news)
        assert on.news[0].carrier_id == "id-1"


async def test_a_receiver_alone_does_not_make_the_channel_ready() -> None:
    def no_transmitter(link: SmscLink, pdu: Pdu) -> bool:
        if pdu.command == Command.BIND_TRANSMITTER:
            link.cut()
        return pdu.command == Command.BIND_TRANSMITTER

    backoff = Backoff(first_s=600, max_s=600)
    pair = [Mode.TRANSMITTER, Mode.RECEIVER]
    async with Smsc(no_transmitter).running() as smsc, opened(smsc, *pair, backoff=backoff) as on:
        assert any(link.bound for link in smsc.links)
        assert not on.channel.ready


async def test_while_a_carrier_says_goodbye_the_channel_takes_nothing() -> None:
    async with Smsc(answers(silent=True)).running() as smsc, opened(smsc, backoff=Backoff(first_s=600)) as on:
        submit = asyncio.create_task(on.submit())
        await smsc.until(lambda: submits(smsc))
        smsc.link.send(Unbind())
        await smsc.until(lambda: not on.channel.ready)
        async with on.channel.place(message(), 0.01) as free:
            assert not free
        smsc.link.send(SubmitSmResp("last"), smsc.link.only(Command.SUBMIT_SM)[0].sequence)
        assert await submit == Accepted("last")


async def test_receipts_and_messages_are_told_from_every_bind() -> None:
    async with Smsc().running() as smsc, opened(smsc, *[Mode.TRANSCEIVER] * 2) as on:
        for nth, link in enumerate(smsc.links):
            link.send(DeliverSm(esm_class=4, source_addr="8613800001234", short_message=b"id:%d stat:DELIVRD" % nth))
            link.send(DeliverSm(source_addr_ton=1, source_addr="8613800001234", destination_addr="106977",
                                short_message=b"STOP"))  # fmt: skip
        await smsc.until(lambda: len(on.news) == 4)
    dlrs = [news for news in on.news if isinstance(news, DeliveryReceipt)]
    assert {dlr.carrier_id for dlr in dlrs} == {"0", "1"}
    assert {(dlr.channel, dlr.state, dlr.to) for dlr in dlrs} == {("alpha", State.DELIVERED, "8613800001234")}
    replies = [news for news in on.news if isinstance(news, InboundMessage)]
    assert {(each.channel, each.sender, each.to, each.text) for each in replies} == {
        ("alpha", "+8613800001234", "106977", "STOP")
    }


async def test_the_parts_of_a_reply_are_joined_whichever_bind_they_come_over() -> None:
    octets = "退订 TD".encode("utf-16-be")
    async with Smsc().running() as smsc, opened(smsc, *[Mode.TRANSCEIVER] * 2) as on:
        halves = octets[:3], octets[3:]  # cut within a character
        for number, (link, half) in enumerate(zip(smsc.links, halves, strict=True), 1):
            udh = bytes((5, 0, 3, 9, 2, number))
            link.send(DeliverSm(esm_class=0x40, data_coding=8, source_addr="1", short_message=udh + half))
        await smsc.until(lambda: all(link.only(Command.DELIVER_SM_RESP) for link in smsc.links))
        assert [news.text for news in on.news] == ["退订 TD"]
        assert {link.heard[-1].status for link in smsc.links} == {Status.ESME_ROK}


async def test_a_message_by_data_sm_is_told_too() -> None:
    async with Smsc().running() as smsc, opened(smsc) as on:
        smsc.link.send(DataSm(source_addr="1", tlvs={Tag.MESSAGE_PAYLOAD: b"hello"}))
        await smsc.until(lambda: smsc.link.only(Command.DATA_SM_RESP))
        assert on.news[0].text == "hello"


async def test_a_receipt_that_names_no_message_is_not_asked_for_again(caplog: pytest.LogCaptureFixture) -> None:
    async with Smsc().running() as smsc, opened(smsc) as on:
        smsc.link.send(DeliverSm(esm_class=4, short_message=b"thank you"))
        await smsc.until(lambda: smsc.link.only(Command.DELIVER_SM_RESP))
        assert smsc.link.heard[-1].status == Status.ESME_ROK
        assert on.news == []
    assert "thank you" not in caplog.text
    assert "without saying on which" in caplog.text


async def test_a_status_that_is_not_known_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    async with Smsc().running() as smsc, opened(smsc) as on:
        for _ in range(2):
            smsc.link.send(DeliverSm(esm_class=4, short_message=b"id:1 stat:MOONED"))
        await smsc.until(lambda: len(on.news) == 2)
    assert caplog.text.count("MOONED") == 1


async def test_an_answer_that_comes_late_is_told_of() -> None:
    async with Smsc(answers(silent=True)).running() as smsc, opened(smsc) as on:
        one = message()
        submit = asyncio.create_task(on.submit(one))
        await smsc.until(lambda: submits(smsc))
        submit.cancel()
        await asyncio.gather(submit, return_exceptions=True)
        smsc.link.send(SubmitSmResp("at last"), smsc.link.only(Command.SUBMIT_SM)[0].sequence)
        await smsc.until(lambda: on.news)
        assert on.events[1:] == [AnsweredLate(one.job.id, "alpha", Accepted("at last"))]
        assert on.news == [LateAnswer("alpha", "at last", "+8613800001234", one.job.id)]


@pytest.mark.parametrize(("answered", "ids"), [(2, "id-1 id-2 late"), (1, None)])
async def test_only_the_last_part_answered_late_makes_a_message_submitted(answered: int, ids: str | None) -> None:
    def fall_silent(link: SmscLink, pdu: Pdu) -> bool:
        return pdu.command == Command.SUBMIT_SM and len(link.only(Command.SUBMIT_SM)) > answered

    async with Smsc(fall_silent).running() as smsc, opened(smsc) as on:
        submit = asyncio.create_task(on.submit(long_message()))
        await smsc.until(lambda: len(submits(smsc)) == answered + 1)
        submit.cancel()
        await asyncio.gather(submit, return_exceptions=True)
        smsc.link.send(SubmitSmResp("late"), smsc.link.only(Command.SUBMIT_SM)[-1].sequence)
        await smsc.until(lambda: len(on.events) == 2)
        await asyncio.sleep(0.01)
        assert [news.carrier_id for news in on.news] == ([ids] if ids else [])


async def test_a_late_answer_that_cannot_be_taken_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(news: Any) -> None:
        raise OSError("+8613800001234")

    async with Smsc(answers(silent=True)).running() as smsc, opened(smsc) as on:
        on.channel._tell = fail
        submit = asyncio.create_task(on.submit())
        await smsc.until(lambda: submits(smsc))
        submit.cancel()
        await asyncio.gather(submit, return_exceptions=True)
        smsc.link.send(SubmitSmResp("late"), smsc.link.only(Command.SUBMIT_SM)[0].sequence)
        await smsc.until(lambda: caplog.records)
    assert caplog.messages == ["a late answer on channel alpha was not taken (OSError)"]


def unknown(carrier_id: str | None) -> Receipt:
    one = message()
    receipt = receipt_for(one.job, State.UNKNOWN, datetime.now(UTC), category=one.category, to="+8613800001234")
    return receipt._replace(channel="alpha", carrier_id=carrier_id)


async def test_a_carrier_can_be_asked_by_its_own_id_and_by_nothing_else() -> None:
    asked: list[Any] = []

    def know(link: SmscLink, pdu: Pdu) -> bool:
        if pdu.command != Command.QUERY_SM:
            return False
        asked.append(pdu.body)
        known = asked[-1].message_id == "known"
        body = QuerySmResp("known", "", 2) if known else QuerySmResp()
        link.send(body, pdu.sequence, Status.ESME_ROK if known else Status.ESME_RQUERYFAIL)
        return True

    async with Smsc(know).running() as smsc, opened(smsc) as on:
        found = await on.channel.ask(unknown("known"))
        assert found is not None
        assert (found.carrier_id, found.state) == ("known", State.DELIVERED)
        assert await on.channel.ask(unknown("forgotten")) is None
        assert await on.channel.ask(unknown(None)) is None
        assert await on.channel.ask(unknown("two parts")) is None
    assert [(body.message_id, body.source_addr_ton, body.source_addr) for body in asked] == [
        ("known", 3, "1069"),
        ("forgotten", 3, "1069"),
    ]


async def test_closing_waits_for_the_window_and_then_says_goodbye_on_every_bind() -> None:
    async with Smsc(answers(silent=True)).running() as smsc, opened(smsc, *[Mode.TRANSCEIVER] * 2) as on:
        submit = asyncio.create_task(on.submit())
        await smsc.until(lambda: submits(smsc))
        closing = asyncio.create_task(on.channel.close())
        await asyncio.sleep(0.02)
        assert not any(link.only(Command.UNBIND) for link in smsc.links)
        (link,) = [link for link in smsc.links if link.only(Command.SUBMIT_SM)]
        link.send(SubmitSmResp("last"), link.only(Command.SUBMIT_SM)[0].sequence)
        assert await submit == Accepted("last")
        await closing
        assert all(link.only(Command.UNBIND) for link in smsc.links)


async def test_a_carrier_that_does_not_answer_the_bind_does_not_keep_the_service_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.carriers.smpp.channel.FIRST_TRY_S", 0.02)
    async with Smsc(lambda link, pdu: True).running() as smsc, opened(smsc) as on:
        assert not on.channel.ready
