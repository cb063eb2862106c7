"""Every delivery receipt either becomes a receipt or is kept, and the parts of a message settle it together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.correlator import MemoryCorrelator
from adapters.memory.ledger import MemoryLedger
from adapters.memory.message_store import MemoryMessageStore
from engine.carrier_ids import Rule
from engine.correlation import Correlation
from engine.events import DeliveryReceiptSeen
from engine.outcomes import Accepted
from engine.ports import Delivery
from engine.receipts import State
from engine.record_receipt import RecordReceipt
from engine.relink import Relink
from tests.unit.test_deliver import World

if TYPE_CHECKING:
    from uuid import UUID

    from engine.evidence import Evidence
    from engine.receipts import DeliveryReceipt, Receipt

DELIVERED, UNDELIVERED, ON_ITS_WAY = State.DELIVERED, State.UNDELIVERED, State.SUBMITTED


class Recorded(World):
    """A world whose recorder is never behind, and that can lose what a correlator and a ledger know."""

    def __post_init__(self) -> None:
        self.store = MemoryMessageStore()
        super().__post_init__()

    async def publish(self, receipt: Receipt) -> None:
        await super().publish(receipt)
        await self.store.merge([receipt])

    async def put(self, evidence: Evidence) -> None:
        await super().put(evidence)
        await self.store.keep([evidence])

    async def latest(self, job: UUID) -> Receipt | None:
        return await self.store.latest(job)

    def lose(self) -> None:
        self.ledger, self.correlator = MemoryLedger(self.clock), MemoryCorrelator(self.clock)
        self.correlation = Correlation(self.correlator)
        self.record = RecordReceipt(self.correlation, self.ledger, self, self, self, self.clock, self, self.health)
        changes = {"ledger": self.ledger, "correlation": self.correlation, "record_receipt": self.record}
        self.deliver = replace(self.deliver, **changes)

    async def relink(self) -> None:
        await Relink(self.correlator, self.correlation, self.store, self.record, self.clock, self.nothing).relink()

    async def nothing(self) -> None: ...

    def word(self, carrier_id: str = "77", state: State = DELIVERED, status: str = "") -> DeliveryReceipt:
        self.clock.go(1)
        return self.dlr()._replace(carrier_id=carrier_id, state=state, status=status or state.name)

    async def standing(self, job: UUID) -> State | None:
        receipt = await self.store.latest(job)
        return receipt.state if receipt else None


@pytest.fixture
def world() -> Recorded:
    return Recorded()


async def test_a_final_one_becomes_a_receipt_and_is_not_kept_besides(world: Recorded) -> None:
    await world.run(world.job())
    await world.record(world.word())
    assert world.states == [(State.SUBMITTED, False), (DELIVERED, True)]
    assert world.kept == []


async def test_an_intermediate_one_changes_nothing_and_is_kept(world: Recorded) -> None:
    receipt = await world.run(world.job())
    await world.record(on_its_way := world.word(state=ON_ITS_WAY))
    assert world.states == [(State.SUBMITTED, False)]
    assert [(e.dlr, e.job, e.rule, e.part) for e in world.kept] == [(on_its_way, receipt.job, Rule.RAW, None)]
    await world.record(world.word())
    assert world.states[-1] == (DELIVERED, True)


async def test_one_of_an_unknown_message_is_kept_as_nobodys(world: Recorded) -> None:
    await world.record(stray := world.word("unheard of"))
    assert [(e.dlr, e.job, e.received_at) for e in world.kept] == [(stray, None, world.clock.now())]
    assert DeliveryReceiptSeen("alpha", "DELIVERED", matched=False) in world.events


async def test_one_that_contradicts_the_first_is_kept_and_changes_nothing(world: Recorded) -> None:
    await world.run(world.job())
    await world.record(world.word())
    await world.record(late := world.word(state=UNDELIVERED))
    assert world.states == [(State.SUBMITTED, False), (DELIVERED, True)]
    assert [e.dlr for e in world.kept] == [late]


async def test_a_repeat_is_published_again_lest_the_first_got_lost_and_kept(world: Recorded) -> None:
    await world.run(world.job())
    for _ in range(2):
        await world.record(word := world.word())
    assert world.states == [(State.SUBMITTED, False), (DELIVERED, True), (DELIVERED, True)]
    assert [e.dlr for e in world.kept] == [word]


async def test_the_rule_that_matched_is_told(world: Recorded) -> None:
    await world.run(world.job())
    await world.record(world.word("0077"))
    assert DeliveryReceiptSeen("alpha", "DELIVERED", matched=True, rule=Rule.ZEROS) in world.events


async def test_receipts_show_the_id_as_the_carrier_gave_it_first(world: Recorded) -> None:
    await world.run(world.job())
    await world.record(world.word("0077"))
    assert world.published[-1].carrier_id == "77"


async def test_one_that_was_nobodys_is_given_its_job_once_that_is_known(world: Recorded) -> None:
    await world.record(early := world.word("0077"))
    receipt = await world.run(world.job())
    assert world.states == [(State.SUBMITTED, False), (DELIVERED, True)]
    assert [(e.dlr, e.job, e.rule) for e in world.kept] == [(early, None, None), (early, receipt.job, Rule.ZEROS)]


async def test_one_that_was_dealt_with_is_no_word_on_a_later_message_with_its_id(world: Recorded) -> None:
    await world.record(world.word())
    await world.run(world.job())
    world.clock.go(3600)
    await world.run(world.job())
    assert world.states == [(State.SUBMITTED, False), (DELIVERED, True), (State.SUBMITTED, False)]


async def test_one_of_unknown_message_is_used_although_the_correlator_forgot_it(world: Recorded) -> None:
    await world.record(world.word("0077"))
    world.lose()
    receipt = await world.run(world.job())
    assert await world.standing(receipt.job) is State.SUBMITTED
    await world.relink()
    assert await world.standing(receipt.job) is DELIVERED
    assert [(e.job, e.rule) for e in world.kept] == [(None, None), (receipt.job, Rule.ZEROS)]
    assert world.published[-1].carrier_id == "77"


async def test_of_two_messages_that_one_of_unknown_message_may_mean_it_means_one(world: Recorded) -> None:
    await world.record(world.word("4660"))
    world.lose()
    for carrier_id in ("1234", "4660"):
        world.channel.says = Accepted(carrier_id)
        receipt = await world.run(world.job(to=f"+86138000{carrier_id}0"))
    await world.relink()
    assert world.states == [(State.SUBMITTED, False)] * 2 + [(DELIVERED, True)]
    assert world.published[-1].job == receipt.job


WORDS = st.tuples(st.sampled_from("123"), st.sampled_from([DELIVERED, UNDELIVERED, ON_ITS_WAY]))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, State] | str]:
    """Words on three parts, any number of times, the submit somewhere among them, and perhaps losses.

    A carrier may contradict itself, but not where there are losses: nobody knows then what was first.
    """
    losses = draw(st.integers(0, 2))
    words = draw(st.lists(WORDS, max_size=8))
    if draw(st.booleans()):
        words += [(part, DELIVERED) for part in draw(st.permutations("123"))]
    if losses:
        verdicts = dict(words)
        words = [(part, state if state is ON_ITS_WAY else verdicts[part]) for part, state in words]
    events: list[tuple[str, State] | str] = [*words]
    events.insert(draw(st.integers(0, len(events))), "submit")
    for _ in range(losses):
        lost_at = draw(st.integers(0, len(events)))
        events.insert(lost_at, "lose")
        events.insert(draw(st.integers(lost_at + 1, len(events))), "relink")
    return events


def expected(history: list[tuple[str, State] | str]) -> State:
    """By the first final word on each part."""
    first: dict[str, State] = {}
    for event in history:
        if isinstance(event, tuple) and event[1] is not ON_ITS_WAY:
            first.setdefault(*event)
    if UNDELIVERED in first.values():
        return UNDELIVERED
    return DELIVERED if len(first) == 3 else State.SUBMITTED


@given(history=histories())
async def test_in_whatever_order_the_parts_report_and_whatever_is_forgotten_they_come_to_the_same(
    history: list[tuple[str, State] | str],
) -> None:
    world = Recorded()
    world.channel.says = Accepted("1 2 3")
    job = world.job()
    for event in history:
        match event:
            case "submit":
                await world.deliver(Delivery(job))
            case "lose":
                world.lose()
            case "relink":
                await world.relink()
            case (part, state):
                await world.record(world.word(part, State(state)))
    await world.relink()
    assert await world.standing(job.id) is expected(history)
    finals = {receipt.id for receipt in world.published if receipt.final}
    assert len(finals) <= 1
    assert {receipt.carrier_id for receipt in world.published} == {"1 2 3"}


async def test_a_word_on_a_part_is_kept_unless_it_settled_the_message(world: Recorded) -> None:
    world.channel.says = Accepted("1 2")
    receipt = await world.run(world.job())
    for part in "21":
        await world.record(world.word(part))
    assert world.states == [(State.SUBMITTED, False), (DELIVERED, True)]
    assert [(e.dlr.carrier_id, e.job, e.part) for e in world.kept] == [("2", receipt.job, 2)]


async def test_what_nobody_can_report_on_any_more_is_left_alone(world: Recorded) -> None:
    await world.record(world.word("0077"))
    await world.run(world.job())
    world.lose()
    world.clock.go(timedelta(hours=97).total_seconds())
    await world.relink()
    assert world.states == [(State.SUBMITTED, False), (DELIVERED, True)]
