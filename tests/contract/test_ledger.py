"""What every ledger does, whatever it is made of. Time is the test's own, in memory and in Redis alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.redis.ledger import RedisLedger
from engine.claims import Abandoned, Busy, Claim, Done, Granted, Limited
from engine.ports import Ledger
from engine.receipts import Receipt, State
from tests.redis_setup import NUMBER, Heard, OwnClock, OwnTimeConnection, charge, claim, receipt, redis_prefix, rule

TWO_AN_HOUR = rule("2/1h", name="two an hour")
ONE_A_MINUTE = rule("1/1m", name="one a minute", key=("to", "signature"))
ACCOUNT_QUOTA = rule("3/1h", name="account quota", key=("account",))
BIG_QUOTA = rule("1001/1h", name="big quota", key=("account",))


@dataclass
class Bench:
    ledger: Ledger
    clock: OwnClock

    async def granted(self, wish: Claim) -> Granted:
        verdict = await self.ledger.begin(wish)
        assert isinstance(verdict, Granted)
        return verdict

    async def accepted(self, wish: Claim) -> Receipt:
        """The claim, carried through to a carrier's acceptance."""
        standing = await self.ledger.finish(await self.granted(wish), receipt(wish.job))
        assert standing is not None
        return standing

    async def lapsed(self, wish: Claim) -> Granted:
        """A grant whose lease ran out."""
        grant = await self.granted(wish)
        self.clock.elapse(wish.visibility_s)
        return grant


