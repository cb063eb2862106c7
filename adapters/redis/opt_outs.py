"""Who wants no promotions, beside the ledger's records of the number. (the port `OptOuts`)

It lasts as long as Redis remembers. Of what Redis forgot nothing is granted before all opt-outs are back (`recall.py`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from adapters.redis.scripts import Call, load
from adapters.redis.slot import Slot
from adapters.redis.wide_counts import EPOCH, MICROSECOND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from adapters.redis.connection import Connection
    from adapters.redis.scripts import Word
    from engine.inbound_ports import ReplyStore
    from engine.opt_out import OptOut

PAGE = 2000  #: opt-outs put back with one question to the store

SETTLE = load("settle")


class RedisOptOuts:
    """What all workers that share a Redis know of opt-outs."""

    def __init__(
        self, redis: Connection, prefix: str, store: ReplyStore, *, assigned: Callable[[], Awaitable[None]]
    ) -> None:
        """`assigned` waits until the store has whatever inbound messages are waiting to be assigned."""
        self._redis = redis
        self._prefix = prefix
        self._store = store
        self._assigned = assigned
        self._restored = f"{prefix}:opt-outs-epoch"

    async def hold(self, recipient: str, message: UUID, save: Callable[[], Awaitable[None]]) -> None:
        """Save a message that may opt out, and have the recipient's promotions wait until it is settled.

        Whoever restores what Redis forgot waits for messages that are saved. So both are done again where Redis forgot
        in between, and it is never held up by a message that was settled before.
        """
        while True:
            before = await self._epoch()
            await self._redis.ask(Call(("SADD", Slot(self._prefix, recipient).held, str(message))))
            await save()
            if await self._epoch() == before:
                return

    async def settle(self, recipient: str, known: Sequence[OptOut], message: UUID | None = None) -> None:
        """From now on this is what the ledger goes by, where it is newer; the message holds nothing up any more."""
        slot = Slot(self._prefix, recipient)
        words: list[Word] = [word for each in known for word in (each.account, _said_us(each))]
        await self._redis.ask(SETTLE([slot.opt_outs, slot.held], [str(message or ""), *words]))

    async def put_back(self, epoch: bytes, *, lost: bool) -> None:
        """See that every opt-out is known in this memory of Redis; several workers may do so at once."""
        if await self._is_restored(epoch):
            return
        if lost:
            await self._store.standing(None, 1)  # whoever assigns may have waited for it, with what they took
            await self._assigned()
        after = None
        while page := await self._store.standing(after, PAGE):
            await asyncio.gather(*(self.settle(opt_out.recipient, [opt_out]) for opt_out in page))
            after = page[-1]
            if await self._is_restored(epoch):  # another worker was quicker
                return
        await self._redis.ask(Call(("SET", self._restored, epoch)))

    async def _is_restored(self, epoch: bytes) -> bool:
        return bool((await self._redis.ask(Call(("GET", self._restored)))).value == epoch)

    async def _epoch(self) -> bytes:
        name: bytes = (await self._redis.epoch()).value[0]
        return name


def _said_us(opt_out: OptOut) -> int:
    return -_us(opt_out.lifted_at) if opt_out.lifted_at is not None else _us(opt_out.since)


def _us(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND
