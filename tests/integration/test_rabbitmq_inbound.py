"""Inbound messages on their way through the broker: in, to be assigned, and out to the business services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest

from adapters.rabbitmq.backlog import emptied
from adapters.rabbitmq.inbound import RabbitInboundIntake, RabbitReplyPublisher
from adapters.rabbitmq.receipt_feed import RabbitReceiptFeed
from adapters.rabbitmq.tail import follow
from adapters.wire_inbound import decode_inbound, decode_replies
from engine.events import DeadLettered
from engine.inbound import InboundMessage
from engine.replies import Reply
from tests.rabbitmq_setup import SOON_S, Installation, installation


@pytest.fixture
async def here(amqp_url: str) -> AsyncIterator[Installation]:
    async with installation(amqp_url) as prepared:
        yield prepared


@asynccontextmanager
async def feed(here: Installation) -> AsyncIterator[RabbitReceiptFeed[InboundMessage]]:
    async with here.publisher() as publisher:
        found = RabbitReceiptFeed(
            here.url, here.prefix, here.names.arrived, decode_inbound, publisher, here.clock, here.heard
        )
        await found.open()
        try:
            yield found
        finally:
            await found.close()


def message(here: Installation, text: str = "你好 ☃") -> InboundMessage:
    return InboundMessage("alpha", "+8613800000000", "1069000107", text, here.clock.now(), "m1")


def reply(here: Installation, account: str = "shop") -> Reply:
    known = Reply(uuid4(), account, "+8613800000000", "1069000107", "hello", "alpha", here.clock.now())
    return replace(known, carrier_id="m1", extend="07", job=uuid4(), ref="order 1")


async def test_a_message_waits_to_be_assigned_with_everything_it_came_with(here: Installation) -> None:
    sent = [message(here), replace(message(here), carrier_id=None)]
    async with here.publisher() as publisher:
        for each in sent:
            await RabbitInboundIntake(publisher, here.prefix).put(each)
    await here.counted(here.names.arrived, 2)
    async with feed(here) as found:
        arrived: list[InboundMessage] = []
        while len(arrived) < 2:
            batch = await asyncio.wait_for(found.next_batch(), SOON_S)
            assert batch
            arrived += batch.receipts
            await batch.settle()
    assert arrived == sent
    await here.counted(here.names.arrived, 0)


async def test_what_is_no_inbound_message_is_put_aside(here: Installation) -> None:
    bodies = (b"{}", b"\xff", b'[{"channel": 1}]', b"[" * 10_000)
    async with feed(here) as found:
        for body in bodies:
            await here.channel.basic_publish(body, routing_key=here.names.arrived)
        async with here.publisher() as publisher:
            await RabbitInboundIntake(publisher, here.prefix).put(good := message(here))
        batch = await asyncio.wait_for(found.next_batch(), SOON_S)
        assert batch
        assert list(batch.receipts) == [good]
        await batch.settle()
        dead = [(await here.next_in(here.names.dead)).body for _ in bodies]
        assert sorted(dead) == sorted(bodies)
        assert (await here.heard.first(DeadLettered)).source == here.names.arrived


async def test_a_reply_goes_to_its_account_as_an_array_of_one(here: Installation) -> None:
    about = reply(here)
    async with here.publisher() as publisher:
        await RabbitReplyPublisher(publisher, here.prefix).publish(about)
    found = await here.next_in(here.names.replies)
    assert found.routing_key == "shop"
    properties = found.header.properties
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    assert decode_replies(found.body) == [about]
    (fields,) = json.loads(found.body)
    assert fields == {
        "v": 1,
        "id": str(about.id),
        "account": "shop",
        "from": "+8613800000000",
        "to": "1069000107",
        "extend": "07",
        "text": "hello",
        "channel": "alpha",
        "carrier_id": "m1",
        "job": str(about.job),
        "ref": "order 1",
        "at": about.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


async def test_an_onlooker_sees_replies_of_its_account_and_takes_none_away(here: Installation) -> None:
    bodies = follow(here.url, here.prefix, here.names.inbound, "shop")
    first = asyncio.ensure_future(anext(bodies))
    async with here.publisher() as publisher:
        outgoing = RabbitReplyPublisher(publisher, here.prefix)
        sent = 0
        async with asyncio.timeout(SOON_S):
            while not first.done():  # nobody can say when it began to look
                await outgoing.publish(reply(here, "bank"))
                await outgoing.publish(reply(here))
                sent += 2
                await asyncio.wait([first], timeout=0.1)
    assert [each.account for each in decode_replies(await first)] == ["shop"]
    await bodies.aclose()
    await here.counted(here.names.replies, sent)


async def test_whoever_waits_until_all_are_assigned_waits_while_one_is_there(here: Installation) -> None:
    async with here.publisher() as publisher:
        await RabbitInboundIntake(publisher, here.prefix).put(message(here))
    await here.counted(here.names.arrived, 1)
    waiting = asyncio.create_task(emptied(here.url, here.prefix, here.names.arrived, 0.0))
    await asyncio.sleep(1)
    assert not waiting.done()
    await here.next_in(here.names.arrived)
    await asyncio.wait_for(waiting, SOON_S)
