"""Receipts as the business services and the recorder find them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from adapters import wire_receipts
from adapters.rabbitmq.receipt_feed import PREFETCH
from adapters.rabbitmq.receipts import RabbitReceiptPublisher
from adapters.wire import MAX_BODY_BYTES
from engine.events import DeadLettered, ServerBack
from tests.rabbitmq_setup import SOON_S, Installation, installation, receipt, wire


@pytest.fixture
async def here(amqp_url: str) -> AsyncIterator[Installation]:
    async with installation(amqp_url) as prepared:
        yield prepared


async def test_receipts_of_one_moment_travel_together_one_body_per_account(here: Installation) -> None:
    receipts = [receipt(account) for account in ("shop", "bank") for _ in range(50)]
    async with here.publisher() as publisher:
        outgoing = RabbitReceiptPublisher(publisher, here.prefix)
        await asyncio.gather(*map(outgoing.publish, receipts))
    for queue in (here.names.callback, here.names.record):
        await here.counted(queue, 2)
    for _ in range(2):
        message = await here.next_in(here.names.callback)
        body = json.loads(message.body)
        assert [fields["account"] for fields in body] == [message.routing_key] * 50
        properties = message.header.properties
        assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
        assert {fields["id"] for fields in body} <= {str(each.id) for each in receipts}


async def test_one_receipt_is_an_array_too(here: Installation) -> None:
    async with here.publisher() as publisher:
        await RabbitReceiptPublisher(publisher, here.prefix).publish(only := receipt())
    message = await here.next_in(here.names.callback)
    assert wire_receipts.decode_receipts(message.body) == [only]


async def test_receipts_with_much_to_echo_do_not_make_a_body_too_large(here: Installation) -> None:
    receipts = [receipt(signature="x" * 300_000) for _ in range(10)]
    async with here.publisher() as publisher:
        outgoing = RabbitReceiptPublisher(publisher, here.prefix)
        await asyncio.gather(*map(outgoing.publish, receipts))
    await here.counted(here.names.callback, 4)
    for _ in range(4):
        assert len((await here.next_in(here.names.callback)).body) <= MAX_BODY_BYTES


async def test_a_batch_that_was_not_settled_comes_again_over_the_next_connection(here: Installation) -> None:
    async with wire(here.url) as between, here.publisher() as publisher, here.feed(between.url) as feed:
        await RabbitReceiptPublisher(publisher, here.prefix).publish(only := receipt())
        stale = await asyncio.wait_for(feed.next_batch(), SOON_S)
        assert stale
        between.cut()
        await here.heard.first(ServerBack, server="rabbitmq record")
        again = await asyncio.wait_for(feed.next_batch(), SOON_S)
        assert again
        assert list(again.receipts) == [only]
        await stale.settle()
        await asyncio.sleep(0.1)
        between.cut()
        third = await asyncio.wait_for(feed.next_batch(), SOON_S)
        assert third
        await third.settle()
    await here.counted(here.names.record, 0)


async def test_a_settled_batch_is_acknowledged_when_close_returns(here: Installation) -> None:
    async with here.publisher() as publisher, here.feed() as feed:
        outgoing = RabbitReceiptPublisher(publisher, here.prefix)
        for _ in range(60):
            await outgoing.publish(receipt())
        seen = 0
        while seen < 60:
            batch = await asyncio.wait_for(feed.next_batch(), SOON_S)
            assert batch
            seen += len(batch.receipts)
            await batch.settle()
    await here.counted(here.names.record, 0)


async def test_what_is_no_receipt_is_put_aside_and_the_others_are_recorded(here: Installation) -> None:
    async with here.publisher() as publisher, here.feed() as feed:
        await here.publish(b'{"no": "array"}', "shop", here.names.receipts)
        await RabbitReceiptPublisher(publisher, here.prefix).publish(good := receipt())
        batch = await asyncio.wait_for(feed.next_batch(), SOON_S)
        assert batch
        assert list(batch.receipts) == [good]
        await batch.settle()
        dead = await here.next_in(here.names.dead)
        assert dead.body == b'{"no": "array"}'
        assert (dead.header.properties.headers or {})["x-routing-key"] == "shop"
        assert (await here.heard.first(DeadLettered)).source == here.names.record
    await here.counted(here.names.record, 0)


async def test_a_backlog_is_read_in_batches_of_some_500(here: Installation) -> None:
    bodies = PREFETCH // 2
    full = wire_receipts.encode_receipts([receipt() for _ in range(200)])
    for _ in range(bodies):
        await here.publish(full, "default", here.names.receipts)
    sizes: Counter[int] = Counter()
    async with here.feed() as feed:
        await here.counted(here.names.record, 0)
        while sizes.total() == 0 or sum(size * count for size, count in sizes.items()) < 200 * bodies:
            batch = await asyncio.wait_for(feed.next_batch(), SOON_S)
            assert batch
            sizes[len(batch.receipts)] += 1
            await batch.settle()
    assert max(sizes) == 600  # the bodies until there are 500
