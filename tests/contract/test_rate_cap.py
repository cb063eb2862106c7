"""What every rate cap does, whatever it is made of. Time is the test's own, in memory and in Redis alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.memory.rate_cap import MemoryRateCap
from adapters.redis.rate_cap import RedisRateCap
from tests.redis_setup import Heard, OwnClock, OwnTimeConnection, redis_prefix


@dataclass
class Bench:
    cap: MemoryRateCap | RedisRateCap
    clock: OwnClock

    async def waits(self, *segments: int, rate: float = 10, within_s: float = 60) -> list[float | None]:
        """The answers to messages of so many segments, asked for one after the other."""
        return [await self.cap.reserve("alpha", rate, n, within_s) for n in segments]


@pytest.fixture(params=["memory", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    clock = OwnClock()
    if request.param == "memory":
        yield Bench(MemoryRateCap(clock), clock)
        return
    url = request.getfixturevalue("redis_url")
    async with redis_prefix(url) as prefix, OwnTimeConnection(url, clock, Heard()) as redis:
        yield Bench(RedisRateCap(redis, prefix), clock)


async def test_an_idle_channel_is_free_now(bench: Bench) -> None:
    assert await bench.waits(1) == [0.0]


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


async def test_idle_time_is_not_saved_up(bench: Bench) -> None:
    await bench.waits(1)
    bench.clock.elapse(3600)
    assert await bench.waits(1, 1, 1) == pytest.approx([0.0, 0.1, 0.2])


async def test_channels_do_not_wait_for_each_other(bench: Bench) -> None:
    await bench.waits(100)
    assert await bench.cap.reserve("beta", 10, 1, 0) == 0.0


async def test_a_changed_rate_counts_from_the_next_turn_on(bench: Bench) -> None:
    await bench.waits(1, rate=10)
    assert await bench.waits(1, 1, rate=1) == pytest.approx([0.1, 1.1])


async def test_of_many_at_once_each_gets_a_turn_of_its_own(bench: Bench) -> None:
    waits = await asyncio.gather(*(bench.cap.reserve("alpha", 100, 1, 60) for _ in range(50)))
    assert sorted(wait for wait in waits if wait is not None) == pytest.approx([nth / 100 for nth in range(50)])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.one_of(st.floats(0.1, 5000), st.integers(1, 3000)),
    history=st.lists(st.tuples(st.integers(0, 500_000), st.integers(1, 8), st.floats(0, 3)), min_size=2, max_size=30),
)
async def test_no_span_ever_gets_more_than_the_rate_and_one_message(
    bench: Bench, rate: float, history: list[tuple[int, int, float]]
) -> None:
    channel = f"{rate} {history}"
    turns: list[tuple[float, int]] = []
    for elapsed_us, segments, within_s in history:
        bench.clock.elapse_us(elapsed_us)
        wait = await bench.cap.reserve(channel, rate, segments, within_s)
        if wait is not None:
            assert wait <= within_s
            turns.append((bench.clock.monotonic() + wait, segments))
    assert turns == sorted(turns, key=lambda turn: turn[0])
    for i, (first, _) in enumerate(turns):
        for j, (last, _) in enumerate(turns[i:], i):
            assert sum(segments for _, segments in turns[i:j]) <= (last - first) * rate * (1 + 1e-6) + 1e-6
