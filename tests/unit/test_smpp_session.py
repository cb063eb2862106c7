"""One bind, against a scripted carrier on a real socket: above all, what is known of a submit when things go wrong."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest

from adapters.carriers.smpp import deliveries, link, requests
from adapters.carriers.smpp.commands import Command, Status
from adapters.carriers.smpp.link import NotWrittenError
from adapters.carriers.smpp.login import BindRefusedError, Login, Mode, bind
from adapters.carriers.smpp.message_bodies import DataSm, DataSmResp, DeliverSm, DeliverSmResp, SubmitSm, SubmitSmResp
from adapters.carriers.smpp.pdu import MAX_PDU, Pdu
from adapters.carriers.smpp.requests import MAX_SEQUENCE, NoAnswerError, Requests
from adapters.carriers.smpp.session import MAX_MALFORMED, Pace, Session
from adapters.carriers.smpp.session_bodies import (
    AlertNotification,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Unbind,
    UnbindResp,
)
from tests.smsc import Smsc, SmscLink, answers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from adapters.carriers.smpp.pdu import Body

SUBMIT = SubmitSm(destination_addr="8613800001234", short_message=b"hello")
PATIENT = Pace(enquire_link_s=600, answer_s=60, connect_s=60)


async def take_nothing(body: DeliverSm | DataSm) -> None:
    raise AssertionError("nothing was to come")


def never_late(pdu: Pdu) -> None:
    raise AssertionError("no answer was to come late")


class Bound:
    """A session, and its carrier's end."""

    def __init__(self, session: Session, link: SmscLink, running: asyncio.Task[str]) -> None:
        self.session = session
        self.link = link
        self.running = running  #: ends with the reason of the session's end

    def submit(self, late: Any = never_late, body: SubmitSm = SUBMIT) -> asyncio.Task[Pdu]:
        async def submit() -> Pdu:
            with self.session.place():
                return await self.session.submit(body, late)

        return asyncio.create_task(submit())


@asynccontextmanager
async def bound(
    smsc: Smsc, take: Any = take_nothing, *, window: int = 10, pace: Pace = PATIENT, mode: Mode = Mode.TRANSCEIVER
) -> AsyncIterator[Bound]:
    session = Session(take, window, pace)
    await bind(Login("127.0.0.1", smsc.port, "user", "secret", "type"), mode, session, pace)
    running = asyncio.create_task(session.run())
    yield Bound(session, smsc.link, running)
    session.end("the test is over")
    await running


@pytest.mark.parametrize("mode", Mode)
async def test_it_binds_as_asked_with_version_3_4(mode: Mode) -> None:
    async with Smsc().running() as smsc, bound(smsc, mode=mode) as on:
        asked: Any = on.link.heard[0].body
    assert asked.command.name == f"BIND_{mode.name}"
    assert (asked.system_id, asked.password, asked.system_type) == ("user", "secret", "type")
    assert asked.interface_version == 0x34


@pytest.mark.parametrize(
    ("status", "lasting"),
    [
        (Status.ESME_RINVPASWD, True),
        (Status.ESME_RINVSYSID, True),
        (Status.ESME_RBINDFAIL, True),
        (0x450, True),
        (Status.ESME_RALYBND, False),
        (Status.ESME_RSYSERR, False),
        (Status.ESME_RTHROTTLED, False),
    ],
)
async def test_a_refused_bind_says_whether_somebody_has_to_act(status: int, lasting: bool) -> None:
    def refuse(link: SmscLink, pdu: Pdu) -> bool:
        link.send(GenericNack() if pdu.sequence % 2 else SubmitSmResp(), pdu.sequence, status)
        return True

    async with Smsc(refuse).running() as smsc:
        with pytest.raises(BindRefusedError) as refused:
            async with bound(smsc):
                pass
        await smsc.until(lambda: smsc.link.over)
    assert refused.value.lasting is lasting
    assert "secret" not in str(refused.value)


