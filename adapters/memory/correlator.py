"""Carriers' message ids and what is known of them, within one process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from adapters.memory.expiring import Expiring

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from engine.evidence import Link
    from engine.ports import Clock
    from engine.receipts import DeliveryReceipt, State

LIFE_S = 96 * 3600  #: a delivery receipt may come 72 h late
MAX_BUCKETS = 1_000_000  #: with links
MAX_LINKS = 8  #: of one bucket, where ids come round again; the newest are kept
MAX_UNKNOWN = 100_000  #: buckets that delivery receipts are parked in
MAX_PARKED = 20  #: delivery receipts in one of them; the newest are kept
MAX_TALLIES = 100_000


class MemoryCorrelator:
    """A correlator that is gone with the process."""

    def __init__(self, clock: Clock) -> None:
        self._links: Expiring[tuple[str, str], list[Link]] = Expiring(clock, MAX_BUCKETS)
        self._parked: Expiring[tuple[str, str], list[DeliveryReceipt]] = Expiring(clock, MAX_UNKNOWN)
        self._tallies: Expiring[UUID, dict[int, State]] = Expiring(clock, MAX_TALLIES)

    async def link(self, channel: str, bucket: str, link: Link) -> Sequence[DeliveryReceipt]:
        """File a link; answers what is parked in its bucket, also when asked again."""
        key = (channel, bucket)
        others = [each for each in self._links.get(key) or [] if each != link]
        self._links.put(key, [link, *others][:MAX_LINKS], LIFE_S)
        return list(self._parked.get(key) or [])

    async def look(self, bucket: str, dlr: DeliveryReceipt, known: Sequence[Link]) -> Sequence[Link]:
        """The links of a bucket; a delivery receipt that means none of them is parked there."""
        key = (dlr.channel, bucket)
        found = self._links.get(key) or []
        if found == list(known):
            others = [parked for parked in self._parked.get(key) or [] if parked != dlr]
            self._parked.put(key, [*others, dlr][-MAX_PARKED:], LIFE_S)
        return list(found)

    async def unpark(self, bucket: str, dlr: DeliveryReceipt) -> None:
        """Let a delivery receipt be parked there no longer."""
        key = (dlr.channel, bucket)
        if parked := self._parked.get(key):
            self._parked.put(key, [each for each in parked if each != dlr], LIFE_S)

    async def tally(self, job: UUID, part: int, state: State) -> Sequence[State]:
        """Note the final state of a part."""
        states = self._tallies.get(job) or {}
        states.setdefault(part, state)
        self._tallies.put(job, states, LIFE_S)
        return list(states.values())

    async def forgotten(self) -> None:
        """Nothing is ever forgotten that could be looked up again."""
        await asyncio.Event().wait()

    async def relinked(self) -> None:
        """Nobody is ever told to."""
