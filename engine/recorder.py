"""Keep the record for people: what was published for it into the message store, batch by batch.

It reads queues of its own, so a slow or failing store stops no message: its receipts wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from engine import events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from engine import ports

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Recorder(Generic[R]):
    """Move receipts from the feed to the store; a crash between the two repeats a batch, which changes nothing."""

    kind: str  #: of what it records, for telemetry
    feed: ports.ReceiptFeed[R]
    keep: Callable[[Sequence[R]], Awaitable[None]]  #: returns once they are stored; repeats change nothing
    clock: ports.Clock
    telemetry: ports.Telemetry

    async def run(self) -> None:
        """Work until the feed is closed."""
        while (batch := await self.feed.next_batch()) is not None:
            started = self.clock.monotonic()
            await self.keep(batch.receipts)
            await batch.settle()
            self.telemetry.emit(events.Recorded(self.kind, len(batch.receipts), self.clock.monotonic() - started))