async def test_a_carrier_that_accepts_the_connection_and_never_answers_the_bind_is_left() -> None:
    async with Smsc(lambda link, pdu: True).running() as smsc:
        with pytest.raises(TimeoutError):
            async with bound(smsc, pace=Pace(answer_s=0.05)):
                pass
        await smsc.until(lambda: smsc.link.over)


async def test_answers_find_their_submits_in_any_order() -> None:
    held: list[Pdu] = []

    def hold(link: SmscLink, pdu: Pdu) -> bool:
        if pdu.command != Command.SUBMIT_SM:
            return False
        held.append(pdu)
        if len(held) == 5:
            for each in random.sample(held, 5):
                link.send(SubmitSmResp(f"id-of-{each.sequence}"), each.sequence)
        return True

    async with Smsc(hold).running() as smsc, bound(smsc) as on:
        submits = [on.submit() for _ in range(5)]
        got: list[Any] = [pdu.body for pdu in await asyncio.gather(*submits)]
    assert [body.message_id for body in got] == [f"id-of-{pdu.sequence}" for pdu in held]
    assert len({pdu.sequence for pdu in held}) == 5


async def test_a_generic_nack_answers_the_submit_it_names() -> None:
    def nack(link: SmscLink, pdu: Pdu) -> bool:
        if pdu.command != Command.SUBMIT_SM:
            return False
        link.send(GenericNack(), pdu.sequence, Status.ESME_RINVCMDLEN)
        return True

    async with Smsc(nack).running() as smsc, bound(smsc) as on:
        answer = await on.submit()
        assert (answer.command, answer.status) == (Command.GENERIC_NACK, Status.ESME_RINVCMDLEN)


async def test_answers_to_what_was_not_asked_change_nothing() -> None:
    def strange(link: SmscLink, pdu: Pdu) -> bool:
        if pdu.command == Command.SUBMIT_SM:
            link.send(EnquireLinkResp(), pdu.sequence)  # another command's answer
            link.send(SubmitSmResp("not asked"), pdu.sequence + 1000)
            link.send(GenericNack(), 0, Status.ESME_RINVCMDID)
        return False

    async with Smsc(strange).running() as smsc, bound(smsc) as on:
        answer: Any = await on.submit()
        assert answer.body.message_id == "id-1"
        assert on.session.reason is None


async def test_a_submit_may_be_given_up_and_its_answer_is_still_told_of() -> None:
    late: list[Any] = []
    async with Smsc(answers(silent=True)).running() as smsc, bound(smsc) as on:
        submit = on.submit(late.append)
        await smsc.until(lambda: on.link.only(Command.SUBMIT_SM))
        submit.cancel()
        await asyncio.gather(submit, return_exceptions=True)
        assert submit.cancelled()
        assert on.session.room == 10
        on.link.send(SubmitSmResp("at last"), on.link.only(Command.SUBMIT_SM)[0].sequence)
        await smsc.until(lambda: late)
        assert late[0].body.message_id == "at last"


async def test_an_answer_that_comes_just_when_the_submit_is_given_up_is_told_of() -> None:
    late: list[Any] = []
    async with Smsc(answers(silent=True)).running() as smsc, bound(smsc) as on:
        submit = on.submit(late.append)
        await smsc.until(lambda: on.link.only(Command.SUBMIT_SM))
        sequence = on.link.only(Command.SUBMIT_SM)[0].sequence
        on.session._hear(Pdu(SubmitSmResp("now"), sequence))
        submit.cancel()
        await asyncio.gather(submit, return_exceptions=True)
        assert [pdu.body.message_id for pdu in late] == ["now"]


@pytest.mark.parametrize(
    ("end", "words"), [(SmscLink.cut, "broke off"), (SmscLink.hang_up, "hung up")], ids=["reset", "hung up"]
)
async def test_a_link_that_ends_between_the_write_and_the_answer_leaves_every_submit_open(end: Any, words: str) -> None:
    async with Smsc(answers(silent=True)).running() as smsc, bound(smsc) as on:
        submits = [on.submit() for _ in range(3)]
        await smsc.until(lambda: len(on.link.only(Command.SUBMIT_SM)) == 3)
        end(on.link)
        for ended in await asyncio.gather(*submits, return_exceptions=True):
            assert isinstance(ended, NoAnswerError)
        assert words in await on.running
        with pytest.raises(NotWrittenError):
            await on.submit()


