"""The stager puts far-off jobs back into the queue shortly before they are due, and loses none on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from adapters.memory.schedule import MemorySchedule
from engine.events import Event, Scheduled
from engine.message import Category, Job
from engine.stager import AHEAD, LOOK_EVERY_S, Stager

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass
class World:
    """A schedule and a queue that may be away."""

    at: datetime = NOW
    away: bool = False
    queue: list[Job] = field(default_factory=list)
    heard: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.schedule = MemorySchedule()
        self.stager = Stager(self.schedule, self, self, self)

    async def put(self, jobs: Sequence[Job]) -> None:
        if self.away:
            raise ConnectionError("RabbitMQ did not confirm in time.")
        self.queue += jobs

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        raise NotImplementedError

    def emit(self, event: Event) -> None:
        self.heard.append(event)

    async def schedule_one(self, due_in: timedelta) -> Job:
        job = Job(uuid4(), "+8613800000000", Category.OTP, NOW, text="hello", not_before=self.at + due_in)
        await self.schedule.put(job, self.at + due_in)
        return job


async def test_a_job_is_enqueued_again_a_minute_ahead_and_not_before() -> None:
    world = World()
    job = await world.schedule_one(timedelta(hours=2))
    world.at += timedelta(hours=2) - AHEAD - timedelta(milliseconds=1)
    await world.stager.stage()
    assert world.queue == []
    world.at += timedelta(milliseconds=1)
    await world.stager.stage()
    await world.stager.stage()
    assert world.queue == [job]


def test_every_job_is_looked_at_several_times_before_it_is_due() -> None:
    assert AHEAD.total_seconds() >= 3 * LOOK_EVERY_S


async def test_what_the_queue_does_not_confirm_stays_in_the_schedule() -> None:
    world = World(away=True)
    job = await world.schedule_one(timedelta())
    await world.stager.stage()
    assert world.heard == [Scheduled(1)]
    world.away = False
    await world.stager.stage()
    assert world.queue == [job]
    assert world.heard == [Scheduled(1), Scheduled(0)]


async def test_a_great_many_due_jobs_all_go_at_one_look() -> None:
    world = World()
    jobs = {(await world.schedule_one(timedelta())).id for _ in range(1200)}
    await world.stager.stage()
    assert {job.id for job in world.queue} == jobs
