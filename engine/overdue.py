"""A delivery receipt that never came: after three days nobody waits for it any longer, and the outcome is unknown.

AWS gives up after the same time. A delivery receipt that comes even later still changes the state.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from engine import events, receipts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine import ports
    from engine.receipts import Receipt

WAITED = timedelta(hours=72)
LOOK_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Overdue:
    """Tell of messages that stand as submitted for too long; telling it twice changes nothing."""

    store: ports.MessageStore
    ledger: ports.Ledger
    publisher: ports.ReceiptPublisher
    clock: ports.Clock
    telemetry: ports.Telemetry

    async def run(self) -> None:
        """Work until cancelled. Several workers share the work."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Give up waiting wherever it is time."""
        while await self.store.overdue(self.clock.now() - WAITED, self._give_up):
            pass

    async def _give_up(self, submitted: Sequence[Receipt]) -> bool:
        return all(await asyncio.gather(*map(self._tell, submitted)))

    async def _tell(self, submitted: Receipt) -> bool:
        now = self.clock.now()
        standing = await self.ledger.advance(submitted.to, receipts.never_reported(submitted, now))
        if standing is None:  # a copy of the job is in a worker's hands; look again later
            return False
        await self.publisher.publish(
            standing
        )  # also what came and is not in the record: it may not have been published
        age_s = (now - standing.enqueued_at).total_seconds()
        self.telemetry.emit(events.Reported(standing, age_s, repeated=standing.code != receipts.NO_RECEIPT))
        return True