async def test_what_waits_to_be_written_when_the_link_ends_was_surely_not_sent() -> None:
    async with Smsc(answers(silent=True)).running() as smsc, bound(smsc, window=10_000) as on:
        on.link.freeze()
        large = SubmitSm(tlvs={0x0424: bytes(60_000)})
        submits = [on.submit(body=large) for _ in range(200)]
        while on.session.link._writable.is_set():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting = on.submit()
        await asyncio.sleep(0)
        on.session.end("cut")
        with pytest.raises(NotWrittenError):
            await waiting
        ended = await asyncio.gather(*submits, return_exceptions=True)
        assert {type(each) for each in ended} <= {NoAnswerError, NotWrittenError}
        assert any(isinstance(each, NotWrittenError) for each in ended)


async def test_what_is_asked_of_a_connection_that_is_just_closing_was_surely_not_sent() -> None:
    async with Smsc().running() as smsc, bound(smsc) as on:
        assert on.session.link._transport
        on.session.link._transport.close()
        with pytest.raises(NotWrittenError):
            await on.session.submit(SUBMIT, never_late)  # at once: its end was not told yet


async def test_a_submit_that_cannot_be_written_leaves_the_session_well() -> None:
    async with Smsc().running() as smsc, bound(smsc) as on:
        with pytest.raises(ValueError, match="destination_addr"):
            await on.submit(body=SubmitSm(destination_addr="9" * 30))
        assert (await on.submit()).status == Status.ESME_ROK
        assert on.session.room == 10
        assert not on.session._requests._open


async def test_a_carrier_that_answers_no_submit_is_left_once_the_window_went_by_in_silence() -> None:
    async with Smsc(answers(silent=True)).running() as smsc, bound(smsc, window=3) as on:
        for _ in range(3):
            assert on.session.reason is None
            submit = on.submit()
            await asyncio.sleep(0)
            submit.cancel()
            await asyncio.gather(submit, return_exceptions=True)
        assert await on.running == "the carrier answers no submit"


async def test_a_slow_carrier_whose_late_answers_come_is_not_left() -> None:
    late: list[Pdu] = []
    async with Smsc(answers(silent=True)).running() as smsc, bound(smsc, window=3) as on:
        for number in range(9):
            submit = on.submit(late.append)
            await smsc.until(lambda n=number: len(on.link.only(Command.SUBMIT_SM)) == n + 1)
            submit.cancel()
            await asyncio.gather(submit, return_exceptions=True)
            on.link.send(SubmitSmResp("late"), on.link.only(Command.SUBMIT_SM)[-1].sequence)
            await smsc.until(lambda n=number: len(late) == n + 1)
        assert on.session.reason is None


async def test_a_silent_carrier_is_asked_whether_it_is_there_and_kept_if_it_is() -> None:
    async with Smsc().running() as smsc, bound(smsc, pace=Pace(enquire_link_s=0.02, answer_s=60)) as on:
        await smsc.until(lambda: len(on.link.only(Command.ENQUIRE_LINK)) >= 3)
        assert on.session.reason is None


async def test_a_carrier_without_a_sign_of_life_is_left() -> None:
    def dead(link: SmscLink, pdu: Pdu) -> bool:
        return pdu.command in (Command.ENQUIRE_LINK, Command.SUBMIT_SM)

    async with Smsc(dead).running() as smsc, bound(smsc, pace=Pace(enquire_link_s=0.02, answer_s=0.05)) as on:
        submit = on.submit()
        assert await on.running == "the carrier gives no sign of life"
        with pytest.raises(NoAnswerError):
            await submit
        await smsc.until(lambda: on.link.over)


