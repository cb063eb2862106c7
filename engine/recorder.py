"""Keep the record for people: published receipts into the message store, batch by batch.

It reads its own queue, so a slow or failing store stops no message: its receipts wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import events

if TYPE_CHECKING:
    from engine import ports


@dataclass(frozen=True, slots=True)
class Recorder:
    """Move receipts from the feed to the store; a crash between the two repeats a batch, which changes nothing."""

    feed: ports.ReceiptFeed
    store: ports.MessageStore
    clock: ports.Clock
    telemetry: ports.Telemetry

    async def run(self) -> None:
        """Work until the feed is closed."""
        while (batch := await self.feed.next_batch()) is not None:
            started = self.clock.monotonic()
            await self.store.merge(batch.receipts)
            await batch.settle()
            self.telemetry.emit(events.Recorded(len(batch.receipts), self.clock.monotonic() - started))
