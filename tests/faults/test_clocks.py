"""Clocks step: that of Redis, by which leases and limits are judged, and those of workers, by which nothing is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.faults.clock import ClockedRedis, TimeOfDay
from tests.faults.jobs import TIMEOUT_S, job, number, some_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.conftest import Row
    from tests.faults.jobs import Job
    from tests.faults.lab import Lab

DAY_S = 86_400.0


@pytest.fixture
def redis() -> Iterator[ClockedRedis]:
    with ClockedRedis() as started:
        yield started


def codes_for_the_same_numbers(lab: Lab) -> tuple[list[Job], list[Job]]:
    """Two rounds of codes to the same numbers, of which the second is beyond the limit of the minute."""
    start = lab.rng.randrange(90_000_000)
    numbers = [number(start + position) for position in range(30)]
    return [job(to, "otp") for to in numbers], [job(to, "otp") for to in numbers]


@pytest.mark.fault("Redis: clock 60 s ahead")
async def test_while_redis_clock_is_ahead_nothing_is_granted_so_that_no_limit_ends_early(
    row: Row, redis: ClockedRedis
) -> None:
    async with row.lab(redis=redis) as lab:
        first, second = codes_for_the_same_numbers(lab)
        await lab.start()
        await lab.send(first)
        await lab.settled()
        with lab.fault():
            redis.clock.set_ahead(61)
            leapt_at = lab.struck_at
            sending = asyncio.create_task(lab.send(second + some_jobs(100, lab.rng), rate=100))
            for worker in lab.workers:
                await worker.not_ready()
            await sending
            assert not [line for line in lab.carrier.lines() if line["kind"] == "call" and line["at"] > leapt_at]
            redis.clock.set_ahead(0)
        assert (await row.holds(lab)).unknown == 0
        assert lab.states(first) == {"delivered": 30}
        assert lab.states(second) == {"rejected": 30}


@pytest.mark.fault("Redis: clock 60 s ahead during calls")
async def test_what_was_granted_before_a_leap_is_finished_and_nothing_is_sent_twice(
    row: Row, redis: ClockedRedis
) -> None:
    async with row.lab(redis=redis) as lab:
        await lab.carrier.behave(latency_s=0.5)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        await lab.accepted(30)
        with lab.fault():
            redis.clock.set_ahead(60)
            await asyncio.sleep(2 * TIMEOUT_S)
            redis.clock.set_ahead(0)
        await sending
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("Redis: clock 60 s back")
async def test_a_redis_clock_that_steps_back_lets_no_limit_be_exceeded(row: Row, redis: ClockedRedis) -> None:
    async with row.lab(redis=redis) as lab:
        await lab.carrier.behave(latency_s=0.3)
        first, second = codes_for_the_same_numbers(lab)
        await lab.start()
        sending = asyncio.create_task(lab.send([*first, *some_jobs(200, lab.rng)], rate=150))
        await lab.accepted(40)
        with lab.fault():
            redis.clock.set_ahead(-60)
        await lab.send(second)
        await sending
        assert (await row.holds(lab)).unknown == 0
        assert lab.states(second) == {"rejected": 30}


@pytest.mark.parametrize(
    "days",
    [
        pytest.param(1, marks=pytest.mark.fault("worker: clock a day ahead")),
        pytest.param(-1, marks=pytest.mark.fault("worker: clock a day behind")),
    ],
)
async def test_a_worker_with_a_wrong_clock_breaks_no_lease_and_no_limit(row: Row, days: int) -> None:
    async with row.lab() as lab:
        wrong = TimeOfDay(lab.folder)
        wrong.set_ahead(days * DAY_S)
        lab.workers[0].start(more=wrong.environment())
        await lab.start()
        first, second = codes_for_the_same_numbers(lab)
        with lab.fault():
            await lab.send([*first, *some_jobs(200, lab.rng)], rate=150)
            await lab.settled()
            await lab.send(second, rate=150)
        assert (await row.holds(lab)).unknown == 0
        # Validity is judged by the clock of the worker that has the job: one a day ahead may find it over.
        assert set(lab.states()) <= {"delivered", "rejected", *(["expired"] * (days > 0))}