async def test_a_carrier_that_reads_nothing_is_left_too_and_its_connection_is_broken_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "FLUSH_S", 0.05)
    broken_off = asyncio.Event()
    async with Smsc().running() as smsc, bound(smsc, pace=Pace(enquire_link_s=0.05, answer_s=0.05), window=999) as on:
        on.link.freeze()
        submits = [on.submit(body=SubmitSm(tlvs={0x0424: bytes(60_000)})) for _ in range(200)]
        on.session.link._end = lambda reason: broken_off.set()
        assert await on.running == "the carrier gives no sign of life"
        await asyncio.gather(*submits, return_exceptions=True)
        await broken_off.wait()


async def test_our_own_answer_to_enquire_link_comes_while_a_receipt_is_slow() -> None:
    async def slow(body: DeliverSm | DataSm) -> None:
        await asyncio.get_running_loop().create_future()

    async with Smsc().running() as smsc, bound(smsc, slow) as on:
        on.link.send(DeliverSm())
        sequence = on.link.send(EnquireLink())
        await smsc.until(lambda: on.link.only(Command.ENQUIRE_LINK_RESP))
        assert on.link.only(Command.ENQUIRE_LINK_RESP)[0].sequence == sequence
        assert (await on.submit()).status == Status.ESME_ROK


@pytest.mark.parametrize(("body", "kind"), [(DeliverSm(), DeliverSmResp), (DataSm(), DataSmResp)])
async def test_what_is_handed_over_is_answered_only_when_it_is_safe(body: Body, kind: type) -> None:
    safe, taken = asyncio.Event(), []

    async def take(came: DeliverSm | DataSm) -> None:
        taken.append(came)
        await safe.wait()

    async with Smsc().running() as smsc, bound(smsc, take) as on:
        sequence = on.link.send(body)
        await smsc.until(lambda: taken)
        probe = on.link.send(EnquireLink())
        await smsc.until(lambda: on.link.heard[-1].sequence == probe)
        assert not [pdu for pdu in on.link.heard if isinstance(pdu.body, kind)]
        safe.set()
        await smsc.until(lambda: isinstance(on.link.heard[-1].body, kind))
        assert (on.link.heard[-1].sequence, on.link.heard[-1].status) == (sequence, Status.ESME_ROK)
    assert taken == [body]


async def test_what_could_not_be_kept_is_asked_for_again() -> None:
    async def fail(body: DeliverSm | DataSm) -> None:
        raise OSError("the disk is full")

    async with Smsc().running() as smsc, bound(smsc, fail) as on:
        on.link.send(DeliverSm())
        await smsc.until(lambda: on.link.only(Command.DELIVER_SM_RESP))
        assert on.link.heard[-1].status == Status.ESME_RX_T_APPN


async def test_more_than_can_be_kept_in_mind_is_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MAX_UNDER_WAY", 2)
    safe = asyncio.Event()

    async def take(came: DeliverSm | DataSm) -> None:
        await safe.wait()

    async with Smsc().running() as smsc, bound(smsc, take) as on:
        sequences = [on.link.send(DeliverSm()) for _ in range(3)]
        await smsc.until(lambda: on.link.only(Command.DELIVER_SM_RESP))
        assert [(pdu.sequence, pdu.status) for pdu in on.link.only(Command.DELIVER_SM_RESP)] == [
            (sequences[2], Status.ESME_RMSGQFUL)
        ]
        safe.set()
        await smsc.until(lambda: len(on.link.only(Command.DELIVER_SM_RESP)) == 3)
        again = on.link.send(DeliverSm())
        await smsc.until(lambda: on.link.heard[-1].sequence == again)
        assert on.link.heard[-1].status == Status.ESME_ROK


async def test_what_is_under_way_when_the_session_ends_is_broken_off_and_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()

    async def take(came: DeliverSm | DataSm) -> None:
        await asyncio.get_running_loop().create_future()

    async with Smsc().running() as smsc:
        async with bound(smsc, take) as on:
            on.link.send(DeliverSm())
            await smsc.until(lambda: on.session._deliveries._under_way)
            on.link.cut()
            await on.running
        await smsc.until(lambda: on.link.over)
    left = [task for task in asyncio.all_tasks() - before if "adapters/carriers" in repr(task)]
    assert left == []


