"""A carrier took a message after the time for its answer was over: the outcome is known after all.

Without this its delivery receipt would find no message, and a category that sends again would send it twice.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import events
from engine.receipts import State

if TYPE_CHECKING:
    from engine import ports
    from engine.correlation import Correlation
    from engine.receipts import LateAnswer
    from engine.record_receipt import RecordReceipt

#: two seconds: the worker that waited in vain is perhaps still writing down that the outcome is unknown
LOOKS, LOOK_AGAIN_S = 20, 0.1


@dataclass(frozen=True, slots=True)
class TakeLateAnswer:
    """Make an unknown outcome a submitted message, and link the carrier's id to it; again changes nothing."""

    correlation: Correlation
    ledger: ports.Ledger
    publisher: ports.ReceiptPublisher
    record_receipt: RecordReceipt
    clock: ports.Clock
    telemetry: ports.Telemetry

    async def __call__(self, answer: LateAnswer) -> None:
        early = await self.correlation.remember(answer.channel, answer.carrier_id, answer.recipient, answer.job)
        for _ in range(LOOKS):
            if await self._advance(answer):
                break
            await asyncio.sleep(LOOK_AGAIN_S)
        for dlr, match in early:
            await self.record_receipt.catch_up(dlr, match)

    async def _advance(self, answer: LateAnswer) -> bool:
        """Whether the job needs no other look: it is in nobody's hands, and told of."""
        known = await self.ledger.find(answer.recipient, answer.job)
        if known is None or not known.unresolved:
            return known is not None
        submitted = known._replace(
            state=State.SUBMITTED,
            at=self.clock.now(),
            channel=answer.channel,
            carrier_id=answer.carrier_id,
            code=None,
            reason=None,
        )
        standing = await self.ledger.advance(answer.recipient, submitted)
        if standing is None:
            return False
        await self.publisher.publish(standing)
        age_s = (standing.at - standing.enqueued_at).total_seconds()
        self.telemetry.emit(events.Reported(standing, age_s, repeated=standing.at != submitted.at))
        return True
