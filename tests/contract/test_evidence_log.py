"""Delivery receipts on their way to the record, whether in this process or over a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from adapters.memory.receipts import MemoryReceiptFeed
from adapters.rabbitmq.evidence import RabbitEvidenceLog, decode_evidence
from adapters.rabbitmq.receipt_feed import RabbitReceiptFeed
from engine.carrier_ids import Rule
from engine.events import DeadLettered
from engine.evidence import Evidence
from engine.ports import EvidenceLog, ReceiptFeed
from engine.receipts import DeliveryReceipt, State
from tests.rabbitmq_setup import SOON_S, Installation, installation

AT = datetime(2026, 11, 22, 10, 0, 0, 123000, UTC)
STRAY = Evidence(DeliveryReceipt("alpha", "a-1", State.SUBMITTED, AT), AT)
FULL = Evidence(
    DeliveryReceipt("alpha", "00A1", State.UNDELIVERED, AT, "ABSENT", "UNDELIV err:001 ☃", "8613800000000"),
    AT,
    uuid4(),
    Rule.ZEROS,
    2,
)


@dataclass(frozen=True)
class Way:
    log: EvidenceLog
    feed: ReceiptFeed[Evidence]

    async def arrived(self, count: int) -> list[Evidence]:
        found: list[Evidence] = []
        async with asyncio.timeout(SOON_S):
            while len(found) < count:
                batch = await self.feed.next_batch()
                assert batch
                found += batch.receipts
                await batch.settle()
        return found


@pytest.fixture
async def here(amqp_url: str) -> AsyncIterator[Installation]:
    async with installation(amqp_url) as prepared:
        yield prepared


@pytest.fixture(params=["memory", "rabbitmq"])
async def way(request: pytest.FixtureRequest) -> AsyncIterator[Way]:
    if request.param == "memory":
        feed: MemoryReceiptFeed[Evidence] = MemoryReceiptFeed()
        yield Way(feed, feed)
        return
    async with installation(request.getfixturevalue("amqp_url")) as here, over_a_broker(here) as way:
        yield way


@asynccontextmanager
async def over_a_broker(here: Installation) -> AsyncIterator[Way]:
    """The log and the feed of an installation."""
    async with here.publisher() as publisher:
        feed = RabbitReceiptFeed(
            here.url, here.prefix, here.names.dlr, decode_evidence, publisher, here.clock, here.heard
        )
        await feed.open()
        yield Way(RabbitEvidenceLog(publisher, here.prefix), feed)
        await feed.close()


async def test_everything_that_is_known_arrives(way: Way) -> None:
    for evidence in (STRAY, FULL):
        await way.log.put(evidence)
    assert await way.arrived(2) == [STRAY, FULL]


async def test_many_at_once_all_arrive_once(way: Way) -> None:
    many = [replace(FULL, part=part) for part in range(1200)]
    await asyncio.gather(*map(way.log.put, many))
    assert sorted(each.part or 0 for each in await way.arrived(1200)) == list(range(1200))


async def test_it_is_safe_in_the_queue_when_put_returns(here: Installation) -> None:
    async with here.publisher() as publisher:
        await RabbitEvidenceLog(publisher, here.prefix).put(STRAY)
    await here.counted(here.names.dlr, 1)
    assert await here.count(here.names.record) == await here.count(here.names.callback) == 0


@pytest.mark.parametrize("odd", ["a\x00b", "\udc80", "☃" * 1000, "\n"])
async def test_whatever_a_carrier_writes_can_be_stored(here: Installation, odd: str) -> None:
    dlr = DeliveryReceipt("alpha", odd, State.DELIVERED, AT, odd, odd, odd)
    async with over_a_broker(here) as way:
        await way.log.put(Evidence(dlr, AT))
        (arrived,) = await way.arrived(1)
    said = arrived.dlr
    for text in (said.carrier_id, said.code, said.status, said.to):
        assert text
        assert len(text) <= 255
        assert "\x00" not in text
        text.encode()


async def test_what_is_no_delivery_receipt_is_put_aside(here: Installation) -> None:
    async with over_a_broker(here) as way:
        await here.channel.basic_publish(b'[{"channel": 1}]', routing_key=here.names.dlr)
        await way.log.put(FULL)
        assert await way.arrived(1) == [FULL]
        assert (await here.next_in(here.names.dead)).body == b'[{"channel": 1}]'
        assert (await here.heard.first(DeadLettered)).source == here.names.dlr
