"""A carrier reported on a message it had accepted: find the job, merge, tell."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import events, receipts
from engine.receipts import State

if TYPE_CHECKING:
    from uuid import UUID

    from engine import ports
    from engine.receipts import DeliveryReceipt


LOOK_AGAIN_S = 0.05


class StillInHand(Exception):  # noqa: N818  (a state of affairs, not an error)
    """A worker holds the job just now; the carrier shall report again in a moment."""


@dataclass(frozen=True, slots=True)
class RecordReceipt:
    """Publish what a delivery receipt changes. Returns once that is safe, so that the carrier may be answered."""

    correlator: ports.Correlator
    ledger: ports.Ledger
    store: ports.MessageStore
    publisher: ports.ReceiptPublisher
    clock: ports.Clock
    telemetry: ports.Telemetry
    looks: int = 1  #: for the message of a delivery receipt, before it stays parked

    async def __call__(self, dlr: DeliveryReceipt) -> None:
        """Take a delivery receipt off a channel; one of an unknown message is parked, never dropped.

        Raises:
            StillInHand: the job cannot be changed at this moment.
        """
        found = await self._match(dlr)
        self.telemetry.emit(events.DeliveryReceiptSeen(dlr.channel, dlr.status, matched=found is not None))
        if found is not None:
            await self.apply(dlr, *found)

    async def _match(self, dlr: DeliveryReceipt) -> tuple[str, UUID] | None:
        """The message meant, waiting a moment for one whose submit is just being answered.

        The carrier waits as long: what is parked is only in the correlator's memory, and the carrier tells it once.
        """
        for _ in range(self.looks - 1):
            if found := await self.correlator.match(dlr):
                return found
            await asyncio.sleep(LOOK_AGAIN_S)
        return await self.correlator.match(dlr)

    async def apply(self, dlr: DeliveryReceipt, recipient: str, job: UUID) -> None:
        """Merge a delivery receipt into a job's record and publish what stands if it is this receipt's news.

        Raises:
            StillInHand: the job cannot be changed at this moment.
        """
        known = await self.ledger.find(recipient, job) or await self.store.latest(job)
        if known is None or dlr.state is State.SUBMITTED:
            return
        standing = await self.ledger.advance(recipient, receipts.advance(known, dlr))
        if standing is None:
            raise StillInHand
        if standing.state is dlr.state:  # also on a repeat: the first may have died before it was published
            await self.publisher.publish(standing)
            age_s = (self.clock.now() - standing.enqueued_at).total_seconds()
            self.telemetry.emit(events.Reported(standing, age_s, repeated=standing.id == known.id))
