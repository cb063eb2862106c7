"""Large windows are counted in hundredths: never more than the limit, and at most one hundredth too strict."""

from __future__ import annotations

from collections.abc import AsyncIterator
from secrets import token_hex

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.redis.wide_counts import BUCKET_CHARGE, BUCKET_REFUND
from engine.limits import Window
from tests.redis_setup import Heard, OwnClock, OwnTimeConnection, redis_prefix
from tests.window_oracle import US, overfull

SPAN_S = 3600
BUCKET_US = SPAN_S * US // 100


class Count:
    """One count of a large limit (small here, so that it is reached), with a clock of its own."""

    def __init__(self, redis: OwnTimeConnection, clock: OwnClock, prefix: str, limit: int = 3) -> None:
        self.redis, self.clock, self.limit = redis, clock, limit
        self.name = f"{prefix}:{token_hex(8)}"

    async def charge(self, job: int) -> int:
        """0, or when the job would fit."""
        call = BUCKET_CHARGE([self.name, f"{self.name}:{job}"], [self.limit, SPAN_S])
        return (await self.redis.ask(call)).value

    async def refund(self, job: int) -> None:
        await self.redis.ask(BUCKET_REFUND([self.name, f"{self.name}:{job}"], []))


@pytest.fixture
async def count(redis_url: str) -> AsyncIterator[Count]:
    clock = OwnClock()
    clock.us -= clock.us % BUCKET_US  # the start of a bucket
    async with redis_prefix(redis_url) as prefix, OwnTimeConnection(redis_url, clock, Heard()) as redis:
        yield Count(redis, clock, prefix)


async def test_a_bucket_counts_whole_until_its_last_microsecond_has_left(count: Count) -> None:
    started_us = count.clock.us
    for job in range(3):
        assert await count.charge(job) == 0
    free_at = await count.charge(3)
    assert free_at == started_us + BUCKET_US - 1 + SPAN_S * US
    count.clock.us = free_at - 1
    assert await count.charge(3) == free_at
    count.clock.us = free_at
    assert [await count.charge(job) for job in range(3, 7)] == [0, 0, 0, free_at + SPAN_S * US]


async def test_as_many_buckets_are_waited_for_as_are_over_a_lowered_limit(count: Count) -> None:
    for job in range(3):
        assert await count.charge(job) == 0
        count.clock.us += BUCKET_US
    started_us = count.clock.us - 3 * BUCKET_US
    count.limit = 2
    assert await count.charge(3) == started_us + 2 * BUCKET_US - 1 + SPAN_S * US


async def test_a_job_that_asks_again_is_charged_once(count: Count) -> None:
    for _ in range(5):
        assert await count.charge(0) == 0
    assert [await count.charge(job) == 0 for job in (1, 2, 3)] == [True, True, False]


async def test_a_refund_counts_once(count: Count) -> None:
    for job in range(3):
        await count.charge(job)
    await count.refund(0)
    await count.refund(0)
    await count.refund(7)
    assert [await count.charge(job) == 0 for job in (3, 4)] == [True, False]


async def test_a_refund_after_the_window_gives_nothing_to_the_next(count: Count) -> None:
    await count.charge(0)
    count.clock.us += 2 * SPAN_S * US
    assert await count.charge(1) == 0
    await count.refund(0)
    assert [await count.charge(job) == 0 for job in (2, 3, 4)] == [True, True, False]


steps_us = st.one_of(
    st.sampled_from([0, 1, BUCKET_US - 1, BUCKET_US, SPAN_S * US - 1, SPAN_S * US, SPAN_S * US + BUCKET_US]),
    st.integers(0, SPAN_S * US),
)
acts = st.one_of(
    st.tuples(st.just("charge"), st.integers(0, 9)),
    st.tuples(st.just("charge"), st.integers(0, 9)),
    st.tuples(st.just("refund"), st.integers(0, 9)),
    st.tuples(st.just("elapse"), steps_us),
    st.tuples(st.just("step back"), steps_us),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(limit=st.integers(1, 5), history=st.lists(acts, min_size=10, max_size=40), twice=st.booleans())
async def test_never_more_than_the_limit_and_at_most_a_bucket_too_strict(
    count: Count, limit: int, history: list[tuple[str, int]], twice: bool
) -> None:
    count.redis.twice = twice
    count = Count(count.redis, count.clock, count.name, limit)
    window, newest, elapsed_us = Window(limit, SPAN_S), 0, 0
    charged_at: dict[int, int] = {}  # by the clock, held where it stepped back
    sent_at: dict[int, int] = {}  # in true time
    for act, number in history:
        if act == "elapse":
            count.clock.us += number
            elapsed_us += number
        elif act == "step back":
            count.clock.us -= number
        elif act == "refund":
            await count.refund(number)
            charged_at.pop(number, None)
            sent_at.pop(number, None)
        else:
            at = max(count.clock.us, newest)
            charged_at.pop(number, None)  # asked for again: the charge before was nobody's
            sent_at.pop(number, None)
            free_at = await count.charge(number)
            if free_at == 0:
                charged_at[number] = newest = at
                sent_at[number] = elapsed_us
                assert not overfull(list(sent_at.values()), [window])
            else:
                strict = at - SPAN_S * US - BUCKET_US
                assert sum(entry > strict for entry in charged_at.values()) >= limit
                assert at < free_at <= at + SPAN_S * US + BUCKET_US
