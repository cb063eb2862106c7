"""A pool of asynchronous consumers: so many at once per category, none waiting for another category."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine import events
from engine.message import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine import ports
    from engine.deliver import Deliver

CRASH_DELAY_S = 30.0  #: before a job that crashed us is tried again
MAX_CRASHES = 10  #: after which a job is put aside
URGENT_S = 1.0  #: after a code was taken, more are expected
ROUND_S = 0.001  #: of the event loop; where one takes longer, there is more to do than can be done at once
REST_S, MAX_RESTS = 0.1, 20  #: of a consumer of something less urgent; then it takes a job whatever comes


@dataclass(slots=True)
class Worker:
    """Takes jobs and delivers them; while codes come, the others share what time these leave."""

    queue: ports.JobQueue
    deliver: Deliver
    telemetry: ports.Telemetry
    clock: ports.Clock
    concurrency: Mapping[Category, int]  #: messages under way at once
    _urgent_until: float = field(default=float("-inf"), init=False)

    async def run(self) -> None:
        """Work until `queue.close_intake` was called and everything taken is finished."""
        async with asyncio.TaskGroup() as pool:
            for category, consumers in self.concurrency.items():
                for _ in range(consumers):
                    pool.create_task(self._consume(category))

    async def _consume(self, category: Category) -> None:
        while (delivery := await self._take(category)) is not None:
            try:
                await self.deliver(delivery)
            except Exception as error:  # noqa: BLE001  (one job's defect must not end the pool)
                self.telemetry.emit(events.Crashed(delivery.job.id, category, error))
                crashed = replace(delivery, crashes=delivery.crashes + 1)
                if crashed.crashes < MAX_CRASHES:
                    await self.queue.defer(crashed, CRASH_DELAY_S)
                else:
                    await self.queue.bury(delivery, f"handling it raised {type(error).__name__}")

    async def _take(self, category: Category) -> ports.Delivery | None:
        if category is not Category.OTP:
            await self._give_way()
            return await self.queue.take(category)
        delivery = await self.queue.take(category)
        self._urgent_until = self.clock.monotonic() + URGENT_S
        return delivery

    async def _give_way(self) -> None:
        """Rest while codes come and the loop is so busy that they would wait for each of its rounds.

        All share one thread: a hundred promotions of which each needs a moment are ten milliseconds for a code, and it
        waits that long for every answer of a server.
        """
        for _ in range(MAX_RESTS):
            began = self.clock.monotonic()
            if began >= self._urgent_until:
                return
            await asyncio.sleep(0)
            if self.clock.monotonic() - began < ROUND_S:
                return
            await asyncio.sleep(REST_S)
