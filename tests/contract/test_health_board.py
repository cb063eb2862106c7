"""What every health board does, whatever it is made of, as two workers see it. Time is the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

import pytest
from redis.asyncio import Redis

from adapters.memory.health_board import MemoryHealthBoard
from adapters.redis.connection import Connection
from adapters.redis.health_board import RedisHealthBoard
from engine.board import Board
from engine.breaker import Breaker
from engine.events import ChannelChanged
from engine.message import Category, Message
from engine.outcomes import Accepted, ChannelFault, Outcome, Throttled
from engine.routing import Profile
from engine.terms import Terms
from tests.carriers import message
from tests.fleet import Numbers
from tests.redis_setup import Heard, OwnClock, OwnTimeConnection, redis_prefix

ACCEPTED, FAULT = Accepted("1"), ChannelFault("down")
TERMS = [Terms(Profile(name), cap=100.0) for name in ("alpha", "beta", "gamma")]


class Way:
    """A channel that is only looked at."""

    ready = True
    load = 0.0

    def __init__(self, name: str) -> None:
        self.profile = Profile(name)


WAYS = [Way(terms.profile.name) for terms in TERMS]


@dataclass
class Bench:
    """Two workers' boards, which over memory are one."""

    one: Board
    two: Board
    clock: OwnClock
    heard: Heard

    async def settle(self, seconds: float = 0.0) -> None:
        """Time goes by; each board has told and heard."""
        self.clock.elapse(seconds)
        for board in (self.one, self.two, self.one):
            if isinstance(board, RedisHealthBoard):
                await board.exchange()
            board.look()

    def see(self, board: Board, channel: str, *outcomes: Outcome, every_s: float = 0.1) -> None:
        """The board's worker has submits that end so."""
        for outcome in outcomes:
            self.clock.elapse(every_s)
            board.observe(channel, some(), outcome, 0.05)

    def names(self, board: Board, category: Category = Category.NOTIFICATION) -> list[tuple[str, bool]]:
        found = board.candidates(some(category), WAYS)  # type: ignore[arg-type]
        return [(candidate.name, candidate.probe) for candidate in found]

    def told(self, what: str) -> list[str]:
        return [event.new for event in self.heard if isinstance(event, ChannelChanged) and event.what == what]

    async def kill(self, channel: str = "alpha") -> None:
        """The channel opens on both."""
        for name in ("beta", "gamma"):
            self.see(self.two, name, *[ACCEPTED] * 20)
        self.see(self.one, channel, *[FAULT] * 10, every_s=0.2)
        await self.settle()


def some(category: Category = Category.NOTIFICATION) -> Message:
    made = message()
    return Message(made.job, made.recipient, category, made.text, made.segments)


