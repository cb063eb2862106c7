"""Bodies wait as bytes: one is read when its turn comes, and what was not read can be given back whole."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import uuid4

import pytest

from adapters.clock import SystemClock
from adapters.rabbitmq.deliveries import Arrival
from adapters.rabbitmq.headers import Slip
from adapters.rabbitmq.lane import Body, Lane, origin
from engine.message import Category, Job
from engine.ports import Delivery

NOW = SystemClock().now()


class Reader:
    """A body is as many jobs as it has bytes."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __call__(self, body: Body, message: Arrival) -> list[Delivery]:
        self.read.append(message.tag)
        jobs = [Job(uuid4(), "1", Category.OTP, NOW) for _ in message.body]
        body.unsettled.update(range(len(jobs)))
        return [Delivery(job, handle=(body, index)) for index, job in enumerate(jobs)]


@pytest.fixture
def reader() -> Reader:
    return Reader()


def lane_of(reader: Reader, *counts: int) -> Lane:
    lane = Lane(reader)
    for tag, count in enumerate(counts, 1):
        lane.put(Body(cast("Any", None), tag, Slip(), NOW), Arrival(b"j" * count, tag, b"", "otp"))
    return lane


async def take(lane: Lane) -> tuple[int, int]:
    delivery = await lane.take()
    assert delivery
    body, index = origin(delivery)
    assert body.taken
    return body.tag, index


async def test_a_body_is_read_when_the_last_job_of_the_one_before_was_taken(reader: Reader) -> None:
    lane = lane_of(reader, 2, 1, 3)
    assert reader.read == [1]
    assert await take(lane) == (1, 0)
    assert reader.read == [1]
    assert await take(lane) == (1, 1)
    assert reader.read == [1, 2]
    assert [await take(lane) for _ in range(4)] == [(2, 0), (3, 0), (3, 1), (3, 2)]


async def test_a_body_without_jobs_is_passed_over(reader: Reader) -> None:
    lane = lane_of(reader, 1, 0, 0, 1)
    assert [await take(lane), await take(lane)] == [(1, 0), (4, 0)]


async def test_those_who_wait_get_one_job_each_of_a_body_that_comes(reader: Reader) -> None:
    lane = lane_of(reader)
    takers = [asyncio.create_task(take(lane)) for _ in range(3)]
    await asyncio.sleep(0)
    lane.put(Body(cast("Any", None), 7, Slip(), NOW), Arrival(b"jjj", 7, b"", "otp"))
    assert await asyncio.gather(*takers) == [(7, 0), (7, 1), (7, 2)]


async def test_a_closed_lane_reads_and_hands_out_nothing_more(reader: Reader) -> None:
    lane = lane_of(reader, 1, 2, 1)
    await take(lane)
    lane.close()
    assert await lane.take() is None
    bodies, deliveries = lane.empty()
    assert [body.tag for body in bodies] == [3]
    assert sorted((origin(each)[0].tag, origin(each)[1]) for each in deliveries) == [(2, 0), (2, 1)]
    assert await lane.take() is None
    assert reader.read == [1, 2]