async def test_a_carrier_that_says_goodbye_is_answered_after_it_answered_what_is_under_way() -> None:
    async with Smsc(answers(silent=True)).running() as smsc, bound(smsc) as on:
        submit = on.submit()
        await smsc.until(lambda: on.link.only(Command.SUBMIT_SM))
        goodbye = on.link.send(Unbind())
        await smsc.until(lambda: not on.session.takes_submits)
        assert not on.link.only(Command.UNBIND_RESP)
        on.link.send(SubmitSmResp("the last"), on.link.only(Command.SUBMIT_SM)[0].sequence)
        last: Any = await submit
        assert last.body.message_id == "the last"
        assert await on.running == "the carrier unbound"
        await smsc.until(lambda: on.link.only(Command.UNBIND_RESP))
        assert on.link.heard[-1].sequence == goodbye


async def test_a_carrier_that_says_goodbye_and_answers_nothing_more_is_not_waited_for_long() -> None:
    pace = Pace(enquire_link_s=60, answer_s=0.05)
    async with Smsc(answers(silent=True)).running() as smsc, bound(smsc, pace=pace) as on:
        submit = on.submit()
        await smsc.until(lambda: on.link.only(Command.SUBMIT_SM))
        on.link.send(Unbind())
        with pytest.raises(NoAnswerError):
            await submit
        await smsc.until(lambda: on.link.only(Command.UNBIND_RESP))


async def test_we_say_goodbye_after_what_was_handed_over_is_answered() -> None:
    safe, taken = asyncio.Event(), []

    async def take(came: DeliverSm | DataSm) -> None:
        taken.append(came)
        await safe.wait()

    async with Smsc().running() as smsc, bound(smsc, take) as on:
        on.link.send(DeliverSm())
        await smsc.until(lambda: taken)
        leaving = asyncio.create_task(on.session.unbind())
        await asyncio.sleep(0.01)
        assert on.session.room == 0
        safe.set()
        await leaving
        assert [pdu.command for pdu in on.link.heard[1:]] == [Command.DELIVER_SM_RESP, Command.UNBIND]
        await smsc.until(lambda: on.link.over)


async def test_a_carrier_that_does_not_answer_our_goodbye_is_left_all_the_same() -> None:
    def rude(link: SmscLink, pdu: Pdu) -> bool:
        return pdu.command == Command.UNBIND

    async with Smsc(rude).running() as smsc, bound(smsc, pace=Pace(answer_s=0.05)) as on:
        await on.session.unbind()
        await smsc.until(lambda: on.link.over)


async def test_a_command_we_do_not_know_is_nacked_and_an_alert_is_not() -> None:
    async with Smsc().running() as smsc, bound(smsc) as on:
        on.link.send(AlertNotification())
        on.link.write(pack(">IIII", 16, 0x7777, 0, 77))
        on.link.send(SUBMIT, 78)
        await smsc.until(lambda: len(on.link.only(Command.GENERIC_NACK)) == 2)
        assert [(pdu.sequence, pdu.status) for pdu in on.link.only(Command.GENERIC_NACK)] == [
            (77, Status.ESME_RINVCMDID),
            (78, Status.ESME_RINVCMDID),
        ]
        assert (await on.submit()).status == Status.ESME_ROK


async def test_an_answer_that_cannot_be_read_leaves_its_submit_open_and_the_session_well() -> None:
    def garbled(link: SmscLink, pdu: Pdu) -> bool:
        if pdu.command != Command.SUBMIT_SM or pdu.sequence % 2:
            return False
        link.write(pack(">IIII", 16 + 300, Command.SUBMIT_SM_RESP, 0, pdu.sequence) + b"x" * 300)
        return True

    async with Smsc(garbled).running() as smsc, bound(smsc) as on:
        with pytest.raises(NoAnswerError, match="cannot be read"):
            await on.submit()
        assert (await on.submit()).status == Status.ESME_ROK


