"""What every correlator does, whatever it is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from adapters.memory.correlator import MemoryCorrelator
from adapters.redis.correlator import RedisCorrelator
from engine.ports import Correlator
from engine.receipts import DeliveryReceipt, State
from tests.redis_setup import NUMBER, OwnClock, connected, redis_prefix

DELIVERED = DeliveryReceipt("alpha", "a-1", State.DELIVERED, datetime(2026, 11, 22, 10, 0, 0, 123000, UTC), "000", "OK")


@pytest.fixture(params=["memory", "redis"])
async def correlator(request: pytest.FixtureRequest) -> AsyncIterator[Correlator]:
    if request.param == "memory":
        yield MemoryCorrelator(OwnClock())
        return
    url = request.getfixturevalue("redis_url")
    async with redis_prefix(url) as prefix, connected(url) as redis:
        yield RedisCorrelator(redis, prefix)


async def test_a_remembered_message_is_matched_again_and_again(correlator: Correlator) -> None:
    job = uuid4()
    assert list(await correlator.remember("alpha", "a-1", NUMBER, job)) == []
    for _ in range(2):
        assert await correlator.match(DELIVERED) == (NUMBER, job)


async def test_jobs_without_a_readable_number_are_matched_too(correlator: Correlator) -> None:
    job = uuid4()
    await correlator.remember("alpha", "a-1", "-", job)
    assert await correlator.match(DELIVERED) == ("-", job)


async def test_delivery_receipts_that_come_early_are_kept_oldest_first(correlator: Correlator) -> None:
    early = [replace(DELIVERED, state=State.SUBMITTED, status="ENROUTE", code=None), DELIVERED]
    for dlr in early:
        assert await correlator.match(dlr) is None
    assert list(await correlator.remember("alpha", "a-1", NUMBER, uuid4())) == early


async def test_a_worker_that_asks_again_finds_the_early_ones_again(correlator: Correlator) -> None:
    job = uuid4()
    await correlator.match(DELIVERED)
    for _ in range(2):
        assert list(await correlator.remember("alpha", "a-1", NUMBER, job)) == [DELIVERED]


async def test_a_matched_delivery_receipt_is_not_parked(correlator: Correlator) -> None:
    job = uuid4()
    await correlator.remember("alpha", "a-1", NUMBER, job)
    await correlator.match(DELIVERED)
    assert list(await correlator.remember("alpha", "a-1", NUMBER, job)) == []


async def test_carriers_may_use_the_same_ids(correlator: Correlator) -> None:
    await correlator.remember("beta", "a-1", NUMBER, uuid4())
    assert await correlator.match(DELIVERED) is None
    assert list(await correlator.remember("alpha:a", "-1", NUMBER, uuid4())) == []


async def test_of_a_flood_the_newest_twenty_are_kept(correlator: Correlator) -> None:
    flood = [replace(DELIVERED, status=str(nth)) for nth in range(30)]
    for dlr in flood:
        await correlator.match(dlr)
    assert list(await correlator.remember("alpha", "a-1", NUMBER, uuid4())) == flood[10:]


async def test_a_repeated_delivery_receipt_is_kept_once(correlator: Correlator) -> None:
    others = [replace(DELIVERED, status=str(nth)) for nth in range(19)]
    for dlr in [DELIVERED, *others, DELIVERED, DELIVERED]:
        await correlator.match(dlr)
    assert list(await correlator.remember("alpha", "a-1", NUMBER, uuid4())) == [*others, DELIVERED]


@pytest.mark.parametrize("carrier_id", ["", " ", "a b", "}{", "{x}", "a\x00b", "☃", "\udc80", "x" * 1_000_000])
async def test_any_carrier_id_will_do(correlator: Correlator, carrier_id: str) -> None:
    job, dlr = uuid4(), replace(DELIVERED, carrier_id=carrier_id)
    assert await correlator.match(dlr) is None
    assert list(await correlator.remember("alpha", carrier_id, NUMBER, job)) == [dlr]
    assert await correlator.match(dlr) == (NUMBER, job)
    assert await correlator.match(replace(dlr, carrier_id=carrier_id + "x")) is None
