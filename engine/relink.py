"""Which message a carrier means by its id was forgotten: link all those again whose delivery receipt is awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.carrier_ids import Rule, buckets, pointer
from engine.evidence import Match, links
from engine.record_receipt import StillInHand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from engine import ports
    from engine.correlation import Correlation
    from engine.evidence import Evidence, Link
    from engine.receipts import Receipt
    from engine.record_receipt import RecordReceipt

AWAITED = timedelta(hours=96)  #: a delivery receipt may come 72 h late
BATCH = 500


@dataclass(frozen=True, slots=True)
class Relink:
    """Put back what the correlator forgot; doing it twice changes nothing."""

    correlator: ports.Correlator
    correlation: Correlation
    store: ports.MessageStore
    record_receipt: RecordReceipt
    clock: ports.Clock
    caught_up: Callable[[], Awaitable[None]]  #: waits until the store has every delivery receipt that came so far

    async def run(self) -> None:
        """Work until cancelled. Of several workers one does it."""
        while True:
            await self.correlator.forgotten()
            await self.caught_up()
            await self.relink()
            await self.correlator.relinked()

    async def relink(self) -> None:
        """Link every message that was submitted, and deal with the delivery receipts that came meanwhile.

        Those are parked, or where that was forgotten too, stored: of parts whose tally is lost, or of unknown messages.
        """
        since, after = self.clock.now() - AWAITED, None
        while batch := await self.store.awaited(since, after, BATCH):
            await asyncio.gather(*map(self._link, batch))
            await self._catch_up(batch)
            after = batch[-1]

    async def _link(self, submitted: Receipt) -> None:
        assert submitted.channel
        assert submitted.carrier_id
        remembered = self.correlation.remember(submitted.channel, submitted.carrier_id, submitted.to, submitted.job)
        for dlr, match in await remembered:
            with contextlib.suppress(StillInHand):  # whoever holds the job will come upon the delivery receipt
                await self.record_receipt.catch_up(dlr, match)

    async def _catch_up(self, batch: Sequence[Receipt]) -> None:
        filed = _filed(batch)
        for evidence in await self.store.evidence_about(batch):
            with contextlib.suppress(StillInHand):
                if match := self._match(evidence, filed):
                    await self.record_receipt.catch_up(evidence.dlr, match)

    def _match(self, evidence: Evidence, filed: dict[tuple[str, str], list[Link]]) -> Match | None:
        dlr = evidence.dlr
        among = [link for bucket in buckets(dlr.carrier_id) for link in filed.get((dlr.channel, bucket), ())]
        if evidence.job is None:
            return self.correlation.judge(among, dlr)
        own = next((link for link in among if (link.job, link.part) == (evidence.job, evidence.part)), None)
        return Match(own, evidence.rule or Rule.RAW) if own else None


def _filed(batch: Sequence[Receipt]) -> dict[tuple[str, str], list[Link]]:
    """The links of some messages by channel and bucket, newest first."""
    filed: defaultdict[tuple[str, str], list[Link]] = defaultdict(list)
    for receipt in reversed(batch):
        assert receipt.channel
        assert receipt.carrier_id
        for link in links(receipt.carrier_id, receipt.to, receipt.job):
            filed[receipt.channel, buckets(link.carrier_id)[0]].append(link)
            if low := pointer(link.carrier_id):
                filed[receipt.channel, low].append(link)
    return filed
