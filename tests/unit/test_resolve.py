"""A job whose submit was never answered: its carrier is asked, its word awaited, and in the end the policy followed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from engine import resolve
from engine.claims import Granted
from engine.events import Asked, Reported
from engine.message import Category, Job
from engine.outcomes import Accepted, ChannelFault, Outcome, Refused, Unanswered
from engine.ports import Delivery
from engine.receipts import NotSent, Receipt, State
from engine.resolve import next_look_s
from engine.routing import Profile
from tests.unit.test_deliver import GRACE_S, NUMBER, OneChannel, World

UNKNOWN, SUBMITTED = (State.UNKNOWN, False), (State.SUBMITTED, False)
GIVEN_UP = (State.UNKNOWN, True)


def asking_world(*, resend: bool = False) -> World:
    """A channel that never answers a submit but can be asked, and knows nothing as yet."""
    world = World(resend=frozenset(Category) if resend else frozenset())
    world.channel.profile = Profile("alpha", timeout_s=8, answers_queries=True)
    world.channel.says = Unanswered("reset")
    return world


async def look(world: World, job: Job) -> tuple[State, bool]:
    """One more look, after the time the job was put off for."""
    world.clock.go(world.deferred[-1][1])
    await world.deliver(Delivery(job, 1))
    return world.states[-1]


@pytest.mark.parametrize(
    ("age_s", "asked", "expected_s"),
    [(0, True, 5), (4, True, 5), (40, True, 40), (400, True, 200), (600, True, 0), (700, True, 0), (10, False, 590)],
)
def test_a_look_comes_after_as_long_again_as_the_outcome_has_been_unknown(
    age_s: float, asked: bool, expected_s: float
) -> None:
    assert next_look_s(age_s, 600, asked=asked) == expected_s


async def test_a_carrier_is_asked_ever_more_rarely_until_the_grace_time_ends() -> None:
    world = asking_world()
    job = world.job()
    await world.run(job)
    while world.states[-1] != GIVEN_UP:
        await look(world, job)
    assert [delay_s for _, delay_s in world.deferred] == [5, 5, 10, 20, 40, 80, 160, 280]
    assert len(world.channel.asked) == 8
    assert world.settled == [job.id]
    assert len({receipt.id for receipt in world.published}) == 2
    assert len(world.channel.texts) == 1


async def test_a_carrier_that_has_the_message_makes_it_submitted() -> None:
    world = asking_world()
    job = world.job()
    first = await world.run(job)
    world.channel.knows = world.dlr(State.SUBMITTED)
    assert await look(world, job) == SUBMITTED
    found = world.published[-1]
    assert (found.carrier_id, found.channel, found.code) == ("77", "alpha", None)
    assert (found.submitted_at, found.attempts) == (first.submitted_at, 1)
    assert world.settled == [job.id]
    assert [told.repeated for told in world.events if isinstance(told, Reported)] == [False, False]
    await world.record(world.dlr())
    assert world.states[-1] == (State.DELIVERED, True)


async def test_a_delivery_receipt_that_came_before_its_message_was_found_is_used_then() -> None:
    world = asking_world()
    job = world.job()
    await world.run(job)
    await world.record(world.dlr())
    assert world.states == [UNKNOWN]
    world.channel.knows = world.dlr(State.SUBMITTED)
    assert await look(world, job) == (State.DELIVERED, True)


@pytest.mark.parametrize("state", [State.DELIVERED, State.UNDELIVERED])
async def test_a_carrier_that_knows_the_end_makes_the_job_final(state: State) -> None:
    world = asking_world()
    job = world.job()
    await world.run(job)
    world.channel.knows = world.dlr(state)
    assert await look(world, job) == (state, True)
    assert world.settled == [job.id]
    assert len(world.channel.texts) == 1


async def test_a_message_that_was_surely_not_sent_is_submitted_again_and_charged_once() -> None:
    world = asking_world()
    job = world.job()
    await world.run(job)
    world.channel.knows, world.channel.says = NotSent(), Accepted("78")
    assert await look(world, job) == SUBMITTED
    found = world.published[-1]
    assert (found.carrier_id, found.attempts) == ("78", 2)
    assert len(world.channel.texts) == 2
    assert (await world.run(world.job())).code == "LIMIT_OTP_PER_NUMBER"
    world.clock.go(61)
    assert (await world.run(world.job())).state is State.SUBMITTED


async def test_a_message_that_was_not_sent_and_then_refused_is_failed_and_gives_its_charge_back() -> None:
    world = asking_world()
    job = world.job()
    await world.run(job)
    world.channel.knows, world.channel.says = NotSent(), Refused("BAD", "No.")
    assert await look(world, job) == (State.FAILED, True)
    world.channel.says = Accepted("79")
    assert (await world.run(world.job())).state is State.SUBMITTED


async def test_a_message_that_was_not_sent_waits_for_a_channel_and_expires_like_any_other() -> None:
    world = asking_world()
    job = world.job()
    await world.run(job)
    world.channel.knows, world.channel.says = NotSent(), ChannelFault("down")
    await look(world, job)
    while len(world.published) == 1:
        await look(world, job)
    assert world.states[-1] == (State.EXPIRED, True)


async def test_a_second_unanswered_submit_is_unknown_anew_with_an_id_of_its_own() -> None:
    world = asking_world()
    job = world.job()
    await world.run(job)
    world.channel.knows = NotSent()
    assert await look(world, job) == UNKNOWN
    assert [receipt.attempts for receipt in world.published] == [1, 2]
    assert len({receipt.id for receipt in world.published}) == 2
    assert world.deferred[-1][1] == 5


@pytest.mark.parametrize("fails", ["raises", "hangs"])
async def test_a_carrier_that_does_not_answer_the_question_says_nothing(
    fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "ASK_S", 0.01)
    world = asking_world()
    job = world.job()
    await world.run(job)

    async def ask(receipt: Receipt) -> NotSent | None:
        if fails == "hangs":
            await asyncio.get_running_loop().create_future()
        raise OSError("gone")

    world.channel.ask = ask  # type: ignore[method-assign]
    assert await look(world, job) == UNKNOWN
    assert [told.answer for told in world.events if isinstance(told, Asked)] == [None]


async def test_a_carrier_that_hangs_takes_a_few_places_only(monkeypatch: pytest.MonkeyPatch) -> None:
    world = asking_world()
    under_way, go_on = 0, asyncio.Event()
    unknown = await world.run(world.job())

    async def ask(receipt: Receipt) -> None:
        nonlocal under_way
        under_way += 1
        await go_on.wait()

    world.channel.ask = ask  # type: ignore[method-assign, assignment]
    claim = world.claim_of(unknown)
    looks = [asyncio.create_task(world.deliver.resolve(claim, unknown)) for _ in range(100)]
    await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
    assert sum(each.done() for each in looks) == 100 - resolve.ASKS_AT_ONCE
    assert under_way == resolve.ASKS_AT_ONCE
    go_on.set()
    await asyncio.gather(*looks)


async def test_only_the_channel_that_was_tried_is_asked() -> None:
    world = asking_world()
    other = OneChannel()
    other.profile = Profile("beta", answers_queries=True)
    other.knows = NotSent()
    world.deliver = replace(
        world.deliver, resolve=replace(world.deliver.resolve, channels={"alpha": world.channel, "beta": other})
    )
    job = world.job()
    await world.run(job)
    assert await look(world, job) == UNKNOWN
    assert (len(world.channel.asked), len(other.asked)) == (1, 0)


@pytest.mark.parametrize("other_can_be_asked", [True, False])
async def test_where_a_worker_vanished_every_channel_must_know_that_nothing_was_sent(other_can_be_asked: bool) -> None:
    world = asking_world()
    other = OneChannel()
    other.profile = Profile("beta", answers_queries=other_can_be_asked)
    channels = {"alpha": world.channel, "beta": other}
    world.deliver = replace(world.deliver, resolve=replace(world.deliver.resolve, channels=channels))
    world.channel.knows, world.channel.says = NotSent(), Accepted("80")
    job = world.job()
    await world.lose_worker(job)
    await world.run(job)
    assert await look(world, job) == UNKNOWN
    other.knows = NotSent()
    assert await look(world, job) == (SUBMITTED if other_can_be_asked else UNKNOWN)


async def test_where_a_worker_vanished_any_channel_may_know_that_it_was_sent() -> None:
    world = asking_world()
    other = OneChannel()
    channels = {"beta": other, "alpha": world.channel}
    world.deliver = replace(world.deliver, resolve=replace(world.deliver.resolve, channels=channels))
    job = world.job()
    await world.lose_worker(job)
    await world.run(job)
    world.channel.knows = world.dlr()
    assert await look(world, job) == (State.DELIVERED, True)
    assert world.published[-1].channel == "alpha"


async def test_evidence_waits_while_another_worker_holds_the_job() -> None:
    world = asking_world(resend=True)
    job = world.job(expires_at=world.clock.now() + timedelta(days=1))
    unknown = await world.run(job)
    claim = world.claim_of(unknown)
    assert isinstance(await world.ledger.begin(claim._replace(despite=unknown.id)), Granted)
    world.channel.knows = world.dlr()
    await world.deliver.resolve(claim, unknown)
    assert world.states == [UNKNOWN]
    await world.deliver(Delivery(job, 1))
    assert world.deferred[-1] == (job.id, 30)


async def unresolved_to_the_end(world: World, says: Outcome) -> Job:
    """A job that stays unknown for all of its grace time; the channel then says something else."""
    job = world.job(expires_at=world.clock.now() + timedelta(days=1))
    await world.run(job)
    world.clock.go(GRACE_S)
    world.channel.says = says
    await world.run(job, 1)
    return job


async def test_by_policy_a_message_is_sent_once_more_after_the_grace_time() -> None:
    world = asking_world(resend=True)
    job = await unresolved_to_the_end(world, Accepted("81"))
    assert world.states == [UNKNOWN, SUBMITTED]
    assert (world.published[-1].carrier_id, world.published[-1].attempts) == ("81", 2)
    assert world.settled == [job.id]
    assert len(world.channel.texts) == 2


@pytest.mark.parametrize("says", [Unanswered("reset"), Refused("BAD", "No."), ChannelFault("down")])
async def test_a_message_sent_once_more_in_vain_may_have_been_sent_and_stays_unknown_and_charged(says: Outcome) -> None:
    world = asking_world(resend=True)
    job = await unresolved_to_the_end(world, says)
    assert world.states == [UNKNOWN, GIVEN_UP]
    assert world.published[-1].attempts == 2
    assert world.settled == [job.id]
    world.channel.says = Accepted("82")
    await world.run(job)
    assert len(world.channel.texts) == 2
    assert (await world.run(world.job())).code == "LIMIT_OTP_PER_NUMBER"


async def test_a_message_past_its_validity_is_not_sent_once_more() -> None:
    world = asking_world(resend=True)
    job = world.job()  # valid for 5 minutes, and unknown for 10
    await world.run(job)
    world.clock.go(GRACE_S)
    await world.run(job, 1)
    assert world.states == [UNKNOWN, GIVEN_UP]
    assert len(world.channel.texts) == 1


async def test_a_message_that_a_limit_keeps_from_being_sent_once_more_stays_unknown() -> None:
    world = asking_world(resend=True)
    job = world.job(expires_at=world.clock.now() + timedelta(days=1))
    await world.run(job)
    world.clock.go(GRACE_S)
    world.channel.says = Accepted("83")
    await world.run(world.job())
    await world.run(job, 1)
    assert world.states == [UNKNOWN, SUBMITTED, GIVEN_UP]
    assert len(world.channel.texts) == 2


async def test_a_worker_lost_while_it_sent_once_more_is_no_reason_for_a_third_time() -> None:
    world = asking_world(resend=True)
    job = world.job(expires_at=world.clock.now() + timedelta(days=1))
    unknown = await world.run(job)
    world.clock.go(GRACE_S)
    assert isinstance(await world.ledger.begin(world.claim_of(unknown)._replace(despite=unknown.id)), Granted)
    world.clock.go(31)
    await world.run(job, 1)
    assert world.states == [UNKNOWN, GIVEN_UP]
    assert len(world.channel.texts) == 1


async def test_without_the_policy_nothing_is_sent_once_more() -> None:
    world = asking_world()
    await unresolved_to_the_end(world, Accepted("84"))
    assert world.states == [UNKNOWN, GIVEN_UP]
    assert len(world.channel.texts) == 1
    assert world.published[-1].to == NUMBER
