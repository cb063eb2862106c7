"""What every pair of receipt publisher and feed promises, whether in this process or over a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from adapters.memory.receipts import MemoryReceiptFeed, MemoryReceiptPublisher
from adapters.rabbitmq.receipt_feed import RabbitReceiptFeed
from adapters.rabbitmq.receipts import RabbitReceiptPublisher
from engine.ports import ReceiptPublisher
from engine.receipts import Receipt, State
from tests.rabbitmq_setup import SOON_S, installation, receipt


@dataclass(frozen=True)
class Receipts:
    publisher: ReceiptPublisher
    feed: MemoryReceiptFeed[Receipt] | RabbitReceiptFeed[Receipt]

    async def stored(self, count: int) -> list[Receipt]:
        """Read and settle batches until that many receipts came."""
        found: list[Receipt] = []
        async with asyncio.timeout(SOON_S):
            while len(found) < count:
                batch = await self.feed.next_batch()
                assert batch
                assert batch.receipts
                found += batch.receipts
                await batch.settle()
        return found


@pytest.fixture(params=["memory", "rabbitmq"])
async def receipts(request: pytest.FixtureRequest) -> AsyncIterator[Receipts]:
    if request.param == "memory":
        publisher, feed = MemoryReceiptPublisher(), MemoryReceiptFeed[Receipt]()
        publisher.subscribe(feed.put)
        yield Receipts(publisher, feed)
    else:
        async with (
            installation(request.getfixturevalue("amqp_url")) as here,
            here.publisher() as channel,
            here.feed() as f,
        ):
            yield Receipts(RabbitReceiptPublisher(channel, here.prefix), f)


async def test_a_published_receipt_arrives_with_everything_it_was_published_with(receipts: Receipts) -> None:
    plain = receipt()
    full = receipt(
        "shop",
        signature="验证",
        template="SMS_1",
        ref="order 1",
        state=State.UNDELIVERED,
        final=True,
        code="ABSENT",
        reason="The carrier reported 12.",
        channel="alpha",
        carrier_id="77",
        attempts=2,
        segments=3,
        submitted_at=plain.at,
    )
    await receipts.publisher.publish(plain)
    await receipts.publisher.publish(full)
    assert await receipts.stored(2) == [plain, full]


async def test_receipts_published_at_once_all_arrive_once(receipts: Receipts) -> None:
    published = [receipt(account) for _ in range(400) for account in ("a", "b", "c")]
    await asyncio.gather(*map(receipts.publisher.publish, published))
    found = await receipts.stored(len(published))
    assert {each.job: each for each in found} == {each.job: each for each in published}
    assert len(found) == len(published)


async def test_receipts_published_one_after_another_arrive_in_that_order(receipts: Receipts) -> None:
    published = [receipt() for _ in range(20)]
    for each in published:
        await receipts.publisher.publish(each)
    assert await receipts.stored(20) == published


async def test_the_feed_waits_for_a_receipt(receipts: Receipts) -> None:
    reading = asyncio.create_task(receipts.feed.next_batch())
    await asyncio.sleep(0.05)
    assert not reading.done()
    late = receipt()
    await receipts.publisher.publish(late)
    batch = await asyncio.wait_for(reading, SOON_S)
    assert batch
    assert list(batch.receipts) == [late]


async def test_what_is_at_hand_comes_as_one_batch(receipts: Receipts) -> None:
    published = [receipt() for _ in range(50)]
    await asyncio.gather(*map(receipts.publisher.publish, published))
    first = await receipts.stored(1)
    assert len(first) > 1


async def test_a_closed_feed_hands_out_nothing_more(receipts: Receipts) -> None:
    reading = asyncio.create_task(receipts.feed.next_batch())
    await asyncio.sleep(0)
    receipts.feed.close_intake()
    assert await asyncio.wait_for(reading, SOON_S) is None
    await receipts.publisher.publish(receipt())
    assert await asyncio.wait_for(receipts.feed.next_batch(), SOON_S) is None
