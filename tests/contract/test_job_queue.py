"""What every queue of jobs promises, whether in this process or on a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from adapters.clock import SystemClock
from adapters.memory.job_queue import MemoryJobQueue
from engine.message import Category, Job
from engine.ports import Delivery, JobIntake, JobQueue
from tests.rabbitmq_setup import SOON_S, installation, job


@dataclass(frozen=True)
class Queue:
    queue: JobQueue
    intake: JobIntake

    async def take(self, category: Category = Category.OTP) -> Delivery:
        delivery = await asyncio.wait_for(self.queue.take(category), SOON_S)
        assert delivery
        return delivery

    async def take_all(self, count: int, category: Category = Category.OTP) -> list[Job]:
        return [(await self.take(category)).job for _ in range(count)]


@pytest.fixture(params=["memory", "rabbitmq"])
async def queue(request: pytest.FixtureRequest) -> AsyncIterator[Queue]:
    if request.param == "memory":
        memory = MemoryJobQueue(SystemClock())
        yield Queue(memory, memory)
        await memory.close()
    else:
        async with (
            installation(request.getfixturevalue("amqp_url")) as here,
            here.job_queue() as queue,
            here.intake() as intake,
        ):
            yield Queue(queue, intake)


async def test_jobs_come_once_each_and_in_the_order_they_were_put(queue: Queue) -> None:
    jobs = [job() for _ in range(30)]
    await queue.intake.put(jobs)
    assert await queue.take_all(30) == jobs
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.queue.take(Category.OTP), 0.1)


async def test_a_job_arrives_with_everything_it_was_put_with(queue: Queue) -> None:
    now = SystemClock().now()
    full = job(
        Category.NOTIFICATION,
        enqueued_at=now - timedelta(minutes=1),
        signature="验证",
        template="SMS_1",
        params={"name": "值"},
        text=None,
        account="shop",
        ref="order 1",
        extend="07",
        not_before=now - timedelta(seconds=3),
        expires_at=now + timedelta(hours=1),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    await queue.intake.put([full])
    delivery = await queue.take(Category.NOTIFICATION)
    assert delivery.job == full
    assert delivery.deferrals == 0


async def test_jobs_of_every_category_and_account_can_be_put_at_once(queue: Queue) -> None:
    jobs = [job(category, account=account) for category in Category for account in ("a", "b")]
    await queue.intake.put(jobs)
    for category in Category:
        assert await queue.take_all(2, category) == [each for each in jobs if each.category is category]


async def test_a_backlog_of_one_category_does_not_delay_another(queue: Queue) -> None:
    await queue.intake.put([job(Category.PROMOTION) for _ in range(600)])
    urgent = job(Category.OTP)
    taking = asyncio.create_task(queue.take(Category.OTP))
    await queue.take(Category.PROMOTION)
    assert not taking.done()
    await queue.intake.put([urgent])
    assert (await taking).job == urgent


async def test_each_job_goes_to_one_of_many_takers(queue: Queue) -> None:
    jobs = [job() for _ in range(200)]
    taking = [asyncio.create_task(queue.take()) for _ in jobs]
    await queue.intake.put(jobs)
    deliveries = await asyncio.gather(*taking)
    assert {delivery.job.id for delivery in deliveries} == {each.id for each in jobs}


async def test_a_taker_that_gives_up_takes_no_job_with_it(queue: Queue) -> None:
    waiting = asyncio.create_task(queue.queue.take(Category.OTP))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await queue.intake.put([job()])
    await queue.take()


async def test_a_settled_job_does_not_come_again(queue: Queue) -> None:
    first, second = job(), job()
    await queue.intake.put([first])
    await queue.queue.settle(await queue.take())
    await queue.intake.put([second])
    assert (await queue.take()).job == second


async def test_a_job_deferred_for_no_time_comes_again_unchanged_with_its_deferrals_counted(queue: Queue) -> None:
    put = job(account="shop", traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    await queue.intake.put([put])
    for deferrals in range(3):
        delivery = await queue.take()
        assert (delivery.job, delivery.deferrals) == (put, deferrals)
        await queue.queue.defer(delivery, 0.0)
    assert (await queue.take()).deferrals == 3


async def test_how_often_a_job_crashed_is_known_after_every_wait(queue: Queue) -> None:
    await queue.intake.put([job()])
    await queue.queue.defer(replace(await queue.take(), crashes=2), 0.0)
    await queue.queue.defer(await queue.take(), 0.0)
    again = await queue.take()
    assert (again.crashes, again.deferrals) == (2, 2)


async def test_a_deferred_job_does_not_come_before_its_time(queue: Queue) -> None:
    await queue.intake.put([job(), job()])
    patient, next_one = await queue.take(), await queue.take()
    since = asyncio.get_running_loop().time()
    await queue.queue.defer(patient, 1.0)
    await queue.queue.defer(next_one, 0.0)
    assert (await queue.take()).job == next_one.job
    again = await queue.take()
    assert (again.job, again.deferrals) == (patient.job, 1)
    assert asyncio.get_running_loop().time() - since > 0.9


async def test_a_buried_job_does_not_come_again(queue: Queue) -> None:
    second = job()
    await queue.intake.put([job()])
    await queue.queue.bury(await queue.take(), "handling it raised KeyError")
    await queue.intake.put([second])
    assert (await queue.take()).job == second


async def test_close_intake_sends_every_taker_home_and_whoever_asks_later(queue: Queue) -> None:
    takers = [asyncio.create_task(queue.queue.take(category)) for category in Category for _ in range(5)]
    await asyncio.sleep(0)
    queue.queue.close_intake()
    assert set(await asyncio.wait_for(asyncio.gather(*takers), SOON_S)) == {None}
    assert await asyncio.wait_for(queue.queue.take(Category.OTP), SOON_S) is None


async def test_close_intake_hands_out_nothing_that_waited(queue: Queue) -> None:
    await queue.intake.put([job() for _ in range(10)])
    taken = await queue.take()
    queue.queue.close_intake()
    assert await asyncio.wait_for(queue.queue.take(Category.OTP), SOON_S) is None
    await queue.queue.settle(taken)
