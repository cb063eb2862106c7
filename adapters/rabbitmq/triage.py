"""What becomes of jobs that were handed out too often? A crash loop drags along whatever the workers had fetched.

Each job goes back on its own, so that one that crashes every worker takes no more neighbours along; it is put aside
for a person once that did not help either. Trying again is safe: the ledger knows what was begun.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapters import wire
from adapters.outage import Outage
from adapters.rabbitmq import headers
from adapters.rabbitmq.consumer import Consumer
from adapters.rabbitmq.detours import Detours
from adapters.rabbitmq.topology import Names
from engine.events import Redriven
from engine.message import Category

if TYPE_CHECKING:
    from adapters.rabbitmq.deliveries import Arrival
    from adapters.rabbitmq.publisher import Publisher
    from adapters.rabbitmq.subscription import Subscription
    from engine.ports import Clock, Telemetry

PREFETCH = 10
REST_S = 60.0  #: before a job is tried again, so that a crash loop has a chance to end
MAX_REDRIVES = 5


class Triage:
    """Works the queue that jobs come to when the broker has handed them out `DELIVERY_LIMIT` times."""

    def __init__(
        self, url: str, prefix: str, publisher: Publisher, clock: Clock, telemetry: Telemetry, rest_s: float = REST_S
    ) -> None:
        self.outage = Outage("rabbitmq triage", clock, telemetry)
        self._names = Names(prefix)
        self._category_of = {self._names.of_category(category): category for category in Category}
        self._clock = clock
        self._telemetry = telemetry
        self._rest_s = rest_s
        self._detours = Detours(publisher, self._names, clock, telemetry)
        self._consumer = Consumer(
            url, prefix, {self._names.triage: PREFETCH}, self._receive, forget=lambda: None, outage=self.outage
        )

    async def open(self) -> None:
        """Start; the broker need not be there yet."""
        self._consumer.open()

    async def close(self) -> None:
        """Disconnect; what is not settled goes back to the queue."""
        await self._consumer.stop()
        await self._consumer.close()

    def _receive(self, message: Arrival, subscription: Subscription) -> None:
        self._consumer.start(self._sort(message, subscription))

    async def _sort(self, message: Arrival, subscription: Subscription) -> None:
        properties = message.properties
        queue = headers.last_queue(properties)
        try:
            if queue not in self._category_of:
                raise wire.BadBodyError("it was handed out too often, and not as a job")
            await self._redrive(message, self._category_of[queue])
        except wire.BadBodyError as error:
            category = self._category_of.get(queue, "")
            await self._detours.bury(message.body, properties, queue, category, str(error))
        subscription.settle(message.tag)

    async def _redrive(self, message: Arrival, category: Category) -> None:
        now, slip = self._clock.now(), headers.read(message.properties)
        jobs = wire.decode_jobs(message.body, category, received_at=now, enqueued_at=slip.enqueued_at)
        if slip.redrives >= MAX_REDRIVES:
            raise wire.BadBodyError(f"its workers ended {MAX_REDRIVES + 1} times over before it was done")
        again = replace(slip, wait_s=self._rest_s, redrives=slip.redrives + 1)
        for job in jobs:
            await self._detours.wait(wire.encode_jobs([job]), category, replace(again, enqueued_at=job.enqueued_at))
        self._telemetry.emit(Redriven(self._names.of_category(category), len(jobs)))
