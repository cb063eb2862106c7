"""What finding a message costs in Redis, and what is left there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from adapters.clock import SystemClock
from adapters.redis.connection import Connection, Reply
from adapters.redis.correlator import RedisCorrelator
from adapters.redis.scripts import Call
from engine.correlation import Correlation
from engine.receipts import DeliveryReceipt, State
from tests.redis_setup import NUMBER, Heard, redis_prefix

SAID = DeliveryReceipt("alpha", "a-1", State.DELIVERED, datetime(2026, 11, 22, 10, tzinfo=UTC), "000", "OK", NUMBER)


class Counting(Connection):
    """Counts what it is asked."""

    calls = 0

    async def ask(self, call: Call) -> Reply:
        self.calls += 1
        return await super().ask(call)


@pytest.fixture
async def prefix(redis_url: str) -> AsyncIterator[str]:
    async with redis_prefix(redis_url) as prefix:
        yield prefix


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Counting]:
    async with Counting(redis_url, SystemClock(), Heard()) as connection:
        yield connection


async def calls_of(redis: Counting, correlation: Correlation, submitted: str, reported: str) -> tuple[int, int]:
    """How many calls it takes to remember a message, and to find it by its receipt."""
    before = redis.calls
    await correlation.remember("alpha", submitted, NUMBER, uuid4())
    remembered = redis.calls
    assert await correlation.match(SAID._replace(carrier_id=reported), anywhere=True)
    return remembered - before, redis.calls - remembered


@pytest.mark.parametrize(
    ("submitted", "reported"),
    [("a-1", "a-1"), ("1234567", "1234567"), ("0000A1", "a1"), ("A1B2C3", "10597059"), ("10597059", "a1b2c3")],
)
async def test_one_call_remembers_a_message_and_one_finds_it(
    redis: Counting, prefix: str, submitted: str, reported: str
) -> None:
    correlation = Correlation(RedisCorrelator(redis, prefix))
    assert await calls_of(redis, correlation, submitted, reported) == (1, 1)


async def test_ids_too_long_for_32_bits_are_filed_twice_only_until_the_carrier_is_known(
    redis: Counting, prefix: str
) -> None:
    correlation = Correlation(RedisCorrelator(redis, prefix))
    costs = {await calls_of(redis, correlation, str(10**12 + n), str(10**12 + n)) for n in range(40)}
    assert costs == {(2, 1), (1, 1)}
    assert await calls_of(redis, correlation, str(10**12), str(10**12)) == (1, 1)


async def test_everything_is_forgotten_in_time(redis_url: str, redis: Counting, prefix: str) -> None:
    correlation = Correlation(RedisCorrelator(redis, prefix))
    await correlation.remember("alpha", "1 2", NUMBER, uuid4())
    for carrier_id in ("1", "4660"):
        dlr = SAID._replace(carrier_id=carrier_id)
        if match := await correlation.match(dlr, anywhere=True):
            await correlation.state(dlr, match)
    async with Redis.from_url(redis_url) as admin:
        keys = [key async for key in admin.scan_iter(f"{prefix}:*")]
        kinds = {key.decode().rsplit(":", 1)[1] for key in keys}
        lives_s = [await admin.ttl(key) for key in keys]
    assert kinds == {"l", "d", "t"}
    assert min(lives_s) > 95 * 3600
    assert max(lives_s) <= 96 * 3600
