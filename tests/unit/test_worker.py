"""What a defect of ours does to the job that meets it, and to the pool."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from adapters.clock import SystemClock
from adapters.memory.job_queue import MemoryJobQueue
from engine import worker
from engine.message import Category, Job
from engine.worker import MAX_CRASHES, Worker

if TYPE_CHECKING:
    from engine.events import Event
    from engine.ports import Delivery

CLOCK = SystemClock()


@dataclass
class Defect:
    """Handling any job raises; so many others were good before it."""

    handled: list[Delivery] = field(default_factory=list)

    async def __call__(self, delivery: Delivery) -> None:
        self.handled.append(delivery)
        raise ZeroDivisionError

    def emit(self, event: Event) -> None: ...


def job() -> Job:
    return Job(uuid4(), "+8613800000000", Category.OTP, CLOCK.now())


async def run(queue: MemoryJobQueue, defect: Any) -> None:
    pool = Worker(queue, defect, defect, {Category.OTP: 1})
    working = asyncio.create_task(pool.run())
    while not queue.buried:
        await asyncio.sleep(0)
    queue.close_intake()
    await working


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "CRASH_DELAY_S", 0.0)


async def test_a_job_is_put_aside_once_it_crashed_so_often() -> None:
    queue, defect = MemoryJobQueue(CLOCK), Defect()
    await queue.put([job()])
    await run(queue, defect)
    assert len(defect.handled) == MAX_CRASHES
    assert queue.buried[0].reason == "handling it raised ZeroDivisionError"


async def test_waiting_is_no_crash() -> None:
    queue, defect = MemoryJobQueue(CLOCK), Defect()
    await queue.put([job()])
    await queue.defer(replace(await _taken(queue), deferrals=1000), 0.0)
    await run(queue, defect)
    assert len(defect.handled) == MAX_CRASHES


async def _taken(queue: MemoryJobQueue) -> Delivery:
    delivery = await queue.take(Category.OTP)
    assert delivery
    return delivery