@pytest.fixture(params=["memory", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    clock, heard = OwnClock(), Heard()
    if request.param == "memory":
        board = MemoryHealthBoard(TERMS, Numbers(), clock, heard, Random(1))
        yield Bench(board, board, clock, heard)
        return
    url = request.getfixturevalue("redis_url")
    async with redis_prefix(url) as prefix, AsyncExitStack() as stack:
        redis = [await stack.enter_async_context(OwnTimeConnection(url, clock, Heard())) for _ in range(2)]
        one, two = (
            RedisHealthBoard(each, prefix, TERMS, Numbers(), clock, heard, Random(seed))
            for seed, each in enumerate(redis)
        )
        yield Bench(one, two, clock, heard)


async def test_what_one_worker_saw_counts_for_the_other(bench: Bench) -> None:
    before = bench.two.score("alpha")
    bench.see(bench.one, "alpha", *[ACCEPTED] * 30, *[FAULT] * 10)
    await bench.settle(0.2)
    assert bench.two.score("alpha") < before - 0.2
    assert bench.two.score("alpha") == pytest.approx(bench.one.score("alpha"), rel=1e-6)


async def test_what_both_saw_adds_up_and_counts_once_however_often_it_is_told(bench: Bench) -> None:
    bench.see(bench.one, "alpha", *[ACCEPTED] * 10)
    bench.see(bench.two, "alpha", *[FAULT] * 10)
    for _ in range(5):
        await bench.settle(0.0)
    bench.clock.elapse(0.2)
    assert bench.one.reading().submits("alpha").total == pytest.approx(20, rel=0.05)
    assert bench.two.reading().submits("alpha").good == pytest.approx(10, rel=0.05)


async def test_a_channel_that_died_is_left_by_both_and_that_is_told_once(bench: Bench) -> None:
    await bench.kill()
    assert bench.names(bench.one) == bench.names(bench.two) == [("beta", False), ("gamma", False)]
    assert bench.told("breaker") == ["open"]


async def test_after_a_while_one_worker_at_a_time_may_probe_it(bench: Bench) -> None:
    await bench.kill()
    await bench.settle(37)
    assert ("alpha", True) in bench.names(bench.one)
    assert ("alpha", True) not in bench.names(bench.one, Category.OTP)
    assert await bench.one.permit("alpha", 9.0)
    assert not await bench.two.permit("alpha", 9.0)
    bench.see(bench.one, "alpha", ACCEPTED)
    await bench.settle()
    bench.clock.elapse(0.3)
    assert await bench.two.permit("alpha", 9.0)


async def test_a_permit_that_is_never_used_ends_by_itself(bench: Bench) -> None:
    await bench.kill()
    await bench.settle(37)
    assert await bench.one.permit("alpha", 0.3)
    assert not await bench.two.permit("alpha", 0.3)
    await asyncio.sleep(0.35)  # Redis ends it by its own clock
    bench.clock.elapse(0.35)
    assert await bench.two.permit("alpha", 0.3)


async def test_probes_of_both_together_bring_it_back_and_its_weight_grows(bench: Bench) -> None:
    await bench.kill()
    await bench.settle(37)
    for board in (bench.one, bench.two) * 4:
        bench.clock.elapse(0.3)
        if ("alpha", True) in bench.names(board) and await board.permit("alpha", 9.0):
            bench.see(board, "alpha", ACCEPTED)
            await bench.settle()
    assert bench.told("breaker") == ["open", "half_open", "closed"]
    assert 0.1 <= bench.two.weight("alpha") < 0.2
    await bench.settle(60)
    assert bench.two.weight("alpha") == 1.0


async def test_a_channel_that_is_too_fast_for_one_worker_is_slowed_for_both(bench: Bench) -> None:
    bench.see(bench.one, "alpha", Throttled("too fast"))
    await bench.settle()
    assert bench.two.rate("alpha") == pytest.approx(70)
    assert "alpha" not in [name for name, _ in bench.names(bench.two)]
    await bench.settle(30)
    assert bench.two.rate("alpha") == 100
    assert bench.told("throttle") == ["70/s", "full rate"]


async def test_what_does_not_heal_by_itself_closes_the_channel_at_once(bench: Bench) -> None:
    bench.see(bench.one, "alpha", ChannelFault("the login is refused", fatal=True))
    await bench.settle()
    assert "alpha" not in [name for name, _ in bench.names(bench.two)]
    await bench.settle(200)
    assert "alpha" not in [name for name, _ in bench.names(bench.two)]


async def test_an_alarm_is_told_when_most_of_the_rate_is_not_available_and_when_it_is_again(bench: Bench) -> None:
    for name in ("alpha", "beta"):
        bench.see(bench.one, name, ChannelFault("the balance is used up", fatal=True))
    await bench.settle(1)
    assert bench.told("alarm")[-1].startswith("less than half")
    assert [name for name, _ in bench.names(bench.one)] == ["gamma"], (
        "the others' messages are not poured onto sick ones"
    )


@pytest.fixture
async def apart(redis_url: str) -> AsyncIterator[tuple[RedisHealthBoard, RedisHealthBoard, str, Heard]]:
    """Two boards over Redis that have not heard of each other, and what they tell."""
    clock, heard = OwnClock(), Heard()
    async with redis_prefix(redis_url) as prefix, AsyncExitStack() as stack:
        redis = [await stack.enter_async_context(OwnTimeConnection(redis_url, clock, Heard())) for _ in range(2)]
        one, two = (
            RedisHealthBoard(each, prefix, TERMS, Numbers(), clock, heard, Random(seed))
            for seed, each in enumerate(redis)
        )
        yield one, two, prefix, heard


async def test_of_two_decisions_at_the_same_time_one_stands_and_is_told(
    apart: tuple[RedisHealthBoard, RedisHealthBoard, str, Heard],
) -> None:
    one, two, _, heard = apart
    for board in (one, two):
        board.observe("alpha", some(), ChannelFault("the login is refused", fatal=True), 0.1)
    await one.exchange()
    await two.exchange()
    await one.exchange()
    opened = [event for event in heard if isinstance(event, ChannelChanged) and event.what == "breaker"]
    assert len(opened) == 1
    assert one.standings.version("alpha", Breaker) == 1


async def test_two_channels_that_two_workers_leave_at_the_same_time_are_not_both_left(
    apart: tuple[RedisHealthBoard, RedisHealthBoard, str, Heard],
) -> None:
    one, two, _, _ = apart
    clock = one._clock
    assert isinstance(clock, OwnClock)
    for board, dead in ((one, "alpha"), (two, "beta")):
        for name in ("alpha", "beta", "gamma"):
            for _ in range(10):
                board.observe(name, some(), ACCEPTED, 0.1)
        for _ in range(12):
            clock.elapse(0.2)
            board.observe(dead, some(), FAULT, 0.1)
        board.look()
    assert [c.name for c in one.candidates(some(), WAYS)] == ["beta", "gamma"]  # type: ignore[arg-type]
    assert [c.name for c in two.candidates(some(), WAYS)] == ["alpha", "gamma"]  # type: ignore[arg-type]
    for board in (one, two, one, two):
        await board.exchange()
    for board in (one, two):
        assert len(board.candidates(some(), WAYS)) == 2  # type: ignore[arg-type]


async def test_a_new_worker_hears_what_stands(apart: tuple[RedisHealthBoard, RedisHealthBoard, str, Heard]) -> None:
    one, two, _, _ = apart
    one.observe("alpha", some(), ChannelFault("the login is refused", fatal=True), 0.1)
    await one.exchange()
    async with two:
        assert [c.name for c in two.candidates(some(), WAYS)] == ["beta", "gamma"]  # type: ignore[arg-type]


async def test_what_others_wrote_there_is_passed_over(
    apart: tuple[RedisHealthBoard, RedisHealthBoard, str, Heard], redis_url: str
) -> None:
    one, _, prefix, _ = apart
    async with Redis.from_url(redis_url) as client:
        for text in (b"99999999999999999 {}", b"99999999999999999 \xff{", b'99999999999999999 {"pulses": 3}'):
            await client.hset(f"{prefix}:{{health}}:reports", text, text)
        await client.hset(f"{prefix}:{{health}}:decisions", "alpha|breaker", b"7 99999999999999999 x|{\xff")
        await client.hset(f"{prefix}:{{health}}:decisions", "alpha|nonsense", b"7 99999999999999999 x|{}")
    await one.exchange()
    assert len(one.candidates(some(), WAYS)) == 3  # type: ignore[arg-type]


async def test_nothing_stays_in_redis_for_ever(
    apart: tuple[RedisHealthBoard, RedisHealthBoard, str, Heard], redis_url: str
) -> None:
    one, _, prefix, _ = apart
    one.observe("alpha", some(), ChannelFault("the login is refused", fatal=True), 0.1)
    await one.exchange()
    async with Redis.from_url(redis_url) as client:
        found = [key async for key in client.scan_iter(f"{prefix}:*")]
        assert len(found) == 2
        assert all([0 < await client.ttl(key) <= 600 for key in found])


async def test_while_redis_is_away_a_worker_goes_by_what_it_sees_and_tells_what_it_decides() -> None:
    clock, heard = OwnClock(), Heard()
    async with Connection("redis://127.0.0.1:1", clock, Heard()) as redis:
        board = RedisHealthBoard(redis, "test", TERMS, Numbers(), clock, heard, Random(1))
        while not redis.outage.away:
            await asyncio.sleep(0.01)
        for name in ("beta", "gamma"):
            for _ in range(20):
                board.observe(name, some(), ACCEPTED, 0.1)
        for _ in range(12):
            clock.elapse(0.2)
            board.observe("alpha", some(), FAULT, 0.1)
        await board.exchange()
        assert [c.name for c in board.candidates(some(), WAYS)] == ["beta", "gamma"]  # type: ignore[arg-type]
        assert [e.new for e in heard if isinstance(e, ChannelChanged) and e.what == "breaker"] == ["open"]
        clock.elapse(40)
        board.look()
        assert await board.permit("alpha", 9.0)
