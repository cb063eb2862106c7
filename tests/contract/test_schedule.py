"""What every schedule promises, in this process or in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from uuid import uuid4

import pytest

from adapters.clock import SystemClock
from adapters.memory.schedule import MemorySchedule
from adapters.postgres.schedule import PostgresSchedule
from adapters.postgres.store import PostgresMessageStore
from engine.message import Category, Job
from engine.ports import Schedule
from tests.integration.postgres_database import Listener, new_database, now

HOUR = timedelta(hours=1)


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    with new_database(postgres_url, ready=True) as dsn:
        yield dsn


@pytest.fixture(params=["memory", "postgres"])
async def schedule(request: pytest.FixtureRequest) -> AsyncIterator[Schedule]:
    if request.param == "memory":
        yield MemorySchedule()
        return
    async with PostgresMessageStore(request.getfixturevalue("database"), SystemClock(), Listener()) as store:
        yield PostgresSchedule(store.database, SystemClock(), Listener())


def job(**fields: object) -> Job:
    return Job(uuid4(), "+8613800000000", Category.OTP, now(), text="hello")._replace(**fields)  # type: ignore[arg-type]


class Taker:
    """Takes what is handed over, or says that it could not."""

    def __init__(self, *, takes: bool = True) -> None:
        self.jobs: list[Job] = []
        self._takes = takes

    async def __call__(self, jobs: Sequence[Job]) -> bool:
        self.jobs += jobs
        return self._takes


async def test_a_job_comes_out_with_everything_it_was_put_with(schedule: Schedule) -> None:
    full = job(
        category=Category.PROMOTION,
        enqueued_at=now() - HOUR,
        signature="验证",
        template="SMS_1",
        params={"name": "值\x00"},
        text=None,
        account="shop",
        ref="order 1",
        extend="07",
        not_before=now() + HOUR,
        expires_at=now() + 2 * HOUR,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-\x00\udcff☃",
    )
    assert await schedule.put(full, now())
    taker = Taker()
    assert await schedule.release(now(), taker) == 1
    assert taker.jobs == [full]


async def test_a_job_stays_until_it_is_due(schedule: Schedule) -> None:
    due_at = now() + HOUR
    await schedule.put(job(), due_at)
    taker = Taker()
    assert await schedule.release(due_at - timedelta(seconds=1), taker) == 0
    assert taker.jobs == []
    assert await schedule.release(due_at, taker) == 1


async def test_what_was_handed_over_is_gone(schedule: Schedule) -> None:
    await schedule.put(job(), now())
    assert await schedule.release(now(), Taker()) == 1
    assert await schedule.release(now(), Taker()) == 0
    assert await schedule.count() == 0


async def test_what_could_not_be_handed_over_stays(schedule: Schedule) -> None:
    kept = job()
    await schedule.put(kept, now())
    assert await schedule.release(now(), Taker(takes=False)) == 0
    taker = Taker()
    assert await schedule.release(now(), taker) == 1
    assert taker.jobs == [kept]


async def test_what_was_being_handed_over_when_that_broke_off_stays(schedule: Schedule) -> None:
    kept = job()
    await schedule.put(kept, now())
    handing = asyncio.Event()

    async def hang(jobs: Sequence[Job]) -> bool:
        handing.set()
        await asyncio.get_running_loop().create_future()
        return True

    releasing = asyncio.create_task(schedule.release(now(), hang))
    await handing.wait()
    releasing.cancel()
    await asyncio.wait([releasing])
    taker = Taker()
    while not await schedule.release(now(), taker):  # the database may hear of it a moment later
        await asyncio.sleep(0.01)
    assert taker.jobs == [kept]


async def test_a_job_put_again_stays_as_it_was(schedule: Schedule) -> None:
    first = job(ref="first")
    due_at = now() + HOUR
    assert await schedule.put(first, due_at)
    assert await schedule.put(first._replace(ref="second"), now())
    assert await asyncio.gather(*(schedule.put(first, due_at) for _ in range(20))) == [True] * 20
    assert await schedule.count() == 1
    taker = Taker()
    assert await schedule.release(due_at - timedelta(seconds=1), taker) == 0
    await schedule.release(due_at, taker)
    assert taker.jobs == [first]


async def test_those_due_first_go_first(schedule: Schedule) -> None:
    jobs = [job() for _ in range(700)]
    start = now() - HOUR
    numbered = list(enumerate(jobs))
    kept = await asyncio.gather(*(schedule.put(each, start + timedelta(seconds=n)) for n, each in reversed(numbered)))
    assert all(kept)
    taker = Taker()
    while await schedule.release(now(), taker):
        pass
    assert [each.id for each in taker.jobs] == [each.id for each in jobs]


async def test_several_share_the_work_and_none_hands_over_what_another_does(schedule: Schedule) -> None:
    await asyncio.gather(*(schedule.put(job(), now()) for _ in range(600)))
    handing, go_on = asyncio.Event(), asyncio.Event()
    slow, quick = Taker(), Taker()

    async def wait(jobs: Sequence[Job]) -> bool:
        handing.set()
        await go_on.wait()
        return await slow(jobs)

    releasing = asyncio.create_task(schedule.release(now(), wait))
    await handing.wait()
    assert await schedule.release(now(), quick) == 100
    go_on.set()
    assert await releasing == 500
    assert len({each.id for each in slow.jobs + quick.jobs}) == 600


async def test_jobs_that_wait_are_counted(schedule: Schedule) -> None:
    assert await schedule.count() == 0
    await schedule.put(job(), now())
    await schedule.put(job(), now() + HOUR)
    assert await schedule.count() == 2


async def test_the_memory_schedule_says_when_it_is_full_and_knows_what_it_has() -> None:
    schedule = MemorySchedule(max_jobs=1)
    first = job()
    assert await schedule.put(first, now())
    assert not await schedule.put(job(), now())
    assert await schedule.put(first, now())
