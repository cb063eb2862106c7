"""Connections that end, hang or were never there: nothing is lost, nothing of the old is believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.outage import Outage
from adapters.rabbitmq import connection
from adapters.rabbitmq.consumer import Consumer
from adapters.rabbitmq.deliveries import Arrival
from adapters.rabbitmq.intake import RabbitJobIntake
from adapters.rabbitmq.job_queue import RabbitJobQueue
from adapters.rabbitmq.publisher import UnconfirmedError
from adapters.rabbitmq.receipts import RabbitReceiptPublisher
from adapters.rabbitmq.subscription import ACK_AFTER_S, Subscription
from adapters.rabbitmq.topology import declare
from adapters.wire import encode_jobs
from engine.events import ServerAway, ServerBack
from engine.message import Category
from engine.ports import Delivery
from tests.rabbitmq_setup import SOON_S, Installation, Wire, installation, job, receipt, wire

OTP = Category.OTP


@pytest.fixture
async def here(amqp_url: str) -> AsyncIterator[Installation]:
    async with installation(amqp_url) as prepared:
        yield prepared


@pytest.fixture
async def between(amqp_url: str) -> AsyncIterator[Wire]:
    async with wire(amqp_url) as pipe:
        yield pipe


async def take(queue: RabbitJobQueue, category: Category = OTP) -> Delivery:
    delivery = await asyncio.wait_for(queue.take(category), SOON_S)
    assert delivery
    return delivery


async def test_jobs_in_hand_come_again_and_their_old_acknowledgements_do_no_harm(
    here: Installation, between: Wire
) -> None:
    jobs = [job() for _ in range(10)]
    async with here.intake() as intake, here.job_queue(between.url) as queue:
        await intake.put(jobs[:1])
        first = await take(queue)
        await intake.put(jobs[1:])
        between.cut()
        await here.heard.first(ServerBack, server="rabbitmq jobs")
        again = [await take(queue) for _ in jobs]
        assert {delivery.job.id for delivery in again} == {each.id for each in jobs}
        await queue.settle(first)  # tag 1 of the old channel, which is also a tag of the new one
        kept, *others = again
        for delivery in others:
            await queue.settle(delivery)
    await here.counted(here.names.of_category(OTP), 1)
    assert kept.job.id in {each.id for each in jobs}


async def test_what_waited_for_a_taker_is_not_handed_out_twice(here: Installation, between: Wire) -> None:
    jobs = [job() for _ in range(10)]
    async with here.intake() as intake, here.job_queue(between.url) as queue:
        await intake.put(jobs)
        await here.counted(here.names.of_category(OTP), 0)
        between.cut()
        await here.heard.first(ServerBack, server="rabbitmq jobs")
        assert {(await take(queue)).job.id for _ in jobs} == {each.id for each in jobs}
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.take(OTP), 0.2)


async def test_a_job_can_be_deferred_over_a_broker_that_is_away(here: Installation, between: Wire) -> None:
    async with here.intake() as intake, here.job_queue(publisher_url=between.url) as queue:
        await intake.put([job()])
        delivery = await take(queue)
        between.down()
        await here.heard.first(ServerAway, server="rabbitmq publish")
        deferring = asyncio.create_task(queue.defer(delivery, 0.0))
        await asyncio.sleep(0.1)
        assert not deferring.done()
        await between.up()
        await asyncio.wait_for(deferring, SOON_S)
        assert (await take(queue)).deferrals == 1


async def test_receipts_are_published_through_one_cut_after_another(here: Installation, between: Wire) -> None:
    receipts = [receipt() for _ in range(300)]
    async with here.publisher(between.url) as publisher, here.feed() as feed:
        outgoing = RabbitReceiptPublisher(publisher, here.prefix)

        async def publish_some(part: int) -> None:
            for each in receipts[part::10]:
                await outgoing.publish(each)

        publishing = asyncio.gather(*map(publish_some, range(10)))
        for _ in range(3):
            await asyncio.sleep(0.05)
            between.cut()
        await asyncio.wait_for(publishing, SOON_S)
        found = set()
        async with asyncio.timeout(SOON_S):
            while len(found) < len(receipts):
                batch = await feed.next_batch()
                assert batch
                found |= {each.job for each in batch.receipts}
                await batch.settle()
    assert found == {each.job for each in receipts}
    assert between.connections > 1


async def test_a_broker_that_is_not_there_yet_is_waited_for(here: Installation, between: Wire) -> None:
    between.down()
    async with (
        here.job_queue(between.url, publisher_url=between.url) as queue,
        here.publisher(between.url) as publisher,
    ):
        await here.heard.first(ServerAway, server="rabbitmq jobs")
        await here.heard.first(ServerAway, server="rabbitmq publish")
        assert queue.outage.away
        assert publisher.outage.away
        await between.up()
        await here.heard.first(ServerBack, server="rabbitmq jobs")
        await here.heard.first(ServerBack, server="rabbitmq publish")
        await RabbitJobIntake(publisher, here.prefix).put([job()])
        await queue.settle(await take(queue))
        assert not queue.outage.away


async def test_an_outage_is_told_once_and_without_the_password(here: Installation, between: Wire) -> None:
    between.down()
    async with here.job_queue(between.url.replace("guest:guest", "guest:secret")):
        await here.heard.first(ServerAway, server="rabbitmq jobs")
        await asyncio.sleep(0.5)
        told = [event for event in here.heard if isinstance(event, ServerAway) and event.server == "rabbitmq jobs"]
        assert len(told) == 1
        assert "secret" not in told[0].error


async def test_a_wrong_password_is_named_as_what_it_is(here: Installation) -> None:
    async with here.job_queue(here.url.replace("guest:guest", "guest:wrong")):
        told = await here.heard.first(ServerAway, server="rabbitmq jobs")
    assert "Authentication" in told.error


async def test_jobs_that_cannot_be_put_in_time_are_refused_with_an_error(here: Installation, between: Wire) -> None:
    between.down()
    async with here.intake(between.url, confirm_within_s=0.2) as intake:
        with pytest.raises(ConnectionError, match="could not be reached"):
            await intake.put([job()])


async def test_nobody_waits_for_ever_for_a_confirm_that_does_not_come(here: Installation, between: Wire) -> None:
    async with here.publisher(between.url) as publisher:
        await RabbitJobIntake(publisher, here.prefix, confirm_within_s=SOON_S).put([job()])
        between.hold()
        with pytest.raises(UnconfirmedError):
            await RabbitJobIntake(publisher, here.prefix, confirm_within_s=0.3).put([job()])
        between.cut()


async def test_a_connection_that_dies_without_a_word_is_replaced(
    here: Installation, between: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEARTBEAT_S", 1)
    async with here.intake() as intake, here.job_queue(between.url) as queue:
        await intake.put([job()])
        await queue.settle(await take(queue))
        between.hold()
        await here.heard.first(ServerBack, server="rabbitmq jobs")
        await intake.put([job()])
        await queue.settle(await take(queue))


async def test_a_consumer_that_the_broker_ended_is_reported_and_built_again(here: Installation) -> None:
    promotions = here.names.of_category(Category.PROMOTION)
    async with here.intake() as intake, here.job_queue() as queue:
        await intake.put([job(Category.PROMOTION)])
        await queue.settle(await take(queue, Category.PROMOTION))
        await here.channel.queue_delete(promotions)
        told = await here.heard.first(ServerAway, server="rabbitmq jobs")
        assert promotions in told.error
        assert "sms-engine init" in told.error
        await declare(here.channel, here.prefix)
        await here.heard.first(ServerBack, server="rabbitmq jobs")
        for category in (Category.PROMOTION, OTP):
            await intake.put([job(category)])
            await queue.settle(await take(queue, category))


def recording(here: Installation, arrived: asyncio.Queue[Subscription]) -> Consumer:
    """A consumer that settles everything and looks for itself all the time."""

    def receive(message: Arrival, subscription: Subscription) -> None:
        subscription.settle(message.tag)
        arrived.put_nowait(subscription)

    outage = Outage("rabbitmq record", here.clock, here.heard)
    return Consumer(
        here.url, here.prefix, {here.names.record: 10}, receive, forget=lambda: None, outage=outage, look_every_s=0.1
    )


async def test_a_consumer_that_the_broker_forgot_is_noticed_and_built_again(here: Installation) -> None:
    arrived: asyncio.Queue[Subscription] = asyncio.Queue()
    consumer = recording(here, arrived)
    consumer.open()
    await here.publish(b"[]", "default", here.names.receipts)
    first = await asyncio.wait_for(arrived.get(), SOON_S)
    await first.stop()  # which the broker does without a word to us
    await here.publish(b"[]", "default", here.names.receipts)
    assert await asyncio.wait_for(arrived.get(), SOON_S) is not first
    await consumer.close()


async def test_a_stopped_consumer_is_not_built_again(here: Installation) -> None:
    arrived: asyncio.Queue[Subscription] = asyncio.Queue()
    consumer = recording(here, arrived)
    consumer.open()
    await here.publish(b"[]", "default", here.names.receipts)
    await asyncio.wait_for(arrived.get(), SOON_S)
    await consumer.stop()
    await asyncio.sleep(0.5)
    assert not [event for event in here.heard if isinstance(event, ServerAway)]
    await consumer.close()
    assert await here.count(here.names.record) == 0


@pytest.mark.parametrize("way", ["defer", "bury", "put aside"])
async def test_what_leaves_a_queue_stays_in_it_until_the_broker_has_it_elsewhere(
    here: Installation, between: Wire, way: str
) -> None:
    between.down()
    async with here.job_queue(publisher_url=between.url) as queue:
        if way == "put aside":
            await here.publish(b"no job")
            leaving = asyncio.create_task(asyncio.sleep(0))
        else:
            await here.publish(encode_jobs([job()]))
            delivery = await take(queue)
            leaving = asyncio.create_task(queue.defer(delivery, 5) if way == "defer" else queue.bury(delivery, "why"))
        await here.heard.first(ServerAway, server="rabbitmq publish")
        await asyncio.sleep(10 * ACK_AFTER_S)
        leaving.cancel()
    await here.counted(here.names.of_category(OTP), 1)
