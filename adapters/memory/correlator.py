"""Which job a carrier means when it reports on its own message id, within one process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from adapters.memory.expiring import Expiring

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from engine.ports import Clock
    from engine.receipts import DeliveryReceipt

LIFE_S = 96 * 3600  #: a delivery receipt may come 72 h late
MAX_LINKS = 1_000_000
MAX_UNKNOWN = 100_000  #: ids that delivery receipts are parked for
MAX_PARKED = 20  #: delivery receipts of one unknown id; the newest are kept


class MemoryCorrelator:
    """A correlator that is gone with the process."""

    def __init__(self, clock: Clock) -> None:
        self._links: Expiring[tuple[str, str], tuple[str, UUID]] = Expiring(clock, MAX_LINKS)
        self._parked: Expiring[tuple[str, str], list[DeliveryReceipt]] = Expiring(clock, MAX_UNKNOWN)

    async def remember(self, channel: str, carrier_id: str, recipient: str, job: UUID) -> Sequence[DeliveryReceipt]:
        """Link a carrier's id to a job; answers what came before, also when asked again."""
        self._links.put((channel, carrier_id), (recipient, job), LIFE_S)
        return self._parked.get((channel, carrier_id)) or []

    async def match(self, dlr: DeliveryReceipt) -> tuple[str, UUID] | None:
        """The recipient and job of a delivery receipt; one of an unknown message is parked."""
        key = (dlr.channel, dlr.carrier_id)
        link = self._links.get(key)
        if link is None:
            others = [parked for parked in self._parked.get(key) or [] if parked != dlr]
            self._parked.put(key, [*others, dlr][-MAX_PARKED:], LIFE_S)
        return link

    async def forgotten(self) -> None:
        """Nothing is ever forgotten that could be looked up again."""
        await asyncio.Event().wait()

    async def relinked(self) -> None:
        """Nobody is ever told to."""
