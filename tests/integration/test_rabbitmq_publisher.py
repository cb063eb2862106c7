"""What a confirm means, and what is raised without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.rabbitmq import headers
from adapters.rabbitmq.connection import open_channel
from adapters.rabbitmq.headers import Slip
from adapters.rabbitmq.intake import RabbitJobIntake
from adapters.rabbitmq.publisher import Publisher, RefusedError, UnconfirmedError
from adapters.rabbitmq.topology import declare
from engine.events import ServerAway, ServerBack
from engine.message import Category
from tests.rabbitmq_setup import SOON_S, Installation, installation, job


@pytest.fixture
async def here(amqp_url: str) -> AsyncIterator[Installation]:
    async with installation(amqp_url) as prepared:
        yield prepared


async def test_a_message_without_a_queue_is_refused_at_once_and_its_neighbours_are_not(here: Installation) -> None:
    async with here.publisher() as publisher:

        async def publish(key: str) -> str | None:
            try:
                await publisher.publish_within(SOON_S, here.names.jobs, key, b"{}", headers.of_jobs(Slip()))
            except RefusedError as error:
                return str(error)
            return None

        outcomes = await asyncio.gather(*map(publish, ["otp", "nowhere"] * 50))
    assert outcomes[::2] == [None] * 50
    assert set(outcomes[1::2]) == {
        f"RabbitMQ has no queue for 'nowhere' of {here.names.jobs!r}: run `sms-engine init`."
    }
    await here.counted(here.names.of_category(Category.OTP), 50)


async def test_a_message_that_must_get_through_waits_for_its_queue(here: Installation) -> None:
    for queue in (here.names.callback, here.names.record):
        await here.channel.queue_unbind(queue, here.names.receipts, "#")
    async with here.publisher() as publisher:
        publishing = asyncio.create_task(
            publisher.publish(here.names.receipts, "default", b"[]", headers.of_receipts())
        )
        told = await here.heard.first(ServerAway, server="rabbitmq publish")
        assert "sms-engine init" in told.error
        await publisher.publish(here.names.jobs, "otp", b"{}", headers.of_jobs(Slip()))
        assert publisher.outage.away
        await declare(here.channel, here.prefix)
        await asyncio.wait_for(publishing, SOON_S)
        await here.heard.first(ServerBack, server="rabbitmq publish")
    await here.counted(here.names.record, 1)


async def test_a_missing_exchange_is_named_with_the_remedy(here: Installation) -> None:
    await here.channel.exchange_delete(here.names.jobs)
    async with here.publisher() as publisher:
        with pytest.raises(UnconfirmedError, match="sms-engine init"):
            await RabbitJobIntake(publisher, here.prefix).put([job()])
        await declare(here.channel, here.prefix)
        await RabbitJobIntake(publisher, here.prefix).put([job()])


@pytest.fixture
async def full(here: Installation) -> AsyncIterator[str]:
    """A queue that soon takes no more."""
    queue = f"{here.prefix}.full"
    limited = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
    await here.channel.queue_declare(queue, durable=True, arguments=limited)
    yield queue
    await here.channel.queue_delete(queue)


async def fill(publisher: Publisher, queue: str) -> None:
    for _ in range(10):  # a quorum queue refuses only once it has gone over its length
        await publisher.publish_within(SOON_S, "", queue, b"{}", headers.of_jobs(Slip()))


async def test_a_full_queue_is_an_error_for_the_producer(here: Installation, full: str) -> None:
    async with here.publisher() as publisher:
        with pytest.raises(RefusedError, match="takes no more"):
            await fill(publisher, full)


async def test_after_a_refusal_messages_take_another_channel_and_those_under_way_are_not_repeated(
    here: Installation, full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    async def noted(*args: Any, **named: Any) -> Any:
        opened.append(await open_channel(*args, **named))
        return opened[-1]

    monkeypatch.setattr("adapters.rabbitmq.publisher.open_channel", noted)
    published = 0
    async with here.publisher() as publisher, asyncio.timeout(SOON_S):
        with pytest.raises(RefusedError):
            await fill(publisher, full)
        refused = asyncio.create_task(publisher.publish("", full, b"{}", headers.of_jobs(Slip())))
        while len(opened) < 3:
            jobs = [publisher.publish(here.names.jobs, "otp", b"{}", headers.of_jobs(Slip())) for _ in range(20)]
            await asyncio.gather(*jobs)
            published += 20
        refused.cancel()
    await here.counted(here.names.of_category(Category.OTP), published)


async def test_jobs_of_many_kinds_are_confirmed_together(here: Installation) -> None:
    async with here.intake() as intake:
        await intake.put([job(category, account=str(number)) for number in range(400) for category in Category])
    for category in Category:
        assert await here.count(here.names.of_category(category)) >= 1
