"""Where do jobs come from, and what becomes of them here? (the port `JobQueue`)"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters import wire
from adapters.outage import Outage
from adapters.rabbitmq import headers
from adapters.rabbitmq.consumer import Consumer
from adapters.rabbitmq.detours import Detours
from adapters.rabbitmq.headers import LONGEST_S, Slip
from adapters.rabbitmq.topology import Names
from engine.ports import Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.rabbitmq.deliveries import Arrival
    from adapters.rabbitmq.publisher import Publisher
    from adapters.rabbitmq.subscription import Subscription
    from engine.message import Category
    from engine.ports import Clock, Telemetry

GIVE_BACK_S = 5.0  #: longer than a broker needs that is there
EARLY_S = 0.5  #: what has to wait no longer than that is as good as due


@dataclass(slots=True, eq=False)
class Body:
    """A message as it came; it is acknowledged when the last of its jobs is done with."""

    subscription: Subscription
    tag: int
    unsettled: set[int]
    taken: bool = False

    def settle(self, index: int) -> None:
        """Note that a job is done with; noting it again changes nothing."""
        if index in self.unsettled:
            self.unsettled.remove(index)
            if not self.unsettled:
                self.subscription.settle(self.tag)


class RabbitJobQueue:
    """The queues of the categories, each with its own channel and prefetch, so that none waits for another."""

    def __init__(
        self,
        url: str,
        prefix: str,
        prefetch: Mapping[Category, int],
        publisher: Publisher,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """`prefetch` is in messages, each of 1 to 500 jobs, for every category that is to be taken."""
        self.outage = Outage("rabbitmq jobs", clock, telemetry)
        self._clock = clock
        names = Names(prefix)
        self._detours = Detours(publisher, names, clock, telemetry)
        self._category_of = {names.of_category(category): category for category in prefetch}
        self._lanes: dict[Category, asyncio.Queue[Delivery | None]] = {each: asyncio.Queue() for each in prefetch}
        per_queue = {names.of_category(category): count for category, count in prefetch.items()}
        self._consumer = Consumer(url, prefix, per_queue, self._receive, forget=self._forget, outage=self.outage)
        self._closing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start; the broker need not be there yet."""
        self._consumer.open()

    async def take(self, category: Category) -> Delivery | None:
        """The next job of a category, waiting for one; None once `close_intake` was called."""
        lane = self._lanes[category]
        delivery = await lane.get()
        if delivery is None or self._closing is not None:
            lane.put_nowait(delivery)  # for the next who asks, and for those who give back
            return None
        _origin(delivery)[0].taken = True
        return delivery

    async def settle(self, delivery: Delivery) -> None:
        """The job is done with; its message is acknowledged when all of its jobs are."""
        body, index = _origin(delivery)
        body.settle(index)

    async def defer(self, delivery: Delivery, delay_s: float) -> None:
        """Have the job handed out again after at least about `delay_s`, at once for none."""
        job = delivery.job
        wait_s, deferrals = min(delay_s, LONGEST_S), delivery.deferrals + 1
        slip = Slip(job.enqueued_at, wait_s, deferrals, job.traceparent, crashes=delivery.crashes)
        await self._detours.wait(wire.encode_jobs([job]), job.category, slip)
        await self.settle(delivery)

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Put the job aside for a person to look at."""
        job = delivery.job
        body, _ = _origin(delivery)
        properties = headers.of_jobs(Slip(job.enqueued_at, deferrals=delivery.deferrals, traceparent=job.traceparent))
        await self._detours.bury(wire.encode_jobs([job]), properties, body.subscription.queue, job.category, reason)
        await self.settle(delivery)

    def close_intake(self) -> None:
        """Take nothing more; what nobody took goes back to the others at once."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._give_back())
            for lane in self._lanes.values():
                lane.put_nowait(None)

    async def close(self) -> None:
        """Disconnect once everything that was settled is acknowledged; the rest goes back to the queues."""
        self.close_intake()
        assert self._closing
        await self._closing
        await self._consumer.close()

    def _receive(self, message: Arrival, subscription: Subscription) -> None:
        category, now = self._category_of[subscription.queue], self._clock.now()
        slip, tag = headers.read(message.properties), message.tag
        if slip.wait_s > EARLY_S:
            return self._consumer.start(self._wait_on(message, category, slip, Body(subscription, tag, {0})))
        try:
            jobs = wire.decode_jobs(
                message.body, category, received_at=now, enqueued_at=slip.enqueued_at, traceparent=slip.traceparent
            )
        except wire.BadBodyError as error:
            return self._consumer.start(self._put_aside(message, str(error), Body(subscription, tag, {0})))
        body = Body(subscription, tag, set(range(len(jobs))))
        for index, job in enumerate(jobs):
            self._lanes[category].put_nowait(Delivery(job, slip.deferrals, slip.crashes, (body, index)))

    async def _wait_on(self, message: Arrival, category: Category, slip: Slip, body: Body) -> None:
        await self._detours.wait(message.body, category, slip)
        body.settle(0)

    async def _put_aside(self, message: Arrival, reason: str, body: Body) -> None:
        queue, routing_key = body.subscription.queue, message.routing_key
        await self._detours.bury(message.body, message.properties, queue, routing_key, reason)
        body.settle(0)

    async def _give_back(self) -> None:
        await self._consumer.stop()
        untaken = self._empty_lanes()
        for body in dict.fromkeys(_origin(delivery)[0] for delivery in untaken):
            if not body.taken:
                await body.subscription.give_back(body.tag)
        # Of a body under way the others go back on their own, lest those that are done with come again with them.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVE_BACK_S):
                rest = [delivery for delivery in untaken if _origin(delivery)[0].taken]
                await asyncio.gather(*(self.defer(delivery, 0.0) for delivery in rest))

    def _forget(self) -> None:
        self._empty_lanes()

    def _empty_lanes(self) -> list[Delivery]:
        """Take everything out that nobody took, in order."""
        untaken: list[Delivery] = []
        for lane in self._lanes.values():
            while not lane.empty():
                if delivery := lane.get_nowait():
                    untaken.append(delivery)
            if self._closing is not None:
                lane.put_nowait(None)
        return untaken


def _origin(delivery: Delivery) -> tuple[Body, int]:
    handle = delivery.handle
    assert isinstance(handle, tuple)
    return handle
