"""Carriers' message ids and what is known of them, shared by all workers.

Channel and bucket may hold any characters, so keys carry their digest: `…:{DIGEST}:l` has a line for each link of the
bucket, newest first, and `…:{DIGEST}:d` parks the delivery receipts that mean none of them.
"""

from __future__ import annotations

import asyncio
from datetime import datetime  # noqa: TC003  (msgspec resolves it)
from secrets import token_hex
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote
from uuid import UUID

import msgspec

from adapters.redis.recall import NoRecall
from adapters.redis.scripts import Call, digest, load
from engine.evidence import Link
from engine.receipts import DeliveryReceipt, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.redis.connection import Connection
    from adapters.redis.recall import Recall
    from adapters.redis.scripts import Word

LIFE_MS = 96 * 3600 * 1000  #: a delivery receipt may come 72 h late
MAX_LINKS = 8  #: of one bucket, where ids come round again; the newest are kept
MAX_PARKED = 20  #: delivery receipts in one bucket; the newest are kept
MAX_STATUS = 255  #: characters of a carrier's own status that are parked
RELINK_S = 600  #: for one worker to put links back after a loss; then another one tries
LOOK_EVERY_S = 5.0

LINK = load("link")
LOOK = load("look")
TALLY = load("tally")


class _Parked(msgspec.Struct, frozen=True, array_like=True):
    state: State
    at: datetime
    code: str | None
    status: str
    carrier_id: str  #: quoted, for JSON does not take every character
    to: str | None


class RedisCorrelator:
    """The correlator of all workers that share a Redis."""

    def __init__(self, redis: Connection, prefix: str = "sms", recall: Recall | None = None) -> None:
        """Without `recall` what Redis forgets stays forgotten."""
        self._redis = redis
        self._prefix = prefix
        self._recall: Recall | NoRecall = recall or NoRecall(redis)
        self._relinking = b""
        self._token = token_hex(8).encode()

    async def link(self, channel: str, bucket: str, link: Link) -> Sequence[DeliveryReceipt]:
        """File a link; answers what is parked in its bucket, also when asked again."""
        call = LINK(self._keys(channel, bucket), [_line(link), MAX_LINKS, LIFE_MS])
        return [_read(parked, channel) for parked in (await self._redis.ask(call)).value]

    async def look(self, bucket: str, dlr: DeliveryReceipt, known: Sequence[Link]) -> Sequence[Link]:
        """The links of a bucket; a delivery receipt that means none of them is parked there."""
        args: list[Word] = ["\n".join(map(_line, known)), _parked(dlr), MAX_PARKED, LIFE_MS]
        lines = (await self._redis.ask(LOOK(self._keys(dlr.channel, bucket), args))).value
        return [_link(line) for line in lines.decode().splitlines()]

    async def unpark(self, bucket: str, dlr: DeliveryReceipt) -> None:
        """Let a delivery receipt be parked there no longer."""
        _, parked = self._keys(dlr.channel, bucket)
        await self._redis.ask(Call(("LREM", parked, 0, _parked(dlr))))

    async def tally(self, job: UUID, part: int, state: State) -> Sequence[State]:
        """Note the final state of a part."""
        states = (await self._redis.ask(TALLY([f"{self._prefix}:{{{job}}}:t"], [part, state.value, LIFE_MS]))).value
        return [State(each.decode()) for each in states]

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

    def _keys(self, channel: str, bucket: str) -> list[str]:
        name = digest(f"{channel}\x1f{bucket}")
        slot = f"{self._prefix}:{{{name}}}"
        return [f"{slot}:l", f"{slot}:d"]


def _line(link: Link) -> str:
    return f"{_quoted(link.carrier_id)} {link.recipient} {link.job} {link.part} {link.parts}"


def _link(line: str) -> Link:
    carrier_id, about = line.split(" ", 1)
    recipient, job, part, parts = about.rsplit(" ", 3)
    return Link(_unquoted(carrier_id), recipient, UUID(job), int(part), int(parts))


def _parked(dlr: DeliveryReceipt) -> bytes:
    carrier_id = _quoted(dlr.carrier_id)
    return msgspec.json.encode(_Parked(dlr.state, dlr.at, dlr.code, dlr.status[:MAX_STATUS], carrier_id, dlr.to))


def _read(parked: bytes, channel: str) -> DeliveryReceipt:
    found = msgspec.json.decode(parked, type=_Parked)
    carrier_id = _unquoted(found.carrier_id)
    return DeliveryReceipt(channel, carrier_id, found.state, found.at, found.code, found.status, found.to)


def _quoted(carrier_id: str) -> str:
    if carrier_id.isascii() and carrier_id.isalnum():  # as nearly all are
        return carrier_id
    return quote(carrier_id, errors="surrogatepass")


def _unquoted(carrier_id: str) -> str:
    return unquote(carrier_id, errors="surrogatepass")
