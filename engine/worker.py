"""A pool of asynchronous consumers: so many at once per category, none waiting for another category."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine import events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine import ports
    from engine.deliver import Deliver
    from engine.message import Category

CRASH_DELAY_S = 30.0  #: before a job that crashed us is tried again
MAX_CRASHES = 10  #: after which a job is put aside


@dataclass(frozen=True, slots=True)
class Worker:
    """Takes jobs and delivers them."""

    queue: ports.JobQueue
    deliver: Deliver
    telemetry: ports.Telemetry
    concurrency: Mapping[Category, int]  #: messages under way at once

    async def run(self) -> None:
        """Work until `queue.close_intake` was called and everything taken is finished."""
        async with asyncio.TaskGroup() as pool:
            for category, consumers in self.concurrency.items():
                for _ in range(consumers):
                    pool.create_task(self._consume(category))

    async def _consume(self, category: Category) -> None:
        while (delivery := await self.queue.take(category)) is not None:
            try:
                await self.deliver(delivery)
            except Exception as error:  # noqa: BLE001  (one job's defect must not end the pool)
                self.telemetry.emit(events.Crashed(delivery.job.id, category, error))
                crashed = replace(delivery, crashes=delivery.crashes + 1)
                if crashed.crashes < MAX_CRASHES:
                    await self.queue.defer(crashed, CRASH_DELAY_S)
                else:
                    await self.queue.bury(delivery, f"handling it raised {type(error).__name__}")
