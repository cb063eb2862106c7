"""Bodies from anybody, and what becomes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pamqp.commands import Basic

from adapters import wire
from adapters.rabbitmq.job_queue import RabbitJobQueue
from adapters.rabbitmq.prefetch import ROOM
from engine.events import DeadLettered
from engine.message import Category
from engine.ports import Delivery
from tests.rabbitmq_setup import SOON_S, Installation, installation, job

OTP = Category.OTP


@pytest.fixture
async def here(amqp_url: str) -> AsyncIterator[Installation]:
    async with installation(amqp_url) as prepared:
        yield prepared


async def take(queue: RabbitJobQueue, category: Category = OTP) -> Delivery:
    delivery = await asyncio.wait_for(queue.take(category), SOON_S)
    assert delivery
    return delivery


def body(count: int) -> tuple[bytes, list[UUID]]:
    ids = [uuid4() for _ in range(count)]
    return json.dumps([{"id": str(each), "to": "+8613800000000"} for each in ids]).encode(), ids


#: what is no job, and what is said of it
NO_JOBS = {
    "no JSON": (b"hello", "malformed"),
    "nothing": (b"", "truncated"),
    "not UTF-8": (body(1)[0].replace(b"+86", b"\xff\xfe"), "UTF-8"),
    "no recipient": (b'{"id": "7c0d9a86-5c5e-4c4e-9a5c-3f4b0c7f6a10"}', "to"),
    "an empty array": (b"[]", "0 jobs"),
    "501 jobs": (body(501)[0], "501 jobs"),
    "more than 1 MiB": (body(1)[0].ljust(1024 * 1024 + 1), "bytes"),
}


@pytest.mark.parametrize("what", NO_JOBS)
async def test_what_is_no_job_is_put_aside_whole_and_unchanged(here: Installation, what: str) -> None:
    sent, reason = NO_JOBS[what]
    before = here.clock.now()
    async with here.job_queue():
        await here.publish(sent, "otp", content_type="text/x-anything", message_id="m1", headers={"tenant": "shop"})
        dead = await here.next_in(here.names.dead)
        assert dead.body == sent
        properties = dead.header.properties
        assert (properties.content_type, properties.delivery_mode) == ("text/x-anything", 2)
        headers: dict[str, Any] = properties.headers or {}
        assert reason in headers["x-reason"]
        assert before <= datetime.fromisoformat(headers["x-received-at"]) <= here.clock.now()
        assert (headers["x-routing-key"], headers["x-message-id"], headers["tenant"]) == ("otp", "m1", "shop")
        told = await here.heard.first(DeadLettered)
        assert (told.source, told.reason) == (here.names.of_category(OTP), headers["x-reason"])
    assert await here.count(here.names.of_category(OTP)) == 0


async def test_the_neighbours_of_what_is_no_job_are_unaffected(here: Installation) -> None:
    ids = []
    for number in range(20):
        good, [own] = body(1)
        ids.append(own)
        await here.publish(good if number != 10 else b"hello")
    async with here.job_queue() as queue:
        for number, expected in enumerate(ids):
            if number != 10:
                delivery = await take(queue)
                assert delivery.job.id == expected
                await queue.settle(delivery)
        assert (await here.next_in(here.names.dead)).body == b"hello"
    assert await here.count(here.names.of_category(OTP)) == 0


class MicrosecondTimestamp(Basic.Properties):
    """As a careless producer writes it."""

    def marshal(self) -> bytes:
        flags = self.flags["timestamp"] | self.flags["message_id"]
        return flags.to_bytes(2, "big") + b"\x02\xff\xfe" + (1_763_800_000_000_000).to_bytes(8, "big")


async def test_properties_nobody_can_read_do_not_cost_the_connection(here: Installation) -> None:
    async with here.job_queue() as queue:
        good, [own] = body(1)
        await here.channel.basic_publish(
            good, exchange=here.names.jobs, routing_key="otp", properties=MicrosecondTimestamp(message_id="m")
        )
        delivery = await take(queue)
        assert delivery.job.id == own
        await queue.settle(delivery)
        assert not [event for event in here.heard if not isinstance(event, DeadLettered)]
    assert await here.count(here.names.of_category(OTP)) == 0


async def test_a_body_of_500_jobs_is_500_deliveries(here: Installation) -> None:
    sent, ids = body(500)
    await here.publish(sent)
    async with here.job_queue(otp=1) as queue:
        deliveries = [await take(queue) for _ in ids]
        assert [delivery.job.id for delivery in deliveries] == ids


async def test_a_body_is_acknowledged_when_the_last_of_its_jobs_is_done_with(here: Installation) -> None:
    first, _ = body(3)
    second, [after] = body(1)
    await here.publish(first)
    await here.publish(second)
    async with here.job_queue(otp=1) as queue:
        one, two, three = [await take(queue) for _ in range(3)]
        following = asyncio.create_task(take(queue))
        await queue.settle(three)
        await queue.settle(three)
        await queue.bury(one, "a test")
        await asyncio.sleep(0.2)
        assert not following.done()
        await queue.defer(two, 0.0)
        assert (await following).job.id == after


async def test_a_slow_job_does_not_hold_up_the_acknowledgement_of_others(here: Installation) -> None:
    async with here.job_queue(otp=2) as queue:
        for _ in range(10):
            await here.publish(body(1)[0])
        slow = await take(queue)
        for _ in range(9):
            await queue.settle(await take(queue))
        await queue.settle(slow)
    assert await here.count(here.names.of_category(OTP)) == 0


async def test_everything_settled_is_acknowledged_when_close_returns(here: Installation) -> None:
    for _ in range(50):
        await here.publish(body(1)[0])
    async with here.job_queue(otp=50) as queue:
        deliveries = [await take(queue) for _ in range(50)]
        for delivery in deliveries[1:]:
            await queue.settle(delivery)
    await here.counted(here.names.of_category(OTP), 1)


async def test_more_is_asked_for_without_ending_a_consumer_whose_jobs_are_in_hand(here: Installation) -> None:
    for _ in range(50):
        await here.publish(body(1)[0])
    async with here.job_queue(otp=50) as queue:
        for _ in range(50):
            await take(queue)
        told = await here.channel.queue_declare(here.names.of_category(OTP), passive=True)
        assert (told.consumer_count or 0) > 1


async def test_what_nobody_took_goes_to_another_worker_while_the_first_still_works(here: Installation) -> None:
    array, [first, second] = body(2)
    await here.publish(array)
    singles = [body(1) for _ in range(5)]
    for sent, _ in singles:
        await here.publish(sent)
    async with here.job_queue(otp=20) as stopping:
        taken = await take(stopping)
        assert taken.job.id == first
        await asyncio.sleep(0.2)
        stopping.close_intake()
        async with here.job_queue(otp=20) as other:
            found = [(await take(other)).job.id for _ in range(len(singles) + 1)]
            assert {*found} == {second, *(own for _, [own] in singles)}
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(other.take(OTP), 0.2)  # that one is the first worker's
            await stopping.settle(taken)
            await stopping.close()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(other.take(OTP), 0.2)  # and does not come again


async def test_a_deferred_job_waits_in_its_tier_with_all_that_is_known_of_it(here: Installation) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    put = job(ref="r", traceparent=trace)
    async with here.job_queue() as queue, here.intake() as intake:
        await intake.put([put])
        await queue.defer(await take(queue), 100.0)
        waiting = await here.next_in(here.names.of_tier("60s"))
    assert waiting.routing_key == "60s.otp"
    headers: dict[str, Any] = waiting.header.properties.headers or {}
    assert headers["x-wait-ms"] == 40_000, "what is left after this tier"
    assert headers["x-deferrals"] == 1
    assert headers["x-enqueued-at"] == wire.rfc3339(put.enqueued_at)
    assert headers["traceparent"] == trace
    assert waiting.header.properties.delivery_mode == 2
    [read] = wire.decode_jobs(
        waiting.body, OTP, received_at=here.clock.now(), enqueued_at=put.enqueued_at, traceparent=trace
    )
    assert read == put


async def test_a_job_that_has_to_wait_longer_goes_to_another_tier(here: Installation) -> None:
    sent, _ = body(2)
    headers = {
        "x-wait-ms": 20_000,
        "x-deferrals": 4,
        "x-death": [{"count": 1}],
        "x-enqueued-at": "2026-01-01T00:00:00.000Z",
    }
    async with here.job_queue():
        await here.publish(sent, headers=headers)
        waiting = await here.next_in(here.names.of_tier("15s"))
    assert waiting.body == sent
    kept = dict(waiting.header.properties.headers or {})
    kept.pop("x-delivery-count", None)  # the broker's, as it hands it out: 3.10 always, 4.0 only what comes again
    assert kept == {"x-wait-ms": 5_000, "x-deferrals": 4, "x-enqueued-at": "2026-01-01T00:00:00.000Z"}
    assert await here.count(here.names.of_category(OTP)) == 0


async def test_a_job_may_wait_again_and_again_in_the_same_tier(here: Installation) -> None:
    """Up to 3.13 a broker drops what its `x-death` says it has seen before."""
    async with here.job_queue() as queue, here.intake() as intake:
        await intake.put([job()])
        for deferrals in range(3):
            delivery = await take(queue)
            assert delivery.deferrals == deferrals
            await queue.defer(delivery, 0.6)


async def test_a_long_wait_is_made_of_several_tiers(here: Installation) -> None:
    async with here.job_queue() as queue, here.intake() as intake:
        await intake.put([job()])
        since = asyncio.get_running_loop().time()
        await queue.defer(await take(queue), 2.4)
        delivery = await take(queue)
        assert delivery.deferrals == 1
        assert asyncio.get_running_loop().time() - since > 1.9


async def test_a_wait_of_millennia_is_no_error(here: Installation) -> None:
    async with here.job_queue() as queue, here.intake() as intake:
        await intake.put([job()])
        await queue.defer(await take(queue), 2.5e11)
        await here.counted(here.names.of_tier("1h"), 1)


async def test_a_buried_job_is_put_aside_with_the_reason(here: Installation) -> None:
    put = job(Category.NOTIFICATION, text="hello")
    async with here.job_queue() as queue, here.intake() as intake:
        await intake.put([put, job(Category.NOTIFICATION, enqueued_at=put.enqueued_at)])
        await queue.bury(await take(queue, Category.NOTIFICATION), "handling it raised KeyError")
        dead = await here.next_in(here.names.dead)
    [fields] = json.loads(dead.body)
    assert (fields["id"], fields["text"]) == (str(put.id), "hello")
    headers: dict[str, Any] = dead.header.properties.headers or {}
    assert headers["x-reason"] == "handling it raised KeyError"
    assert headers["x-routing-key"] == "notification"
    assert headers["x-enqueued-at"] == wire.rfc3339(put.enqueued_at)
    assert [event.source for event in here.heard if isinstance(event, DeadLettered)] == [
        here.names.of_category(Category.NOTIFICATION)
    ]


async def test_each_category_has_its_own_prefetch(here: Installation) -> None:
    for _ in range(5):
        await here.publish(body(1)[0], "otp")
        await here.publish(body(1)[0], "promotion")
    async with here.job_queue(otp=3, promotion=1) as queue:
        await take(queue)
        await take(queue, Category.PROMOTION)
        await here.counted(here.names.of_category(OTP), 2)
        await here.counted(here.names.of_category(Category.PROMOTION), 4)


async def many_small_then_large(here: Installation, queue: RabbitJobQueue) -> list[tuple[bytes, list[UUID]]]:
    """Work off so many small bodies that many are sent at once, and publish large ones; these."""
    small, large = [body(1) for _ in range(170)], [body(1) for _ in range(40)]
    for sent, _ in small:
        await here.publish(sent)
    for _ in small:
        await queue.settle(await take(queue))
    for sent, _ in large:
        await here.publish(sent.ljust(wire.MAX_BODY_BYTES))
    return large


async def test_jobs_of_large_bodies_are_all_handed_out_while_little_of_them_is_held(here: Installation) -> None:
    async with here.job_queue(otp=300) as queue:
        large = await many_small_then_large(here, queue)
        fitting = ROOM // wire.MAX_BODY_BYTES - 1  # beside their properties
        await here.counted(here.names.of_category(OTP), len(large) - fitting)
        expected = {own for _, [own] in large}
        while expected:
            delivery = await take(queue)
            expected.remove(delivery.job.id)
            await queue.settle(delivery)
    assert await here.count(here.names.of_category(OTP)) == 0
    assert await here.count(here.names.dead) == 0


async def test_what_has_to_go_back_does_so_when_the_worker_stops_meanwhile(here: Installation) -> None:
    async with here.job_queue(otp=300) as queue:
        large = await many_small_then_large(here, queue)
        await take(queue)
        queue.close_intake()
        await here.counted(here.names.of_category(OTP), len(large) - 1)
    await here.counted(here.names.of_category(OTP), len(large))
