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
    from datetime import datetime

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
    pool = Worker(queue, defect, defect, CLOCK, {Category.OTP: 1})
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


@dataclass
class Slow:
    """A clock that shows every round of the loop as long, and what was handled meanwhile."""

    round_s: float
    elapsed: float = 0.0
    handled: list[Category] = field(default_factory=list)

    def now(self) -> datetime:
        return CLOCK.now()

    def monotonic(self) -> float:
        self.elapsed += self.round_s
        return self.elapsed

    async def __call__(self, delivery: Delivery) -> None:
        self.handled.append(delivery.job.category)
        await asyncio.sleep(0)

    def emit(self, event: Event) -> None: ...


async def handled(round_s: float, *categories: Category) -> list[Category]:
    """In which order a pool handles jobs of these categories, while its loop takes so long for each round."""
    queue, slow = MemoryJobQueue(CLOCK), Slow(round_s)
    await queue.put([job()._replace(id=uuid4(), category=category) for category in categories])
    pool: Any = Worker(queue, slow, slow, slow, {Category.PROMOTION: 1, Category.OTP: 1})  # type: ignore[arg-type]
    working = asyncio.create_task(pool.run())
    while len(slow.handled) < len(categories):
        await asyncio.sleep(0)
    queue.close_intake()
    await working
    return slow.handled


MIXED = [Category.PROMOTION, Category.PROMOTION, Category.OTP, Category.OTP, Category.OTP]


async def test_promotions_give_way_to_codes_while_the_loop_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "REST_S", 0.001)
    first, *others = await handled(0.01, *MIXED)  # nobody knew of the codes when the first was taken
    assert (first, others) == (Category.PROMOTION, [Category.OTP] * 3 + [Category.PROMOTION])


async def test_promotions_are_taken_beside_codes_while_the_loop_keeps_up() -> None:
    assert (await handled(0.0001, *MIXED))[:4].count(Category.PROMOTION) == 2


async def test_promotions_do_not_rest_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "REST_S", 0.0)
    monkeypatch.setattr(worker, "URGENT_S", 1e9)
    assert Category.PROMOTION in (await handled(0.01, Category.OTP, Category.PROMOTION))
