"""What every rate cap does, whatever it is made of. Time is the test's own, in memory and in Redis alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.memory.rate_cap import MemoryRateCap
from adapters.redis.rate_cap import RedisRateCap
from engine.message import Category
from engine.turns import AHEAD_S, Answer, Later, Pace, Turn
from tests.redis_setup import Heard, OwnClock, OwnTimeConnection, redis_prefix

OTP, NOTIFICATION, PROMOTION = Category
EDGE_S = 1e-4  #: what times rounded to microseconds may differ by


@dataclass
class Bench:
    cap: MemoryRateCap | RedisRateCap
    clock: OwnClock
    of_others: list[MemoryRateCap | RedisRateCap]  #: as seven other workers see it

    async def ask(
        self,
        segments: int = 1,
        category: Category = OTP,
        *,
        rate: float = 10,
        burst: int = 1,
        within_s: float = 60,
        again: bool = False,
        channel: str = "alpha",
    ) -> Answer:
        return await self.cap.reserve(channel, Pace(rate, burst), segments, category, within_s, again=again)

    async def waits(self, *segments: int, rate: float = 10, burst: int = 1, within_s: float = 60) -> list[float | None]:
        """How long codes of so many segments wait, asked for one after the other."""
        answers = [await self.ask(n, rate=rate, burst=burst, within_s=within_s) for n in segments]
        return [answer.wait_s if answer else None for answer in answers]


@pytest.fixture(params=["memory", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    clock = OwnClock()
    if request.param == "memory":
        only = MemoryRateCap(clock)
        yield Bench(only, clock, [only] * 7)
        return
    url = request.getfixturevalue("redis_url")
    async with redis_prefix(url) as prefix, AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(OwnTimeConnection(url, clock, Heard())) for _ in range(8)]
        first, *others = (RedisRateCap(redis, prefix) for redis in connections)
        yield Bench(first, clock, others)


async def test_an_idle_channel_is_free_now(bench: Bench) -> None:
    assert await bench.ask() == Turn(0.0)


async def test_turns_follow_each_other_at_the_rate_in_segments(bench: Bench) -> None:
    assert await bench.waits(1, 3, 1, 1) == pytest.approx([0.0, 0.1, 0.4, 0.5])


async def test_a_turn_too_far_off_is_refused_and_not_reserved(bench: Bench) -> None:
    assert await bench.waits(5, 1, 1, within_s=0.4) == [0.0, None, None]
    assert await bench.waits(1, within_s=0.5) == pytest.approx([0.5])


async def test_a_refusal_leaves_the_turn_to_the_next(bench: Bench) -> None:
    await bench.waits(5)
    assert await bench.waits(1, within_s=0.1) == [None]
    bench.clock.elapse(0.5)
    assert await bench.waits(1, within_s=0.1) == pytest.approx([0.0])


async def test_without_a_burst_idle_time_is_not_saved_up(bench: Bench) -> None:
    await bench.waits(1)
    bench.clock.elapse(3600)
    assert await bench.waits(1, 1, 1) == pytest.approx([0.0, 0.1, 0.2])


async def test_a_burst_of_so_many_is_allowed_at_once_and_then_the_rate_holds(bench: Bench) -> None:
    assert await bench.waits(*[1] * 12, burst=10) == pytest.approx([0.0] * 10 + [0.1, 0.2])


async def test_a_burst_is_earned_by_rest_and_never_more_than_one(bench: Bench) -> None:
    await bench.waits(*[1] * 10, burst=10)
    bench.clock.elapse(0.5)
    assert await bench.waits(*[1] * 6, burst=10) == pytest.approx([0.0] * 5 + [0.1])
    bench.clock.elapse(3600)
    assert await bench.waits(*[1] * 11, burst=10) == pytest.approx([0.0] * 10 + [0.1])


@pytest.mark.parametrize("burst", [1, 3])
async def test_a_message_of_more_segments_than_the_burst_is_sent_and_those_after_it_wait_the_longer(
    bench: Bench, burst: int
) -> None:
    assert await bench.waits(8, burst=burst) == [0.0]
    assert await bench.waits(8, burst=burst) == pytest.approx([0.8])
    assert await bench.waits(1, burst=burst) == pytest.approx([1.6 - (burst - 1) / 10])


async def test_channels_do_not_wait_for_each_other(bench: Bench) -> None:
    await bench.waits(100)
    assert await bench.ask(channel="beta", within_s=0) == Turn(0.0)


async def test_a_changed_rate_counts_from_the_next_turn_on(bench: Bench) -> None:
    await bench.waits(1, rate=10)
    assert await bench.waits(1, 1, rate=1) == pytest.approx([0.1, 1.1])


async def test_of_many_at_once_on_eight_workers_each_gets_a_turn_of_its_own(bench: Bench) -> None:
    caps = [bench.cap, *bench.of_others]
    answers = await asyncio.gather(
        *(cap.reserve("alpha", Pace(100), 1, OTP, 60) for _ in range(25) for cap in caps),
    )
    assert sorted(answer.wait_s for answer in answers if answer) == pytest.approx([nth / 100 for nth in range(200)])


@pytest.mark.parametrize("category", [NOTIFICATION, PROMOTION])
async def test_however_many_promotions_ask_a_code_waits_for_the_next_moments_only(
    bench: Bench, category: Category
) -> None:
    for _ in range(500):
        await bench.ask(2, category, rate=100)
    answer = await bench.ask(rate=100)
    assert isinstance(answer, Turn)
    assert 0 < answer.wait_s <= AHEAD_S[category] + 2 / 100 + EDGE_S


async def test_promotions_have_no_turn_while_notifications_wait(bench: Bench) -> None:
    """A backlog of each, all asking again when told to: the promotions' turns come after the notifications'."""
    events = [(0, nth, PROMOTION if nth % 2 else NOTIFICATION, False) for nth in range(400)]
    turns: dict[Category, list[float]] = {NOTIFICATION: [], PROMOTION: []}
    now_us = 0
    while events:
        at_us, nth, category, again = heappop(events)
        bench.clock.elapse_us(at_us - now_us)
        now_us = at_us
        answer = await bench.ask(1, category, rate=100, within_s=1000, again=again)
        assert answer
        if isinstance(answer, Turn):
            turns[category].append(now_us / 1_000_000 + answer.wait_s)
        else:
            heappush(events, (now_us + round(answer.wait_s * 1_000_000), nth, category, True))
    assert len(turns[PROMOTION]) == len(turns[NOTIFICATION]) == 200
    among = [at for at in turns[PROMOTION] if at < max(turns[NOTIFICATION])]
    assert len(among) <= 20  # those that found the line still short


async def test_those_who_wait_are_told_to_ask_one_after_the_other_and_all_have_their_turn_then(bench: Bench) -> None:
    answers = [await bench.ask(1, PROMOTION, rate=100) for _ in range(100)]
    assert [type(answer) for answer in answers] == [Turn] * 11 + [Later] * 89
    asks_at = [answer.wait_s for answer in answers if isinstance(answer, Later)]
    assert asks_at == pytest.approx([0.06 + nth / 100 for nth in range(89)], abs=EDGE_S)
    bench.clock.elapse(0.05)
    for _ in asks_at:
        bench.clock.elapse(0.01)
        assert await bench.ask(1, PROMOTION, rate=100, again=True) == Turn(pytest.approx(0.05, abs=EDGE_S))


async def test_a_few_codes_that_come_between_make_those_who_wait_late_but_not_the_last(bench: Bench) -> None:
    told = [await bench.ask(1, PROMOTION, rate=100) for _ in range(50)]
    first = next(answer for answer in told if isinstance(answer, Later))
    bench.clock.elapse(first.wait_s)
    for _ in range(4):
        await bench.ask(rate=100)
    assert await bench.ask(1, PROMOTION, rate=100, again=True) == Turn(pytest.approx(0.09, abs=EDGE_S))


async def test_who_comes_anew_does_not_push_in_before_those_who_wait(bench: Bench) -> None:
    while not isinstance(await bench.ask(1, PROMOTION), Later):
        pass
    told = await bench.ask(1, PROMOTION)
    assert isinstance(told, Later)
    bench.clock.elapse(told.wait_s)  # the one before it would have had a turn by now
    anew = await bench.ask(1, PROMOTION)
    assert isinstance(anew, Later)
    assert isinstance(await bench.ask(1, PROMOTION, again=True), Turn)


async def test_who_cannot_have_a_turn_in_time_is_told_at_once_and_holds_up_nobody(bench: Bench) -> None:
    async def told(within_s: float) -> Answer:
        return await bench.ask(1, PROMOTION, within_s=within_s)

    while await told(1.0):
        pass
    assert [await told(1.0) for _ in range(50)] == [None] * 50
    last = await told(2.0)
    assert isinstance(last, Later)
    assert last.wait_s <= 1.0 + EDGE_S


async def test_the_line_of_those_who_wait_outlives_a_code_that_comes_between(bench: Bench) -> None:
    for _ in range(500):
        await bench.ask(1, PROMOTION, rate=100)
    await bench.ask(rate=100)
    bench.clock.elapse(3.0)
    answer = await bench.ask(1, PROMOTION, rate=100)
    assert isinstance(answer, Later)
    assert answer.wait_s > 1.5


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.one_of(st.floats(0.1, 5000), st.integers(1, 3000)),
    burst=st.integers(1, 12),
    history=st.lists(
        st.tuples(
            st.integers(0, 500_000), st.integers(1, 8), st.floats(0, 3), st.sampled_from(Category), st.booleans()
        ),
        min_size=2,
        max_size=30,
    ),
)
async def test_no_span_ever_gets_more_than_the_rate_and_one_burst(
    bench: Bench, rate: float, burst: int, history: list[tuple[int, int, float, Category, bool]]
) -> None:
    channel = f"{rate} {burst} {history}"
    turns: list[tuple[float, int]] = []
    for elapsed_us, segments, within_s, category, again in history:
        bench.clock.elapse_us(elapsed_us)
        answer = await bench.ask(
            segments, category, rate=rate, burst=burst, within_s=within_s, again=again, channel=channel
        )
        if isinstance(answer, Turn):
            assert answer.wait_s <= min(within_s, AHEAD_S.get(category, within_s)) + 1e-6
            turns.append((bench.clock.monotonic() + answer.wait_s, segments))
        elif answer:
            assert category is not OTP
            assert answer.wait_s <= within_s + 1e-6
    # The level of a bucket of `burst` tokens can be no less than a message needs, nor more than `burst` before it.
    for i, (first, _) in enumerate(turns):
        for j, (last, needs) in enumerate(turns[i + 1 :], i + 1):
            taken = sum(segments for _, segments in turns[i:j])
            earned = (last - first) * rate * (1 + 1e-6) + 1e-6 * max(1.0, rate)
            assert taken + min(needs, burst) <= burst + earned


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.integers(1, 300),
    arrivals=st.lists(st.tuples(st.integers(0, 3_000_000), st.sampled_from(Category)), min_size=1, max_size=60),
)
async def test_no_second_ever_gets_more_than_the_rate_and_asking_is_as_rare_as_sending(
    bench: Bench, rate: int, arrivals: list[tuple[int, Category]]
) -> None:
    """Workers as they are: each message asks, and asks again when told to; of one segment each, and no burst."""
    channel, began_us = f"{rate} {arrivals}", bench.clock.us
    events = [(at, nth, category, False) for nth, (at, category) in enumerate(sorted(arrivals))]
    heapify(events)
    sent: list[float] = []
    asks = 0
    while events:
        at, nth, category, again = heappop(events)
        bench.clock.elapse_us(max(0, at - (bench.clock.us - began_us)))
        answer = await bench.ask(1, category, rate=rate, within_s=1000, again=again, channel=channel)
        asks += 1
        assert answer is not None
        if isinstance(answer, Turn):
            sent.append(at / 1_000_000 + answer.wait_s)
        else:
            heappush(events, (at + round(answer.wait_s * 1_000_000), nth, category, True))
    assert len(sent) == len(arrivals)  # nobody waits for ever
    sent.sort()
    for i, first in enumerate(sent):
        assert sum(1 for at in sent[i:] if at < first + 1 - EDGE_S) <= rate
    assert asks <= 4 * len(arrivals)
