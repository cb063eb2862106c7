"""How do jobs get in from inside this process, for instance through its HTTP door? (the port `JobIntake`)"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from adapters.rabbitmq import headers
from adapters.rabbitmq.packing import job_bodies
from adapters.rabbitmq.topology import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.rabbitmq.packing import JobBody
    from adapters.rabbitmq.publisher import Publisher
    from engine.message import Job

CONFIRM_WITHIN_S = 10.0


class RabbitJobIntake:
    """Enqueues jobs as any producer would."""

    def __init__(self, publisher: Publisher, prefix: str, *, confirm_within_s: float = CONFIRM_WITHIN_S) -> None:
        self._publisher = publisher
        self._names = Names(prefix)
        self._confirm_within_s = confirm_within_s

    async def put(self, jobs: Sequence[Job]) -> None:
        """Enqueue jobs; returns once the broker has confirmed them all.

        Raises:
            ConnectionError: it did not confirm all of them in time; the same jobs can safely be put again.
        """
        sent = (self._send(each) for each in job_bodies(jobs))
        for outcome in await asyncio.gather(*sent, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _send(self, each: JobBody) -> None:
        properties = headers.of_jobs(each.slip)
        await self._publisher.publish_within(
            self._confirm_within_s, self._names.jobs, each.category, each.body, properties
        )
