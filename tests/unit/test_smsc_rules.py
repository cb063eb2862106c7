"""What a carrier to rehearse with is told, and the rules it keeps to."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.smsc import carrier as carriers
from adapters.carriers.smsc import known, outbox
from adapters.carriers.smsc.behaviour import WireBehaviour, read_behaviour
from adapters.carriers.smsc.carrier import Carrier
from adapters.carriers.smsc.ids import write_id
from adapters.carriers.smsc.messages import Inbound, Item, Submit
from adapters.carriers.smsc.outbox import Outbox
from adapters.carriers.smsc.rate import RecentSegments
from adapters.carriers.smsc.script import Phase, Script, read_script

QUICK = {"latency_s": 0.0, "receipt_delay_s": 0.0}
SUBMIT = Submit("user", "1069", "8613800001234", "hello", "smpp", "ref-1")


def carrier(**behaviour: object) -> Carrier:
    made = Carrier(None, Random(7))
    made.behave(read_behaviour(QUICK | behaviour, WireBehaviour()))
    return made


def item(number: int = 0) -> Inbound:
    return Inbound("user", "1", "2", f"text {number}", str(number), number)


class Receiver:
    """Takes so many items without answering."""

    def __init__(self, places: int = 1000) -> None:
        self.places = places
        self.got: list[Item] = []

    @property
    def room(self) -> bool:
        return len(self.got) < self.places

    def send(self, item: Item) -> None:
        self.got.append(item)


@given(st.integers(0, 2**64 - 1))
def test_the_notations_of_an_id_are_those_of_one_number(number: int) -> None:
    assert int(write_id(number, "decimal")) == int(write_id(number, "decimal_padded")) == number
    for notation in ("hex", "hex_upper", "hex_padded"):
        assert int(write_id(number, notation), 16) == number
    assert write_id(number, "hex").upper() == write_id(number, "hex_upper")
    assert all(write_id(number, each).startswith("00") for each in ("decimal_padded", "hex_padded"))
    assert len(write_id(number, "uuid")) == 36


def test_what_is_told_changes_only_what_it_names() -> None:
    slow = read_behaviour({"latency_s": 3, "state": "mute"}, WireBehaviour(refused=0.2))
    assert (slow.latency_s, slow.state, slow.refused) == (3, "mute", 0.2)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"latencies": 1}, "latencies is no behaviour"),
        ({"latency_s": "long"}, r"latency_s"),
        ({"latency_s": -1}, "latency_s is negative"),
        ({"latency_s": 1e9}, "more than a week"),
        ({"silent": 1.5}, "share"),
        ({"receipt_twice": 1.5}, "receipt_twice is a share"),
        ({"refused": 0.6, "silent": 0.6}, "add up to more than 1"),
        ({"state": "ill"}, "state"),
        ({"undelivered_as": "no delivery"}, "undelivered_as"),
        ({"id_notation": "octal"}, "id_notation"),
    ],
)
def test_an_impossible_behaviour_is_refused_by_name(told: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_behaviour(told, WireBehaviour())


SCRIPT = """
repeat = true
[behaviour]
latency_s = 0.5
[[phases]]
for_s = 10
[[phases]]
name = "dead"
for_s = 5
state = "down"
"""


def test_a_script_is_phases_that_differ_from_what_is_always_so() -> None:
    script = read_script(SCRIPT)
    assert script.repeat
    assert [(phase.name, phase.for_s) for phase in script.phases] == [("phase 1", 10), ("dead", 5)]
    assert [phase.behaviour.state for phase in script.phases] == ["up", "down"]
    assert {phase.behaviour.latency_s for phase in script.phases} == {0.5}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("phases = 1", "tables"),
        ("phases = [1]", "tables"),
        ("[[phases]]\nlatency_s = 1", "phase 1: for_s"),
        ("[[phases]]\nfor_s = 0", "phase 1: for_s"),
        ("[[phases]]\nfor_s = 1\nslow = true", "phase 1: slow is no behaviour"),
        ("[behavior]", "behavior is unknown"),
        ("repeat = true", "no phases to repeat"),
        ("repeat = ", "Invalid value"),
    ],
)
def test_a_script_with_a_mistake_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_script(text)


async def test_a_script_goes_through_its_phases_and_repeats_them_if_told() -> None:
    phases = tuple(Phase(name, 0.001, WireBehaviour()) for name in ("well", "ill"))
    entered: list[str] = []
    await Script(phases, repeat=False, always=WireBehaviour()).play(lambda phase: entered.append(phase.name))
    assert entered == ["well", "ill"]
    playing = asyncio.create_task(
        Script(phases, repeat=True, always=WireBehaviour()).play(lambda phase: entered.append(phase.name))
    )
    while len(entered) < 6:
        await asyncio.sleep(0.001)
    playing.cancel()
    assert entered[:6] == ["well", "ill"] * 3


@given(st.lists(st.tuples(st.floats(0, 0.3), st.integers(1, 3)), max_size=60), st.integers(1, 10))
def test_in_no_second_are_more_segments_admitted_than_the_rate(asked: list[tuple[float, int]], rate: int) -> None:
    recent, now, admitted = RecentSegments(), 100.0, []
    for pause, segments in asked:
        now += pause
        within = sum(count for at, count in admitted if at > now - 1)
        assert recent.admits(segments, rate, now) == (within + segments <= rate)
        if within + segments <= rate:
            admitted.append((now, segments))


def test_items_wait_until_somebody_is_there_to_take_them() -> None:
    box, receiver = Outbox(Counter()), Receiver()
    box.put(item())
    assert box.held == 1
    box.add(receiver)
    assert receiver.got == [item()]
    box.taken()
    assert box.held == 0


def test_items_go_to_the_receivers_in_turn_and_to_none_that_is_full() -> None:
    box, one, other = Outbox(Counter()), Receiver(places=1), Receiver()
    box.add(one)
    box.add(other)
    for number in range(5):
        box.put(item(number))
    assert (len(one.got), len(other.got)) == (1, 4)


def test_what_a_receiver_leaves_behind_goes_to_the_others_first() -> None:
    box, one, other = Outbox(Counter()), Receiver(places=2), Receiver()
    box.add(one)
    for number in range(3):
        box.put(item(number))
    box.remove(one, one.got)
    box.add(other)
    assert other.got == [item(0), item(1), item(2)]
    assert box.held == 3


async def test_what_was_not_taken_is_sent_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "AGAIN_S", 0.01)
    box, receiver = Outbox(Counter()), Receiver()
    box.add(receiver)
    box.put(item())
    box.not_taken(item())
    assert len(receiver.got) == 1
    while len(receiver.got) < 2:
        await asyncio.sleep(0.001)
    assert box.held == 1


async def test_a_receipt_follows_every_accepted_message() -> None:
    told, made = Receiver(), carrier()
    made.outbox("user").add(told)
    answers = [made.submit(SUBMIT) for _ in range(3)]
    assert told.got == []
    while len(told.got) < 3:
        await asyncio.sleep(0.001)
    assert [(each.carrier_id, each.status) for each in told.got] == [(a.carrier_id, "DELIVRD") for a in answers]
    assert len({answer.carrier_id for answer in answers}) == 3


async def test_an_early_receipt_is_out_before_the_answer() -> None:
    told, made = Receiver(), carrier(receipt_early=1.0, latency_s=1.0)
    made.outbox("user").add(told)
    answer = made.submit(SUBMIT)
    assert [each.carrier_id for each in told.got] == [answer.carrier_id]


async def test_receipts_may_write_the_id_otherwise_than_answers() -> None:
    told, made = Receiver(), carrier(receipt_early=1.0, receipt_id_notation="hex_upper")
    made.outbox("user").add(told)
    answer = made.submit(SUBMIT)
    assert told.got[0].carrier_id == f"{int(answer.carrier_id):X}"


async def test_an_intermediate_receipt_comes_before_the_final_one() -> None:
    told, made = Receiver(), carrier(intermediate=1.0, undelivered=1.0, undelivered_as="EXPIRED", receipt_delay_s=0.02)
    made.outbox("user").add(told)
    made.submit(SUBMIT)
    while len(told.got) < 2:
        await asyncio.sleep(0.001)
    assert [each.status for each in told.got] == ["ENROUTE", "EXPIRED"]


@pytest.mark.parametrize(
    ("report", "undelivered", "receipts"),
    [("never", 0.0, 0), ("on_failure", 0.0, 0), ("on_failure", 1.0, 1), ("always", 0.0, 1)],
)
async def test_a_client_gets_the_receipts_it_asked_for(report: str, undelivered: float, receipts: int) -> None:
    made = carrier(receipt_early=1.0, undelivered=undelivered)
    made.submit(SUBMIT._replace(report=report))
    assert made.counts["receipts"] == receipts


async def test_a_recipient_may_write_back() -> None:
    told, made = Receiver(), carrier(reply=1.0, reply_text="TD")
    made.outbox("user").add(told)
    made.submit(SUBMIT._replace(report="never"))
    while not told.got:
        await asyncio.sleep(0.001)
    reply = told.got[0]
    assert isinstance(reply, Inbound)
    assert (reply.sender, reply.to, reply.text) == (SUBMIT.to, SUBMIT.sender, "TD")


async def test_of_a_message_it_took_it_can_be_asked() -> None:
    made = carrier(receipt_early=1.0, undelivered=1.0)
    answer = made.submit(SUBMIT)
    assert made.known.ask(answer.carrier_id) == made.known.ask_by_reference("ref-1")
    found = made.known.ask(answer.carrier_id)
    assert found is not None
    assert found.status == "UNDELIV"
    assert made.known.ask("other") is None


async def test_what_is_beyond_the_rate_is_throttled_for_each_account_alone() -> None:
    made = carrier(rate=2)
    assert [made.submit(SUBMIT).fate for _ in range(3)] == ["accepted", "accepted", "throttled"]
    assert made.submit(SUBMIT._replace(account="other")).fate == "accepted"


async def test_when_too_much_waits_to_be_told_submits_find_the_queue_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carriers, "HELD", 3)
    made = carrier(receipt_delay_s=60.0)
    assert [made.submit(SUBMIT).fate for _ in range(4)] == ["accepted"] * 3 + ["queue_full"]


async def test_it_remembers_the_newest_messages_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "REMEMBERED", 2)
    made = carrier()
    first, *others = [made.submit(SUBMIT._replace(reference=str(number))) for number in range(3)]
    assert made.known.ask(first.carrier_id) is None
    assert made.known.ask_by_reference("0") is None
    assert len(made.known._ids) == 2
    assert all(made.known.ask(answer.carrier_id) for answer in others)
