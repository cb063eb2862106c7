"""Which job a carrier means when it reports on its own message id, shared by all workers.

The id is whatever a carrier sends, so keys carry its digest: `…:{DIGEST}:c` links it to "RECIPIENT JOB", and
`…:{DIGEST}:p` parks delivery receipts that came before the link.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  (msgspec resolves it)
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from adapters.redis.scripts import digest, load
from engine.receipts import DeliveryReceipt, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.redis.connection import Connection

LIFE_MS = 96 * 3600 * 1000  #: a delivery receipt may come 72 h late
MAX_PARKED = 20  #: delivery receipts of one unknown id; the newest are kept
MAX_STATUS = 255  #: characters of a carrier's own status that are parked

REMEMBER = load("remember")
MATCH = load("match")


class _Parked(msgspec.Struct, frozen=True, array_like=True):
    state: State
    at: datetime
    code: str | None
    status: str


class RedisCorrelator:
    """The correlator of all workers that share a Redis."""

    def __init__(self, redis: Connection, prefix: str = "sms") -> None:
        self._redis = redis
        self._prefix = prefix

    async def remember(self, channel: str, carrier_id: str, recipient: str, job: UUID) -> Sequence[DeliveryReceipt]:
        """Link a carrier's id to a job; answers what came before, also when asked again."""
        call = REMEMBER(self._keys(channel, carrier_id), [f"{recipient} {job}", LIFE_MS])
        return [_read(parked, channel, carrier_id) for parked in (await self._redis.ask(call)).value]

    async def match(self, dlr: DeliveryReceipt) -> tuple[str, UUID] | None:
        """The recipient and job of a delivery receipt; one of an unknown message is parked."""
        parked = msgspec.json.encode(_Parked(dlr.state, dlr.at, dlr.code, dlr.status[:MAX_STATUS]))
        call = MATCH(self._keys(dlr.channel, dlr.carrier_id), [parked, MAX_PARKED, LIFE_MS])
        link = (await self._redis.ask(call)).value
        if link is None:
            return None
        recipient, job = link.decode().split(" ")
        return recipient, UUID(job)

    def _keys(self, channel: str, carrier_id: str) -> list[str]:
        message = digest(f"{channel}\x1f{carrier_id}")
        slot = f"{self._prefix}:{{{message}}}"
        return [f"{slot}:c", f"{slot}:p"]


def _read(parked: bytes, channel: str, carrier_id: str) -> DeliveryReceipt:
    found = msgspec.json.decode(parked, type=_Parked)
    return DeliveryReceipt(channel, carrier_id, found.state, found.at, found.code, found.status)
