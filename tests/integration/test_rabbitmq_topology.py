"""What `init` declares, and what a worker says where it is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiormq.exceptions import ChannelPreconditionFailed

from adapters.outage import NotPreparedError
from adapters.rabbitmq.connection import connected, open_channel
from adapters.rabbitmq.topology import DELIVERY_LIMIT, TIERS, Names, declare, verify
from engine.events import ServerAway, ServerBack
from engine.message import Category
from tests.rabbitmq_setup import Installation, installation, job


@pytest.fixture
async def here(amqp_url: str) -> AsyncIterator[Installation]:
    async with installation(amqp_url) as prepared:
        yield prepared


async def test_init_may_run_again(here: Installation) -> None:
    await here.publish(b"kept")
    await declare(here.channel, here.prefix)
    await verify(here.channel, here.prefix)
    assert await here.count(here.names.of_category(Category.OTP)) == 1


async def test_init_says_what_stands_in_its_way(here: Installation) -> None:
    queue = here.names.of_category(Category.PROMOTION)
    await here.channel.queue_delete(queue)
    await here.channel.queue_declare(queue, durable=True)
    with pytest.raises(NotPreparedError, match=f"{queue} with other settings") as caught:
        await declare(here.channel, here.prefix)
    assert "\n" not in str(caught.value)


def everything(names: Names) -> list[str]:
    return [*names.exchanges, *names.queues]


@pytest.mark.parametrize("name", [name.removeprefix("p.") for name in everything(Names("p"))])
async def test_whatever_is_missing_is_named_with_the_remedy(here: Installation, name: str) -> None:
    missing = f"{here.prefix}.{name}"
    if missing in here.names.queues:
        await here.channel.queue_delete(missing)
    else:
        await here.channel.exchange_delete(missing)
    with pytest.raises(NotPreparedError) as caught:
        await verify(here.channel, here.prefix)
    assert str(caught.value) == f"RabbitMQ has no {missing}: run `sms-engine init`."
    async with connected(here.url, "again") as connection:
        await declare(await open_channel(connection), here.prefix)
        await verify(await open_channel(connection), here.prefix)


async def test_a_worker_waits_for_init_and_says_so(here: Installation) -> None:
    missing = here.names.of_category(Category.OTP)
    await here.channel.queue_delete(missing)
    async with here.job_queue() as queue, here.intake() as intake:
        away = await here.heard.first(ServerAway, server="rabbitmq jobs")
        assert away.error == f"RabbitMQ has no {missing}: run `sms-engine init`."
        assert queue.outage.away
        await declare(here.channel, here.prefix)
        await here.heard.first(ServerBack, server="rabbitmq jobs")
        await intake.put([job()])
        assert await queue.take(Category.OTP)


@pytest.mark.parametrize("key", ["otp", "1s.otp"])
async def test_both_new_and_returning_jobs_reach_the_queue_of_their_category(here: Installation, key: str) -> None:
    await here.publish(b"{}", key)
    assert (await here.next_in(here.names.of_category(Category.OTP))).routing_key == key


async def test_every_tier_hands_its_jobs_back_to_the_category_they_came_from(here: Installation) -> None:
    for category in Category:
        await here.publish(category.encode(), f"1s.{category}", here.names.delay)
    for category in Category:
        back = await here.next_in(here.names.of_category(category))
        assert (back.body, back.routing_key) == (category.encode(), f"1s.{category}")


@pytest.mark.parametrize("tier", TIERS)
async def test_a_job_waits_in_the_queue_of_its_tier(here: Installation, tier: str) -> None:
    await here.publish(b"{}", f"{tier}.notification", here.names.delay)
    await here.counted(here.names.of_tier(tier), 1)


async def test_dead_letters_survive_being_looked_at_for_ever(here: Installation) -> None:
    await here.channel.basic_publish(b"dead", routing_key=here.names.dead)
    for _ in range(DELIVERY_LIMIT + 1):
        await here.look_at_next_in(here.names.dead)
    await here.counted(here.names.dead, 1)


@pytest.mark.parametrize("queue", ["jobs.otp", "delay.1s", "callback", "record"])
async def test_a_queue_keeps_a_message_until_the_next_one_has_it(here: Installation, queue: str) -> None:
    """Seen by what the broker says to somebody who would have it otherwise."""
    limit = 1_000_000 if queue.startswith("delay") else DELIVERY_LIMIT
    other = {"x-queue-type": "quorum", "x-delivery-limit": limit, "x-overflow": "reject-publish"}
    if queue.startswith("delay"):
        other |= {"x-message-ttl": 1000, "x-dead-letter-exchange": here.names.jobs}
    else:
        put_aside = here.names.triage if queue.startswith("jobs") else here.names.dead
        other |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": put_aside}
    name = f"{here.prefix}.{queue}"
    async with connected(here.url, "somebody else") as connection:
        channel = await open_channel(connection)
        with pytest.raises(ChannelPreconditionFailed, match=r"x-dead-letter-strategy.*at-least-once"):
            await channel.queue_declare(
                name, durable=True, arguments=other | {"x-dead-letter-strategy": "at-most-once"}
            )
        channel = await open_channel(connection)
        await channel.queue_declare(name, durable=True, arguments=other | {"x-dead-letter-strategy": "at-least-once"})


async def test_every_account_reaches_the_callback_and_the_record(here: Installation) -> None:
    for account in ("default", "shop.berlin", "", "账户"):
        await here.publish(b"[]", account, here.names.receipts)
    await here.counted(here.names.callback, 4)
    await here.counted(here.names.record, 4)
