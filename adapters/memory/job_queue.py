"""Jobs inside one process: nothing to install, and nothing survives the process. (the ports `JobQueue`, `JobIntake`)"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.message import Category
from engine.ports import Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from engine.message import Job
    from engine.ports import Clock

MAX_BACKLOG = 100_000
MAX_BURIED = 1_000


@dataclass(frozen=True, slots=True)
class Buried:
    """A job that was put aside."""

    job: Job
    reason: str
    at: datetime


class MemoryJobQueue:
    """One queue per category, first in, first out."""

    def __init__(self, clock: Clock, max_backlog: int = MAX_BACKLOG) -> None:
        self.buried: deque[Buried] = deque(maxlen=MAX_BURIED)
        self._clock = clock
        self._max_backlog = max_backlog
        self._lanes: dict[Category, asyncio.Queue[Delivery | None]] = {each: asyncio.Queue() for each in Category}
        self._waiting: Counter[Category] = Counter(dict.fromkeys(Category, 0))
        self._timers: dict[Delivery, asyncio.TimerHandle] = {}
        self._closed = False

    @property
    def backlog(self) -> Mapping[Category, int]:
        """How many jobs of each category wait, for a worker or for their time."""
        return dict(self._waiting)

    async def put(self, jobs: Sequence[Job]) -> None:
        """Enqueue jobs, all or none.

        Raises:
            ConnectionError: the queue is full; the same jobs can be put again later.
        """
        if self._waiting.total() + len(jobs) > self._max_backlog:
            raise ConnectionError(f"The queue is full: it holds {self._max_backlog} jobs.")
        for job in jobs:
            self._hold(Delivery(job), 0.0)

    async def take(self, category: Category) -> Delivery | None:
        """The next job of a category, waiting for one; None once `close_intake` was called."""
        lane = self._lanes[category]
        delivery = await lane.get()
        if delivery is None or self._closed:
            lane.put_nowait(None)  # for the next who asks
            return None
        self._waiting[category] -= 1
        return delivery

    async def settle(self, delivery: Delivery) -> None:
        """The job is done with; it was gone from here when it was taken."""

    async def defer(self, delivery: Delivery, delay_s: float) -> None:
        """Hand the job out again after `delay_s`, at once for none."""
        self._hold(Delivery(delivery.job, delivery.deferrals + 1, delivery.crashes), delay_s)

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Put the job aside in `buried`; the oldest fall out of it."""
        self.buried.append(Buried(delivery.job, reason, self._clock.now()))

    def close_intake(self) -> None:
        """Take nothing more."""
        self._closed = True
        for lane in self._lanes.values():
            lane.put_nowait(None)

    async def close(self) -> None:
        """Forget what waits for its time."""
        for timer in self._timers.values():
            timer.cancel()

    def _hold(self, delivery: Delivery, delay_s: float) -> None:
        self._waiting[delivery.job.category] += 1
        if delay_s > 0:
            self._timers[delivery] = asyncio.get_running_loop().call_later(delay_s, self._due, delivery)
        else:
            self._lanes[delivery.job.category].put_nowait(delivery)

    def _due(self, delivery: Delivery) -> None:
        del self._timers[delivery]
        self._lanes[delivery.job.category].put_nowait(delivery)
