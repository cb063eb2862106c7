"""Jobs whose time is far off wait in a schedule; the stager enqueues them again shortly before they are due."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from engine import events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine import ports
    from engine.message import Job

AHEAD = timedelta(seconds=60)  #: before it is due a job goes back to the queue, which keeps the exact time
LOOK_EVERY_S = 15.0  #: a few times within `AHEAD`, so that one look that fails makes nothing late


@dataclass(frozen=True, slots=True)
class Stager:
    """Move due jobs from the schedule to the queue; a crash between the two repeats them, and the ledger knows them."""

    schedule: ports.Schedule
    intake: ports.JobIntake
    clock: ports.Clock
    telemetry: ports.Telemetry

    async def run(self) -> None:
        """Work until cancelled. Several stagers share the work."""
        while True:
            await self.stage()
            await asyncio.sleep(LOOK_EVERY_S)

    async def stage(self) -> None:
        """Enqueue what is nearly due, as far as the queue takes it, and tell how many jobs wait."""
        while await self.schedule.release(self.clock.now() + AHEAD, self._enqueue):
            pass
        self.telemetry.emit(events.Scheduled(await self.schedule.count()))

    async def _enqueue(self, jobs: Sequence[Job]) -> bool:
        try:
            await self.intake.put(jobs)
        except ConnectionError:  # they stay where they are until the next look
            return False
        return True