@pytest.mark.parametrize("length", [0, 15, MAX_PDU + 1, 0xFFFFFFFF])
async def test_a_length_that_no_pdu_has_ends_the_session_with_a_clear_word(length: int) -> None:
    async with Smsc(answers(silent=True)).running() as smsc, bound(smsc) as on:
        submit = on.submit()
        await smsc.until(lambda: on.link.only(Command.SUBMIT_SM))
        on.link.write(pack(">IIII", length, Command.DELIVER_SM, 0, 5))
        assert "no SMPP" in await on.running
        with pytest.raises(NoAnswerError):
            await submit
        await smsc.until(lambda: on.link.over)
        assert (on.link.heard[-1].command, on.link.heard[-1].status) == (Command.GENERIC_NACK, Status.ESME_RINVCMDLEN)


async def test_a_carrier_that_sends_one_malformed_pdu_after_the_other_is_left() -> None:
    bad = pack(">IIII", 17, Command.DELIVER_SM, 0, 5) + b"\0"
    async with Smsc().running() as smsc, bound(smsc) as on:
        on.link.write(bad * MAX_MALFORMED)
        await smsc.until(lambda: len(on.link.only(Command.GENERIC_NACK)) == MAX_MALFORMED)
        assert on.session.reason is None
        on.link.write(bad)
        assert "no SMPP" in await on.running


async def test_a_pdu_that_never_becomes_whole_does_not_keep_the_session() -> None:
    pace = Pace(enquire_link_s=0.02, answer_s=0.05)
    deaf = Smsc(lambda link, pdu: pdu.command == Command.ENQUIRE_LINK)
    async with deaf.running() as smsc, bound(smsc, pace=pace) as on:
        on.link.write(pack(">IIII", 500, Command.DELIVER_SM, 0, 5))
        assert await on.running == "the carrier gives no sign of life"


@pytest.mark.parametrize("seed", range(20))
async def test_random_octets_end_in_the_end_of_the_session_and_in_nothing_else(seed: int) -> None:
    octets = random.Random(seed).randbytes(200_000)
    async with Smsc().running() as smsc, bound(smsc) as on:
        on.link.write(octets)
        assert "no SMPP" in await on.running
        assert len(on.session.link._frames._buffer) <= MAX_PDU + 256 * 1024


async def test_a_carrier_that_asks_and_never_reads_has_us_keep_little() -> None:
    def flood(link: SmscLink, pdu: Pdu) -> bool:
        return False

    async with Smsc(flood).running() as smsc, bound(smsc) as on:
        on.link.freeze()
        asked = pack(">IIII", 16, Command.ENQUIRE_LINK, 0, 5) * 4096
        for _ in range(250):  # 16 MB, far beyond what sockets hold
            on.link.write(asked)
        left, still = on.link.unwritten, 0
        while still < 50:  # until it comes to nothing any more
            await asyncio.sleep(0.001)
            still = still + 1 if on.link.unwritten == left else 0
            left = on.link.unwritten
        assert on.session.reason is None
        assert on.session.link._transport is not None
        assert on.session.link._transport.get_write_buffer_size() < 1024 * 1024


def test_sequence_numbers_wrap_and_pass_over_those_in_use() -> None:
    async def run() -> None:
        requests = Requests(MAX_SEQUENCE - 2)
        begun = [requests.begin(Command.SUBMIT_SM, None)[0] for _ in range(3)]
        assert begun == [MAX_SEQUENCE - 1, MAX_SEQUENCE, 1]
        requests.give_up(MAX_SEQUENCE)
        requests._last = MAX_SEQUENCE - 2
        assert requests.begin(Command.SUBMIT_SM, None)[0] == 2

    asyncio.run(run())


async def test_unbind_resp_is_no_answer_to_a_submit() -> None:
    requests = Requests()
    sequence, answer = requests.begin(Command.SUBMIT_SM, None)
    assert not requests.answer(Pdu(UnbindResp(), sequence))
    assert not answer.done()


async def test_not_more_submits_that_were_given_up_are_remembered_than_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MAX_GIVEN_UP", 3)
    open_requests = Requests()
    for _ in range(10):
        open_requests.give_up(open_requests.begin(Command.SUBMIT_SM, None)[0])
    assert list(open_requests._given_up) == [8, 9, 10]
