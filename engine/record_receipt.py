"""A carrier reported on a message it had accepted: find the job, merge, tell, and keep what told nothing new."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import events, receipts
from engine.evidence import Evidence
from engine.receipts import State

if TYPE_CHECKING:
    from engine import ports
    from engine.correlation import Correlation
    from engine.evidence import Match
    from engine.receipts import DeliveryReceipt, Receipt


LOOK_AGAIN_S = 0.05


class StillInHand(Exception):  # noqa: N818  (a state of affairs, not an error)
    """A worker holds the job just now; the carrier shall report again in a moment."""


@dataclass(frozen=True, slots=True)
class RecordReceipt:
    """Publish what a delivery receipt changes. Returns once that is safe, so that the carrier may be answered."""

    correlation: Correlation
    ledger: ports.Ledger
    store: ports.MessageStore
    publisher: ports.ReceiptPublisher
    log: ports.EvidenceLog
    clock: ports.Clock
    telemetry: ports.Telemetry
    health: ports.HealthBoard
    looks: int = 1  #: for the message of a delivery receipt, before it stays parked

    async def __call__(self, dlr: DeliveryReceipt) -> None:
        """Take a delivery receipt off a channel: it changes its job, or it is kept as evidence, if need be for nobody.

        Raises:
            StillInHand: the job cannot be changed at this moment.
        """
        match = await self._match(dlr)
        rule = match.rule if match else None
        self.telemetry.emit(events.DeliveryReceiptSeen(dlr.channel, dlr.status, match is not None, rule))
        if match is None or not await self.apply(dlr, match):
            await self._keep(dlr, match)

    async def catch_up(self, dlr: DeliveryReceipt, match: Match) -> None:
        """Take a delivery receipt whose message was unknown when it came.

        Raises:
            StillInHand: the job cannot be changed at this moment; the delivery receipt stays parked.
        """
        await self.apply(dlr, match)
        await self._keep(dlr, match)
        await self.correlation.forget(dlr)

    async def apply(self, dlr: DeliveryReceipt, match: Match) -> bool:
        """Merge a delivery receipt into a job's record and publish what stands; whether that was news.

        Raises:
            StillInHand: the job cannot be changed at this moment.
        """
        link = match.link
        known = await self.ledger.find(link.recipient, link.job) or await self.store.latest(link.job)
        if known is None or (state := await self.correlation.state(dlr, match)) is State.SUBMITTED:
            return False
        word = dlr._replace(state=state, carrier_id=_whole_id(known, dlr.channel, link.carrier_id))
        standing = await self.ledger.advance(link.recipient, receipts.advance(known, word))
        if standing is None:
            raise StillInHand
        if known.state is State.SUBMITTED and standing.final and known.channel == dlr.channel:
            self.health.reported(known, word)
        if standing.state is not state:
            return False
        await self.publisher.publish(standing)  # also on a repeat: the first may have died before it was published
        age_s = (self.clock.now() - standing.enqueued_at).total_seconds()
        repeated = standing.repeats(known)
        self.telemetry.emit(events.Reported(standing, age_s, repeated))
        return not repeated

    async def _match(self, dlr: DeliveryReceipt) -> Match | None:
        """The message meant, waiting a moment for one whose submit is just being answered.

        The carrier waits as long: a link that comes later finds it parked, but only for as long as nothing is lost.
        """
        for _ in range(self.looks - 1):
            if found := await self.correlation.match(dlr, anywhere=False):
                return found
            await asyncio.sleep(LOOK_AGAIN_S)
        return await self.correlation.match(dlr, anywhere=True)

    async def _keep(self, dlr: DeliveryReceipt, match: Match | None) -> None:
        now = self.clock.now()
        if match is None:
            return await self.log.put(Evidence(dlr, now))
        part = match.link.part if match.link.parts > 1 else None
        await self.log.put(Evidence(dlr, now, match.link.job, match.rule, part))


def _whole_id(known: Receipt, channel: str, carrier_id: str) -> str:
    """The id that a job's receipts show: that of all its parts where this is one of them."""
    if known.channel == channel and known.carrier_id and carrier_id in known.carrier_id.split(" "):
        return known.carrier_id
    return carrier_id
