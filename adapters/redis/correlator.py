"""Which job a carrier means when it reports on its own message id, shared by all workers.

The id is whatever a carrier sends, so keys carry its digest: `…:{DIGEST}:c` links it to "RECIPIENT JOB", and
`…:{DIGEST}:p` parks delivery receipts that came before the link.
"""

from __future__ import annotations

import asyncio
from datetime import datetime  # noqa: TC003  (msgspec resolves it)
from secrets import token_hex
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from adapters.redis.recall import NoRecall
from adapters.redis.scripts import Call, digest, load
from engine.receipts import DeliveryReceipt, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.redis.connection import Connection
    from adapters.redis.recall import Recall

LIFE_MS = 96 * 3600 * 1000  #: a delivery receipt may come 72 h late
MAX_PARKED = 20  #: delivery receipts of one unknown id; the newest are kept
MAX_STATUS = 255  #: characters of a carrier's own status that are parked
RELINK_S = 600  #: for one worker to put links back after a loss; then another one tries
LOOK_EVERY_S = 5.0

REMEMBER = load("remember")
MATCH = load("match")


class _Parked(msgspec.Struct, frozen=True, array_like=True):
    state: State
    at: datetime
    code: str | None
    status: str


class RedisCorrelator:
    """The correlator of all workers that share a Redis."""

    def __init__(self, redis: Connection, prefix: str = "sms", recall: Recall | None = None) -> None:
        """Without `recall` what Redis forgets stays forgotten."""
        self._redis = redis
        self._prefix = prefix
        self._recall: Recall | NoRecall = recall or NoRecall(redis)
        self._relinking = b""
        self._token = token_hex(8).encode()

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

    async def forgotten(self) -> None:
        """Wait until Redis lost its memory, and until it is this worker's turn to put the links back."""
        while True:
            if await self._my_turn():
                return
            await asyncio.sleep(LOOK_EVERY_S)

    async def relinked(self) -> None:
        """The links are back in this memory of Redis."""
        await self._redis.ask(Call(("SET", f"{self._prefix}:relinked", self._relinking)))
        await self._redis.ask(Call(("DEL", f"{self._prefix}:relinking")))

    async def _my_turn(self) -> bool:
        self._relinking = self._recall.epoch.name
        if not self._recall.cold or await self._relinked():
            return False
        turn = f"{self._prefix}:relinking"
        await self._redis.ask(Call(("SET", turn, self._token, "NX", "EX", RELINK_S)))
        if await self._get(turn) != self._token:  # which also says so where SET was run twice
            return False
        if await self._relinked():  # by the one who had the turn until just now
            await self._redis.ask(Call(("DEL", turn)))
            return False
        return True

    async def _relinked(self) -> bool:
        return await self._get(f"{self._prefix}:relinked") == self._relinking

    async def _get(self, key: str) -> bytes | None:
        value: bytes | None = (await self._redis.ask(Call(("GET", key)))).value
        return value

    def _keys(self, channel: str, carrier_id: str) -> list[str]:
        message = digest(f"{channel}\x1f{carrier_id}")
        slot = f"{self._prefix}:{{{message}}}"
        return [f"{slot}:c", f"{slot}:p"]


def _read(parked: bytes, channel: str, carrier_id: str) -> DeliveryReceipt:
    found = msgspec.json.decode(parked, type=_Parked)
    return DeliveryReceipt(channel, carrier_id, found.state, found.at, found.code, found.status)
