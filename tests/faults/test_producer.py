"""Producers repeat themselves: by design, or because a confirm was lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from adapters.rabbitmq.producer import Producer
from tests.faults.jobs import job, number, some_jobs
from tests.faults.proxy import Way, proxy

if TYPE_CHECKING:
    from tests.faults.conftest import Row


@pytest.mark.fault("one job enqueued 100 times", short=True)
async def test_a_job_enqueued_a_hundred_times_is_sent_once(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(latency_s=0.3)
        await lab.start()
        repeated = [job(number(position)) for position in range(5)]
        with lab.fault():
            async with asyncio.TaskGroup() as group:
                for _ in range(5):
                    group.create_task(_repeat(lab.servers.rabbit.url, lab.prefix, [each.fields() for each in repeated]))
        await lab.send(repeated)
        findings = await row.holds(lab)
        assert len(lab.carrier_accepts()) == findings.jobs == 5


async def _repeat(url: str, prefix: str, jobs: list) -> None:
    async with Producer(url, prefix=prefix) as producer:
        for _ in range(20):
            for each in jobs:
                await producer.send(**each)


@pytest.mark.fault("producer: confirms lost")
async def test_jobs_sent_again_after_a_lost_confirm_are_sent_once(row: Row) -> None:
    async with row.lab() as lab, proxy(lab.servers.rabbit.port) as way:
        await lab.start()
        sending = asyncio.create_task(
            lab.send(some_jobs(300, lab.rng), rate=100, url=way.before(lab.servers.rabbit.url))
        )
        with lab.fault():
            for _ in range(10):
                way.cut_after(lab.rng.randint(1, 300), Way.DOWN)
                await asyncio.sleep(0.2)
        await sending
        assert (await row.holds(lab)).unknown == 0
