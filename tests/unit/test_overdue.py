"""A delivery receipt that never comes is not waited for without end."""

from __future__ import annotations

import pytest

from engine.claims import Claim, Granted
from engine.events import Reported
from engine.overdue import WAITED, Overdue
from engine.receipts import State
from tests.unit.test_deliver import NUMBER
from tests.unit.test_evidence import Recorded


class Waiting(Recorded):
    """A world that gives up."""

    async def look(self) -> None:
        await Overdue(self.store, self.ledger, self, self.clock, self).look()

    def wait(self, part: float = 1.0) -> None:
        self.clock.go(part * WAITED.total_seconds() + 1)


@pytest.fixture
def world() -> Waiting:
    return Waiting()


SUBMITTED, GIVEN_UP = (State.SUBMITTED, False), (State.UNKNOWN, True)


async def test_after_three_days_the_outcome_is_unknown_for_good(world: Waiting) -> None:
    submitted = await world.run(world.job())
    world.wait(0.9)
    await world.look()
    assert world.states == [SUBMITTED]
    world.wait(0.1)
    await world.look()
    assert world.states == [SUBMITTED, GIVEN_UP]
    told = world.published[-1]
    assert (told.code, told.at, told.carrier_id) == ("NO_RECEIPT", world.clock.now(), submitted.carrier_id)
    assert Reported(told, (told.at - told.enqueued_at).total_seconds()) in world.events


async def test_what_has_its_receipt_is_left_alone(world: Waiting) -> None:
    await world.run(world.job())
    await world.record(world.word())
    world.wait()
    await world.look()
    assert world.states == [SUBMITTED, (State.DELIVERED, True)]


async def test_one_that_comes_even_later_still_counts(world: Waiting) -> None:
    await world.run(world.job())
    world.wait()
    await world.look()
    await world.record(world.word(state=State.UNDELIVERED))
    assert world.states == [SUBMITTED, GIVEN_UP, (State.UNDELIVERED, True)]


async def test_giving_up_again_changes_nothing(world: Waiting) -> None:
    await world.run(world.job())
    world.wait()
    for _ in range(2):
        await world.look()
    assert world.states == [SUBMITTED, GIVEN_UP]


async def test_a_receipt_that_the_record_does_not_know_yet_is_told_instead(world: Waiting) -> None:
    submitted = await world.run(world.job())
    delivered = submitted._replace(state=State.DELIVERED, final=True)
    world.wait()
    await world.ledger.advance(NUMBER, delivered)
    await world.look()
    assert world.published == [submitted, delivered]


async def test_a_job_in_hand_is_looked_at_again_later(world: Waiting) -> None:
    """Three days later the ledger may have forgotten the job, and a repeat of it be under way."""
    submitted = await world.run(world.job())
    world.wait()
    world.lose()
    grant = await world.ledger.begin(Claim(submitted.job, NUMBER, (), 30.0))
    assert isinstance(grant, Granted)
    seen: list[bool] = []
    original = Overdue._give_up

    async def give_up(overdue: Overdue, receipts: list[object]) -> bool:
        seen.append(await original(overdue, receipts))  # type: ignore[arg-type]
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Overdue, "_give_up", give_up)
        await world.look()
        world.clock.go(31)
        await world.look()
    assert seen == [False, True]
    assert world.states == [SUBMITTED, GIVEN_UP]
