"""Which message does a delivery receipt mean, however its id is written, and whichever of the two came first?"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from engine.carrier_ids import Notation, Rule, bounded, buckets, pointer
from engine.evidence import choose, combined, links, number_told
from engine.receipts import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence
    from uuid import UUID

    from engine import ports
    from engine.evidence import Link, Match
    from engine.receipts import DeliveryReceipt

T = TypeVar("T")


class Correlation:
    """Links messages and delivery receipts over what all workers share, and learns how each carrier writes its ids."""

    def __init__(self, correlator: ports.Correlator) -> None:
        self._correlator = correlator
        self._notations: defaultdict[str, Notation] = defaultdict(Notation)

    async def remember(
        self, channel: str, carrier_id: str, recipient: str, job: UUID
    ) -> Sequence[tuple[DeliveryReceipt, Match]]:
        """Link a carrier's id, or its ids of the parts, to a job; answers what came before, also when asked again.

        What was dealt with has to be `forget`ed, lest it be taken for word of a later message with the same id.
        """
        notation = self._notations[channel]
        filed = [(bucket, link) for link in links(carrier_id, recipient, job) for bucket in _places(link, notation)]
        parked = await _all([self._correlator.link(channel, bucket, link) for bucket, link in filed])
        early: dict[DeliveryReceipt, Match] = {}
        for (_, link), came in zip(filed, parked, strict=True):
            for dlr in came:
                if match := choose([link], dlr, notation):
                    early.setdefault(dlr, match)
        for dlr, match in early.items():
            notation.matched(match.rule, number_told(match.link, dlr))
        return list(early.items())

    async def match(self, dlr: DeliveryReceipt, *, anywhere: bool) -> Match | None:
        """The message that is meant; a delivery receipt of an unknown one is parked until it is known.

        It takes one look in nearly every case. Unless the carrier is known to convert its ids, it is looked for
        `anywhere` only on demand: a receipt that is early should not be taken for another message's.
        """
        dlr, notation = _bounded(dlr), self._notations[dlr.channel]
        home, *others = buckets(dlr.carrier_id)
        found = await self._look(home, dlr, notation)
        if found is None and others and (anywhere or (notation.last is not None and notation.last.converts)):
            elsewhere = await _all([self._look(bucket, dlr, notation) for bucket in others])
            found = choose([match.link for match in elsewhere if match], dlr, notation)
            if found is not None:
                await self.forget(dlr)
        if found is not None:
            notation.matched(found.rule, number_told(found.link, dlr))
        elif anywhere:
            notation.missed()
        return found

    def judge(self, among: Sequence[Link], dlr: DeliveryReceipt) -> Match | None:
        """Which of some links, newest first, a delivery receipt means."""
        return choose(among, dlr, self._notations[dlr.channel])

    async def state(self, dlr: DeliveryReceipt, match: Match) -> State:
        """What a delivery receipt makes of its message: of one in parts `SUBMITTED` until they settle it together.

        The first final word on a part counts, and one that does not say what they come to settles nothing.
        """
        if match.link.parts == 1 or dlr.state is State.SUBMITTED:
            return dlr.state
        states = await self._correlator.tally(match.link.job, match.link.part, dlr.state)
        together = combined(states, match.link.parts)
        return together if together is dlr.state else State.SUBMITTED

    async def forget(self, dlr: DeliveryReceipt) -> None:
        """A delivery receipt has found its message: let it be parked nowhere."""
        dlr = _bounded(dlr)
        await _all([self._correlator.unpark(bucket, dlr) for bucket in buckets(dlr.carrier_id)])

    async def _look(self, bucket: str, dlr: DeliveryReceipt, notation: Notation) -> Match | None:
        known: Sequence[Link] = ()
        while True:
            found = await self._correlator.look(bucket, dlr, known)
            if match := choose(found, dlr, notation):
                return match
            if found == known:
                return None
            known = found


def _places(link: Link, notation: Notation) -> Iterable[str]:
    """Where a link is filed: hardly ever in two places, for a carrier that may tell the low 32 bits of its ids only."""
    yield buckets(link.carrier_id)[0]
    low = pointer(link.carrier_id)
    if low is not None and (not notation.settled or notation.last is Rule.LOW_32_BITS):
        yield low


def _bounded(dlr: DeliveryReceipt) -> DeliveryReceipt:
    carrier_id = bounded(dlr.carrier_id)
    return dlr if carrier_id == dlr.carrier_id else dlr._replace(carrier_id=carrier_id)


async def _all(questions: Sequence[Awaitable[T]]) -> Sequence[T]:
    """The answers to questions asked at once; one alone is spared a task of its own."""
    return [await questions[0]] if len(questions) == 1 else await asyncio.gather(*questions)
