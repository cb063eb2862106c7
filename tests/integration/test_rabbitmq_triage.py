"""Jobs that a crash loop dragged along go back on their own; what ends every worker is put aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.rabbitmq.headers import last_queue
from adapters.rabbitmq.topology import DELIVERY_LIMIT
from adapters.rabbitmq.triage import MAX_REDRIVES, Triage
from adapters.wire import encode_jobs
from engine.events import DeadLettered, Redriven
from engine.message import Category
from tests.rabbitmq_setup import SOON_S, Installation, installation, job

OTP = Category.OTP
REST_S = 0.001


@pytest.fixture
async def here(amqp_url: str) -> AsyncIterator[Installation]:
    async with installation(amqp_url) as prepared:
        yield prepared


@asynccontextmanager
async def triage(here: Installation) -> AsyncIterator[None]:
    async with here.publisher() as publisher:
        working = Triage(here.url, here.prefix, publisher, here.clock, here.heard, REST_S)
        await working.open()
        try:
            yield
        finally:
            await working.close()


async def handed_out_too_often(here: Installation, body: bytes, **headers: Any) -> None:
    queue = here.names.of_category(OTP)
    await here.publish(body, headers=headers)
    for _ in range(DELIVERY_LIMIT + 1):
        await here.look_at_next_in(queue)


async def test_the_broker_takes_what_ended_worker_after_worker_to_triage(here: Installation) -> None:
    await handed_out_too_often(here, b"body", tenant="shop")
    sorted_out = await here.next_in(here.names.triage)
    assert sorted_out.body == b"body"
    assert (sorted_out.header.properties.headers or {})["tenant"] == "shop"
    assert last_queue(sorted_out.header.properties) == here.names.of_category(OTP)


async def test_each_job_of_a_body_is_tried_again_on_its_own_as_it_was(here: Installation) -> None:
    sent = [job(OTP) for _ in range(3)]
    await handed_out_too_often(here, encode_jobs(sent), traceparent="00-11-22-01")
    async with triage(here), here.job_queue(otp=10) as queue:
        again = {}
        async with asyncio.timeout(SOON_S):
            while len(again) < len(sent):
                delivery = await queue.take(OTP)
                assert delivery
                again[delivery.job.id] = delivery.job
                await queue.settle(delivery)
        assert {each.id: each.to for each in again.values()} == {each.id: each.to for each in sent}
        assert {each.traceparent for each in again.values()} == {"00-11-22-01"}
        told = await here.heard.first(Redriven)
        assert told == Redriven(here.names.of_category(OTP), 3)
    for queue_name in (here.names.triage, here.names.dead, here.names.of_category(OTP)):
        assert await here.count(queue_name) == 0


async def test_what_ends_workers_again_and_again_is_put_aside_whole_with_the_reason(here: Installation) -> None:
    body = encode_jobs([job(OTP)])
    await handed_out_too_often(here, body, **{"x-redrives": MAX_REDRIVES})
    async with triage(here):
        dead = await here.next_in(here.names.dead)
        headers = dead.header.properties.headers or {}
        assert dead.body == body
        assert headers["x-reason"] == f"its workers ended {MAX_REDRIVES + 1} times over before it was done"
        assert headers["x-routing-key"] == OTP
        assert (await here.heard.first(DeadLettered)).source == here.names.of_category(OTP)
    assert await here.count(here.names.triage) == 0


@pytest.mark.parametrize("body", [b"no job", b"[]"])
async def test_what_is_no_job_is_put_aside(here: Installation, body: bytes) -> None:
    await here.channel.basic_publish(body, routing_key=here.names.triage)
    async with triage(here):
        assert (await here.next_in(here.names.dead)).body == body


async def test_redrives_are_counted(here: Installation) -> None:
    await handed_out_too_often(here, encode_jobs([job(OTP)]), **{"x-redrives": 2})
    async with triage(here):
        again = await here.next_in(here.names.of_category(OTP))
        assert (again.header.properties.headers or {})["x-redrives"] == 3
