"""Which message a carrier means by its id was forgotten: link all those again whose delivery receipt is awaited."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.record_receipt import StillInHand

if TYPE_CHECKING:
    from engine import ports
    from engine.receipts import Receipt
    from engine.record_receipt import RecordReceipt

AWAITED = timedelta(hours=96)  #: a delivery receipt may come 72 h late
BATCH = 500


@dataclass(frozen=True, slots=True)
class Relink:
    """Put back what the correlator forgot; doing it twice changes nothing."""

    correlator: ports.Correlator
    store: ports.MessageStore
    record_receipt: RecordReceipt
    clock: ports.Clock

    async def run(self) -> None:
        """Work until cancelled. Of several workers one does it."""
        while True:
            await self.correlator.forgotten()
            await self.relink()
            await self.correlator.relinked()

    async def relink(self) -> None:
        """Link every message that was submitted, and deal with the delivery receipts that came meanwhile."""
        since, after = self.clock.now() - AWAITED, None
        while batch := await self.store.awaited(since, after, BATCH):
            await asyncio.gather(*map(self._link, batch))
            after = batch[-1]

    async def _link(self, submitted: Receipt) -> None:
        assert submitted.channel
        assert submitted.carrier_id
        number, job = submitted.to, submitted.job
        for dlr in await self.correlator.remember(submitted.channel, submitted.carrier_id, number, job):
            with contextlib.suppress(StillInHand):  # whoever holds the job will come upon the delivery receipt
                await self.record_receipt.apply(dlr, number, job)