@pytest.fixture(params=["memory", "redis", "redis, every call repeated"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    clock = OwnClock()
    if request.param == "memory":
        yield Bench(MemoryLedger(clock), clock)
        return
    url = request.getfixturevalue("redis_url")
    async with redis_prefix(url) as prefix, OwnTimeConnection(url, clock, Heard()) as redis:
        redis.twice = request.param != "redis"
        yield Bench(RedisLedger(redis, prefix), clock)


async def test_a_new_job_is_granted(bench: Bench) -> None:
    wish = claim(charge(TWO_AN_HOUR))
    grant = await bench.granted(wish)
    assert (grant.claim, grant.fence, grant.attempts) == (wish, 1, 0)
    assert grant.deadline == pytest.approx(bench.clock.monotonic() + 30)


async def test_a_second_begin_while_leased_is_busy_until_the_lease_ends(bench: Bench) -> None:
    wish = claim()
    await bench.granted(wish)
    bench.clock.elapse(29)
    assert await bench.ledger.begin(wish) == Busy(1.0)


async def test_the_same_job_of_another_number_is_another_job(bench: Bench) -> None:
    wish = claim()
    await bench.granted(wish)
    await bench.granted(claim(job=wish.job, recipient="+8613900000000"))


async def test_a_finished_job_is_done(bench: Bench) -> None:
    wish = claim()
    standing = await bench.accepted(wish)
    assert standing.state is State.SUBMITTED
    assert await bench.ledger.begin(wish) == Done(standing)
    assert await bench.ledger.find(NUMBER, wish.job) == standing


async def test_a_receipt_comes_back_whole(bench: Bench) -> None:
    grant = await bench.granted(claim())
    given = receipt(
        grant.claim.job, reason="“ok” ☃ \\ \x01", carrier_id="\x7f" * 300, ref='"', template=None, submitted_at=None
    )
    await bench.ledger.finish(grant, given)
    assert await bench.ledger.find(NUMBER, given.job) == given


async def test_nothing_is_found_of_a_job_without_a_receipt(bench: Bench) -> None:
    grant = await bench.granted(claim())
    assert await bench.ledger.find(NUMBER, grant.claim.job) is None
    assert await bench.ledger.find(NUMBER, uuid4()) is None


async def test_a_rejected_job_is_done(bench: Bench) -> None:
    grant = await bench.granted(claim())
    rejected = receipt(grant.claim.job, State.REJECTED, code="NUMBER_INVALID")
    assert await bench.ledger.finish(grant, rejected) == rejected
    assert await bench.ledger.begin(grant.claim) == Done(rejected)


async def test_a_released_job_begins_again_with_its_attempts_and_a_higher_fence(bench: Bench) -> None:
    grant = await bench.granted(claim())
    await bench.ledger.release(grant, attempts=2)
    again = await bench.granted(grant.claim)
    assert (again.fence, again.attempts) == (2, 2)
    assert again.token != grant.token


async def test_a_job_whose_worker_never_came_back_is_abandoned_and_stays_so(bench: Bench) -> None:
    wish = claim()
    await bench.ledger.release(await bench.granted(wish), attempts=2)
    await bench.lapsed(wish)
    assert await bench.ledger.begin(wish) == Abandoned(2)
    assert await bench.ledger.begin(wish) == Abandoned(2)


async def test_a_late_result_counts_as_long_as_nobody_else_was_granted_the_job(bench: Bench) -> None:
    grant = await bench.lapsed(claim())
    late = receipt(grant.claim.job)
    assert await bench.ledger.finish(grant, late) == late
    assert await bench.ledger.begin(grant.claim) == Done(late)


async def test_a_late_acceptance_upgrades_what_was_declared_unknown(bench: Bench) -> None:
    grant = await bench.lapsed(claim())
    await bench.ledger.advance(NUMBER, receipt(grant.claim.job, State.UNKNOWN))
    late = receipt(grant.claim.job)
    assert await bench.ledger.finish(grant, late) == late


async def test_a_late_result_does_not_replace_a_higher_rank(bench: Bench) -> None:
    grant = await bench.lapsed(claim())
    delivered = receipt(grant.claim.job, State.DELIVERED)
    await bench.ledger.advance(NUMBER, delivered)
    assert await bench.ledger.finish(grant, receipt(grant.claim.job)) == delivered
    assert await bench.ledger.find(NUMBER, grant.claim.job) == delivered


async def test_the_result_of_a_worker_is_stale_once_another_was_granted_the_job(bench: Bench) -> None:
    first = await bench.granted(claim())
    await bench.ledger.release(first, attempts=0)
    second = await bench.granted(first.claim)
    assert await bench.ledger.finish(first, receipt(first.claim.job, State.FAILED)) is None
    assert await bench.ledger.find(NUMBER, first.claim.job) is None
    assert isinstance(await bench.ledger.begin(first.claim), Busy)
    assert await bench.ledger.finish(second, receipt(first.claim.job)) is not None


async def test_a_stale_release_changes_nothing(bench: Bench) -> None:
    first = await bench.granted(claim(charge(ONE_A_MINUTE)))
    await bench.ledger.release(first, attempts=0)
    second = await bench.granted(first.claim)
    await bench.ledger.release(first, attempts=7)
    assert isinstance(await bench.ledger.begin(first.claim), Busy)
    assert isinstance(await bench.ledger.begin(claim(charge(ONE_A_MINUTE))), Limited)
    await bench.ledger.release(second, attempts=1)
    assert (await bench.granted(first.claim)).attempts == 1


async def test_a_lapsed_lease_can_still_be_released(bench: Bench) -> None:
    grant = await bench.lapsed(claim())
    await bench.ledger.release(grant, attempts=1)
    assert (await bench.granted(grant.claim)).fence == 2


async def test_release_does_nothing_once_a_receipt_stands(bench: Bench) -> None:
    grant = await bench.lapsed(claim(charge(TWO_AN_HOUR)))
    unknown = receipt(grant.claim.job, State.UNKNOWN)
    await bench.ledger.advance(NUMBER, unknown)
    await bench.ledger.release(grant, attempts=1)
    assert await bench.ledger.begin(grant.claim) == Done(unknown)
    await bench.accepted(claim(charge(TWO_AN_HOUR)))
    assert isinstance(await bench.ledger.begin(claim(charge(TWO_AN_HOUR))), Limited)


async def test_a_result_of_a_job_that_the_ledger_lost_is_recorded(bench: Bench) -> None:
    elsewhere = OwnClock()
    verdict = await MemoryLedger(elsewhere).begin(claim())
    assert isinstance(verdict, Granted)
    late = receipt(verdict.claim.job)
    assert await bench.ledger.finish(verdict, late) == late
    assert await bench.ledger.begin(verdict.claim) == Done(late)


async def test_finishing_twice_answers_the_same(bench: Bench) -> None:
    grant = await bench.granted(claim(charge(TWO_AN_HOUR)))
    result = receipt(grant.claim.job)
    assert await bench.ledger.finish(grant, result) == result
    assert await bench.ledger.finish(grant, result) == result


async def test_releasing_twice_refunds_once(bench: Bench) -> None:
    grant = await bench.granted(claim(charge(TWO_AN_HOUR)))
    await bench.ledger.release(grant, attempts=1)
    await bench.ledger.release(grant, attempts=1)
    await bench.accepted(claim(charge(TWO_AN_HOUR)))
    await bench.accepted(claim(charge(TWO_AN_HOUR)))
    assert isinstance(await bench.ledger.begin(claim(charge(TWO_AN_HOUR))), Limited)


async def test_evidence_waits_while_a_worker_holds_the_job(bench: Bench) -> None:
    grant = await bench.granted(claim())
    assert await bench.ledger.advance(NUMBER, receipt(grant.claim.job, State.DELIVERED)) is None
    assert await bench.ledger.find(NUMBER, grant.claim.job) is None


async def test_evidence_about_a_job_nobody_began_is_recorded(bench: Bench) -> None:
    wish = claim()
    rejected = receipt(wish.job, State.REJECTED, code="LIMIT_TWO_AN_HOUR")
    assert await bench.ledger.advance(NUMBER, rejected) == rejected
    assert await bench.ledger.begin(wish) == Done(rejected)


async def test_evidence_ends_a_lease_that_ran_out(bench: Bench) -> None:
    grant = await bench.lapsed(claim())
    unknown = receipt(grant.claim.job, State.UNKNOWN)
    assert await bench.ledger.advance(NUMBER, unknown) == unknown
    assert await bench.ledger.begin(grant.claim) == Done(unknown)


RANKS = [
    {"state": State.UNKNOWN},
    {"state": State.SUBMITTED},
    {"state": State.UNKNOWN, "final": True},
    {"state": State.UNDELIVERED},
]


@pytest.mark.parametrize("lower", range(4))
@pytest.mark.parametrize("higher", range(4))
async def test_only_a_higher_rank_replaces_what_stands(bench: Bench, lower: int, higher: int) -> None:
    job = uuid4()
    standing: dict[str, Any] = RANKS[lower]
    incoming: dict[str, Any] = RANKS[higher]
    before, after = receipt(job, **standing), receipt(job, **incoming, code="LATER")
    await bench.ledger.advance(NUMBER, before)
    assert await bench.ledger.advance(NUMBER, after) == (after if higher > lower else before)


async def test_a_window_admits_its_limit_and_says_when_the_next_fits(bench: Bench) -> None:
    await bench.accepted(claim(charge(TWO_AN_HOUR)))
    first_at = bench.clock.now()
    bench.clock.elapse(600)
    await bench.accepted(claim(charge(TWO_AN_HOUR)))
    wish = claim(charge(TWO_AN_HOUR))
    assert await bench.ledger.begin(wish) == Limited(TWO_AN_HOUR, first_at + timedelta(hours=1))
    bench.clock.elapse_us(3_000_000_000 - 1)
    assert isinstance(await bench.ledger.begin(wish), Limited)
    bench.clock.elapse_us(1)
    assert isinstance(await bench.ledger.begin(wish), Granted)


async def test_scopes_are_counted_apart(bench: Bench) -> None:
    await bench.accepted(claim(charge(ONE_A_MINUTE, "Acme")))
    await bench.accepted(claim(charge(ONE_A_MINUTE, "Other")))
    assert isinstance(await bench.ledger.begin(claim(charge(ONE_A_MINUTE, "Acme"))), Limited)


async def test_a_denied_job_is_charged_nowhere(bench: Bench) -> None:
    await bench.accepted(claim(charge(ONE_A_MINUTE)))
    both = charge(TWO_AN_HOUR), charge(ONE_A_MINUTE)
    for _ in range(3):
        verdict = await bench.ledger.begin(claim(*both))
        assert isinstance(verdict, Limited)
        assert verdict.rule == ONE_A_MINUTE
    await bench.accepted(claim(charge(TWO_AN_HOUR)))
    await bench.accepted(claim(charge(TWO_AN_HOUR)))


async def test_the_rule_that_refuses_longest_is_named(bench: Bench) -> None:
    for _ in range(2):
        bench.clock.elapse(60)
        await bench.accepted(claim(charge(TWO_AN_HOUR), charge(ONE_A_MINUTE)))
    for charges in [(charge(TWO_AN_HOUR), charge(ONE_A_MINUTE)), (charge(ONE_A_MINUTE), charge(TWO_AN_HOUR))]:
        verdict = await bench.ledger.begin(claim(*charges))
        assert verdict == Limited(TWO_AN_HOUR, bench.clock.now() + timedelta(minutes=59))


@pytest.mark.parametrize("state", [State.REJECTED, State.FAILED, State.EXPIRED])
async def test_a_message_that_no_carrier_took_is_not_charged(bench: Bench, state: State) -> None:
    grant = await bench.granted(claim(charge(ONE_A_MINUTE)))
    await bench.ledger.finish(grant, receipt(grant.claim.job, state))
    await bench.accepted(claim(charge(ONE_A_MINUTE)))


@pytest.mark.parametrize("state", [State.SUBMITTED, State.UNKNOWN])
async def test_a_message_that_a_carrier_took_or_may_have_stays_charged(bench: Bench, state: State) -> None:
    grant = await bench.granted(claim(charge(ONE_A_MINUTE)))
    await bench.ledger.finish(grant, receipt(grant.claim.job, state))
    assert isinstance(await bench.ledger.begin(claim(charge(ONE_A_MINUTE))), Limited)


async def test_a_failure_that_comes_too_late_to_stand_refunds_nothing(bench: Bench) -> None:
    grant = await bench.lapsed(claim(charge(TWO_AN_HOUR)))
    await bench.ledger.advance(NUMBER, receipt(grant.claim.job, State.DELIVERED))
    await bench.ledger.finish(grant, receipt(grant.claim.job, State.FAILED))
    await bench.accepted(claim(charge(TWO_AN_HOUR)))
    assert isinstance(await bench.ledger.begin(claim(charge(TWO_AN_HOUR))), Limited)


async def test_evidence_refunds_nothing(bench: Bench) -> None:
    grant = await bench.lapsed(claim(charge(ONE_A_MINUTE)))
    await bench.ledger.advance(NUMBER, receipt(grant.claim.job, State.FAILED))
    assert isinstance(await bench.ledger.begin(claim(charge(ONE_A_MINUTE))), Limited)


async def test_an_abandoned_job_stays_charged(bench: Bench) -> None:
    await bench.lapsed(claim(charge(ONE_A_MINUTE)))
    assert isinstance(await bench.ledger.begin(claim(charge(ONE_A_MINUTE))), Limited)


async def test_a_retry_is_not_charged_twice(bench: Bench) -> None:
    wish = claim(charge(TWO_AN_HOUR))
    for attempts in range(3):
        await bench.ledger.release(await bench.granted(wish), attempts)
    await bench.accepted(wish)
    await bench.accepted(claim(charge(TWO_AN_HOUR)))


async def test_a_clock_that_steps_back_admits_nothing_sooner(bench: Bench) -> None:
    await bench.accepted(claim(charge(TWO_AN_HOUR)))
    charged_at = bench.clock.now()
    bench.clock.step_back_us(7200 * 1_000_000)
    await bench.accepted(claim(charge(TWO_AN_HOUR)))
    verdict = await bench.ledger.begin(claim(charge(TWO_AN_HOUR)))
    assert verdict == Limited(TWO_AN_HOUR, charged_at + timedelta(hours=1))


async def test_a_count_that_has_just_run_out_counts_again_where_the_clock_steps_back_a_little(bench: Bench) -> None:
    await bench.accepted(claim(charge(ONE_A_MINUTE, "one")))
    bench.clock.elapse(60)
    await bench.accepted(claim(charge(ONE_A_MINUTE, "another")))
    bench.clock.step_back_us(500_000)
    assert isinstance(await bench.ledger.begin(claim(charge(ONE_A_MINUTE, "one"))), Limited)


def numbered(index: int) -> str:
    return f"+86138{index:08}"


@pytest.mark.parametrize("quota", [ACCOUNT_QUOTA, rule("3/1h", "900/1d", key=["signature"])])
async def test_a_quota_holds_over_all_numbers(bench: Bench, quota: Any) -> None:
    wishes = [
        claim(charge(TWO_AN_HOUR, numbered(index)), charge(quota), recipient=numbered(index)) for index in range(4)
    ]
    for wish in wishes[:3]:
        await bench.accepted(wish)
    refused = await bench.ledger.begin(wishes[3])
    assert refused == Limited(quota, bench.clock.now() + timedelta(hours=1))


async def test_a_quota_that_refuses_gives_the_number_its_charge_back(bench: Bench) -> None:
    for index in range(3):
        await bench.accepted(claim(charge(ACCOUNT_QUOTA), recipient=numbered(index)))
    wish = claim(charge(ONE_A_MINUTE), charge(ACCOUNT_QUOTA))
    assert isinstance(await bench.ledger.begin(wish), Limited)
    await bench.accepted(claim(charge(ONE_A_MINUTE)))
    assert isinstance(await bench.ledger.begin(wish), Limited)


async def test_a_quota_that_refuses_gives_the_other_quotas_back(bench: Bench) -> None:
    tight = rule("1/1h", name="tight", key=("signature",))
    await bench.accepted(claim(charge(tight), recipient=numbered(0)))
    for index in range(1, 5):
        wish = claim(charge(ACCOUNT_QUOTA), charge(tight), charge(BIG_QUOTA), recipient=numbered(index))
        verdict = await bench.ledger.begin(wish)
        assert isinstance(verdict, Limited)
        assert verdict.rule == tight
    for index in range(5, 8):
        await bench.accepted(claim(charge(ACCOUNT_QUOTA), recipient=numbered(index)))


async def test_a_quota_gets_back_what_no_carrier_took(bench: Bench) -> None:
    for index in range(6):
        grant = await bench.granted(claim(charge(ACCOUNT_QUOTA), charge(BIG_QUOTA), recipient=numbered(index)))
        if index % 2:
            await bench.ledger.release(grant, attempts=1)
        else:
            await bench.ledger.finish(grant, receipt(grant.claim.job, State.FAILED))
    for index in range(6, 9):
        await bench.accepted(claim(charge(ACCOUNT_QUOTA), recipient=numbered(index)))
    assert isinstance(await bench.ledger.begin(claim(charge(ACCOUNT_QUOTA))), Limited)


async def test_a_large_quota_admits_exactly_its_limit(bench: Bench) -> None:
    wishes = [claim(charge(BIG_QUOTA), recipient=numbered(index)) for index in range(1010)]
    verdicts = await asyncio.gather(*(bench.ledger.begin(wish) for wish in wishes))
    assert sum(isinstance(verdict, Granted) for verdict in verdicts) == 1001
    given_back = next(verdict for verdict in verdicts if isinstance(verdict, Granted))
    await bench.ledger.release(given_back, attempts=1)
    await bench.granted(claim(charge(BIG_QUOTA)))
    assert isinstance(await bench.ledger.begin(claim(charge(BIG_QUOTA), recipient="+1")), Limited)


async def test_of_a_hundred_workers_one_is_granted_the_job(bench: Bench) -> None:
    wish = claim(charge(TWO_AN_HOUR), charge(ACCOUNT_QUOTA))
    verdicts = await asyncio.gather(*(bench.ledger.begin(wish) for _ in range(100)))
    assert sum(isinstance(verdict, Granted) for verdict in verdicts) == 1
    assert sum(isinstance(verdict, Busy) for verdict in verdicts) == 99


async def test_of_fifty_jobs_at_once_a_limit_of_ten_admits_ten(bench: Bench) -> None:
    ten = rule("10/1h", name="ten")
    verdicts = await asyncio.gather(*(bench.ledger.begin(claim(charge(ten))) for _ in range(50)))
    assert sum(isinstance(verdict, Granted) for verdict in verdicts) == 10
    assert sum(isinstance(verdict, Limited) for verdict in verdicts) == 40


async def unanswered(bench: Bench, wish: Claim, attempts: int = 1) -> Receipt:
    """A claim whose submit was never answered."""
    standing = await bench.ledger.finish(await bench.granted(wish), receipt(wish.job, State.UNKNOWN, attempts=attempts))
    assert standing is not None
    return standing


async def test_a_reopened_job_is_granted_again_with_its_attempts(bench: Bench) -> None:
    wish = claim(charge(ONE_A_MINUTE))
    unknown = await unanswered(bench, wish, attempts=3)
    assert await bench.ledger.reopen(NUMBER, unknown)
    assert await bench.ledger.find(NUMBER, wish.job) is None
    again = await bench.granted(wish)
    assert (again.fence, again.attempts) == (2, 3)


async def test_a_reopened_job_keeps_its_charge_until_it_is_begun_again_and_is_charged_once(bench: Bench) -> None:
    wish = claim(charge(TWO_AN_HOUR))
    unknown = await unanswered(bench, wish)
    await bench.ledger.reopen(NUMBER, unknown)
    await bench.accepted(claim(charge(TWO_AN_HOUR)))
    assert isinstance(await bench.ledger.begin(claim(charge(TWO_AN_HOUR))), Limited)
    await bench.accepted(wish)


async def test_a_job_submitted_again_is_charged_at_that_time(bench: Bench) -> None:
    for again in ("reopened", "despite"):
        wish = claim(charge(ONE_A_MINUTE, again))
        unknown = await unanswered(bench, wish)
        bench.clock.elapse(59)
        if again == "reopened":
            await bench.ledger.reopen(NUMBER, unknown)
            await bench.accepted(wish)
        else:
            await bench.accepted(wish._replace(despite=unknown.id))
        bench.clock.elapse(59)
        assert isinstance(await bench.ledger.begin(claim(charge(ONE_A_MINUTE, again))), Limited)


async def test_reopening_twice_answers_the_same(bench: Bench) -> None:
    unknown = await unanswered(bench, claim())
    assert await bench.ledger.reopen(NUMBER, unknown)
    assert await bench.ledger.reopen(NUMBER, unknown)


async def test_a_job_begun_again_is_not_reopened_by_whoever_knew_of_the_time_before(bench: Bench) -> None:
    wish = claim()
    unknown = await unanswered(bench, wish)
    await bench.ledger.reopen(NUMBER, unknown)
    grant = await bench.granted(wish)
    assert not await bench.ledger.reopen(NUMBER, unknown)
    second = receipt(wish.job, State.UNKNOWN, attempts=2)
    await bench.ledger.finish(grant, second)
    assert not await bench.ledger.reopen(NUMBER, unknown)
    assert await bench.ledger.begin(wish) == Done(second)


@pytest.mark.parametrize("news", [{"state": State.SUBMITTED}, {"state": State.DELIVERED}, {"final": True}])
async def test_a_job_of_which_more_is_known_by_now_is_not_reopened(bench: Bench, news: dict[str, Any]) -> None:
    unknown = await unanswered(bench, claim())
    better = receipt(unknown.job, **({"state": State.UNKNOWN} | news))
    await bench.ledger.advance(NUMBER, better)
    assert not await bench.ledger.reopen(NUMBER, unknown)
    assert await bench.ledger.find(NUMBER, unknown.job) == better


async def test_a_late_result_of_a_reopened_job_counts_until_it_is_granted_again(bench: Bench) -> None:
    late = await bench.lapsed(claim())
    unknown = receipt(late.claim.job, State.UNKNOWN)
    await bench.ledger.advance(NUMBER, unknown)
    await bench.ledger.reopen(NUMBER, unknown)
    accepted = receipt(late.claim.job)
    assert await bench.ledger.finish(late, accepted) == accepted
    assert await bench.ledger.begin(late.claim) == Done(accepted)


async def test_a_job_is_granted_once_despite_its_unknown_outcome(bench: Bench) -> None:
    wish = claim()
    unknown = await unanswered(bench, wish)
    again = wish._replace(despite=unknown.id)
    grant = await bench.granted(again)
    assert grant.fence == 2
    assert isinstance(await bench.ledger.begin(wish), Busy)
    bench.clock.elapse(30)
    assert await bench.ledger.begin(wish) == Done(unknown)
    assert await bench.ledger.begin(again) == Done(unknown)


async def test_a_second_unknown_outcome_is_not_a_third_chance(bench: Bench) -> None:
    wish = claim()
    unknown = await unanswered(bench, wish)
    await bench.ledger.reopen(NUMBER, unknown)
    second = receipt(wish.job, State.UNKNOWN, attempts=2)
    await bench.ledger.finish(await bench.granted(wish), second)
    grant = await bench.granted(wish._replace(despite=second.id))
    await bench.ledger.finish(grant, second)
    assert await bench.ledger.begin(wish._replace(despite=second.id)) == Done(second)


async def test_a_job_is_granted_only_despite_the_very_receipt_that_stands(bench: Bench) -> None:
    wish = claim()
    unknown = await unanswered(bench, wish)
    assert await bench.ledger.begin(wish._replace(despite=uuid4())) == Done(unknown)
    final = receipt(wish.job, State.UNKNOWN, final=True)
    await bench.ledger.advance(NUMBER, final)
    assert await bench.ledger.begin(wish._replace(despite=final.id)) == Done(final)


async def test_a_limit_also_holds_for_a_job_granted_despite_its_unknown_outcome(bench: Bench) -> None:
    wish = claim(charge(ONE_A_MINUTE))
    unknown = await unanswered(bench, wish)
    bench.clock.elapse(60)
    await bench.accepted(claim(charge(ONE_A_MINUTE)))
    again = wish._replace(despite=unknown.id)
    assert isinstance(await bench.ledger.begin(again), Limited)
    assert await bench.ledger.begin(wish) == Done(unknown)
    bench.clock.elapse(60)
    await bench.granted(again)


async def test_a_job_that_is_submitted_again_counts_once(bench: Bench) -> None:
    wish = claim(charge(TWO_AN_HOUR))
    unknown = await unanswered(bench, wish)
    await bench.accepted(wish._replace(despite=unknown.id))
    await bench.accepted(claim(charge(TWO_AN_HOUR)))
    assert isinstance(await bench.ledger.begin(claim(charge(TWO_AN_HOUR))), Limited)


async def test_a_job_that_may_have_been_sent_before_keeps_its_charge_whatever_becomes_of_it_again(bench: Bench) -> None:
    wish = claim(charge(ONE_A_MINUTE))
    unknown = await unanswered(bench, wish)
    grant = await bench.granted(wish._replace(despite=unknown.id))
    await bench.ledger.release(grant, attempts=2)
    await bench.ledger.finish(grant, unknown._replace(final=True))
    assert isinstance(await bench.ledger.begin(claim(charge(ONE_A_MINUTE))), Limited)
