"""Where do jobs come from, and what becomes of them here? (the port `JobQueue`)"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from adapters import wire
from adapters.outage import Outage
from adapters.rabbitmq import headers
from adapters.rabbitmq.consumer import Consumer
from adapters.rabbitmq.detours import Detours
from adapters.rabbitmq.headers import LONGEST_S, Slip
from adapters.rabbitmq.lane import Body, Lane, origin
from adapters.rabbitmq.topology import Names
from engine.ports import Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapters.rabbitmq.deliveries import Arrival
    from adapters.rabbitmq.publisher import Publisher
    from adapters.rabbitmq.subscription import Subscription
    from engine.message import Category
    from engine.ports import Clock, Telemetry

GIVE_BACK_S = 5.0  #: longer than a broker needs that is there
BARE = Slip()
AT_HAND = 512 * 1024  #: bytes of a category's jobs, some 2000: beyond, a worker would only keep them from the others
EARLY_S = 0.5  #: what has to wait no longer than that is as good as due


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
        self._lanes = {category: Lane(partial(self._read, category)) for category in prefetch}
        per_queue = {names.of_category(category): count for category, count in prefetch.items()}
        self._consumer = Consumer(
            url, prefix, per_queue, self._receive, forget=self._forget, outage=self.outage, enough=AT_HAND
        )
        self._closing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start; the broker need not be there yet."""
        self._consumer.open()

    async def take(self, category: Category) -> Delivery | None:
        """The next job of a category, waiting for one; None once `close_intake` was called."""
        return await self._lanes[category].take()

    async def settle(self, delivery: Delivery) -> None:
        """The job is done with; its message is acknowledged when all of its jobs are."""
        body, index = origin(delivery)
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
        body, _ = origin(delivery)
        properties = headers.of_jobs(Slip(job.enqueued_at, deferrals=delivery.deferrals, traceparent=job.traceparent))
        await self._detours.bury(wire.encode_jobs([job]), properties, body.subscription.queue, job.category, reason)
        await self.settle(delivery)

    def close_intake(self) -> None:
        """Take nothing more; what nobody took goes back to the others at once."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._give_back())
            for lane in self._lanes.values():
                lane.close()

    async def close(self) -> None:
        """Disconnect once everything that was settled is acknowledged; the rest goes back to the queues."""
        self.close_intake()
        assert self._closing
        await self._closing
        await self._consumer.close()

    def _receive(self, message: Arrival, subscription: Subscription) -> None:
        category = self._category_of[subscription.queue]
        slip = BARE if message.is_bare else headers.read(message.properties)
        body = Body(subscription, message.tag, slip, self._clock.now())
        if slip.wait_s > EARLY_S:
            self._consumer.start(self._wait_on(message, category, body))
        else:
            self._lanes[category].put(body, message)

    def _read(self, category: Category, body: Body, message: Arrival) -> Sequence[Delivery]:
        slip = body.slip
        try:
            jobs = wire.decode_jobs(
                message.body,
                category,
                received_at=body.received_at,
                enqueued_at=slip.enqueued_at,
                traceparent=slip.traceparent,
            )
        except wire.BadBodyError as error:
            self._consumer.start(self._put_aside(message, str(error), body))
            return ()
        body.unsettled.update(range(1, len(jobs)))
        return [Delivery(job, slip.deferrals, slip.crashes, (body, index)) for index, job in enumerate(jobs)]

    async def _wait_on(self, message: Arrival, category: Category, body: Body) -> None:
        await self._detours.wait(message.body, category, body.slip)
        body.settle(0)

    async def _put_aside(self, message: Arrival, reason: str, body: Body) -> None:
        queue, routing_key = body.subscription.queue, message.routing_key
        await self._detours.bury(message.body, message.properties, queue, routing_key, reason)
        body.settle(0)

    async def _give_back(self) -> None:
        await self._consumer.stop()
        unread, untaken = self._empty_lanes()
        for body in dict.fromkeys([*unread, *(origin(delivery)[0] for delivery in untaken)]):
            if not body.taken:
                await body.subscription.give_back(body.tag)
        # Of a body under way the others go back on their own, lest those that are done with come again with them.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVE_BACK_S):
                rest = [delivery for delivery in untaken if origin(delivery)[0].taken]
                await asyncio.gather(*(self.defer(delivery, 0.0) for delivery in rest))

    def _forget(self) -> None:
        self._empty_lanes()

    def _empty_lanes(self) -> tuple[list[Body], list[Delivery]]:
        emptied = [lane.empty() for lane in self._lanes.values()]
        return [each for unread, _ in emptied for each in unread], [each for _, untaken in emptied for each in untaken]
