"""The counts that belong to no single number (`wide_counts.py`), read again once Redis forgot them (`recall.py`).

A log gets its jobs back, a bucket how many of them there were. Only what counts to a rule waits for that, for the
message store takes some 5 us for each message in its windows: two minutes for 20 million.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from itertools import chain
from secrets import token_hex
from typing import TYPE_CHECKING

from adapters.redis.scripts import Call, digest, load
from adapters.redis.wide_counts import EPOCH, MICROSECOND, WideSlot, by_size
from engine.limits import charges_to
from engine.message import Category

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
    from datetime import datetime

    from adapters.redis.connection import Connection
    from adapters.redis.scripts import Word
    from engine.limits import Rule, Taken, Window
    from engine.ports import MessageStore

BUCKETS = 100  #: of a window, as in `bucket_charge.lua`
PIECE = timedelta(minutes=5)  #: that the message store is asked about at once, for it to answer in time
EVERY = frozenset(Category)
TURN_S = 60  #: for one worker to go on; then another tries
LOOK_EVERY_S = 0.5

BUCKET_RESTORE = load("bucket_restore")


class WideRecall:
    """Puts the counts of rules back, each by one worker."""

    def __init__(self, redis: Connection, prefix: str, store: MessageStore) -> None:
        self._redis = redis
        self._prefix = prefix
        self._store = store
        self._token = token_hex(8).encode()
        self._restoring: dict[Rule, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._complete: dict[Rule, bytes] = {}  #: the memory of Redis that is known to know everything

    async def put_back(self, rule: Rule, epoch: bytes, until: datetime) -> None:
        """See that this memory of Redis, which granted nothing before `until`, knows what was taken before that."""
        restored, turn = (f"{self._prefix}:wide-{name}:{digest(rule.name)}" for name in ("epoch", "turn"))
        async with self._restoring[rule]:
            while self._complete.get(rule) != epoch:
                if await self._get(restored) == epoch:
                    self._complete[rule] = epoch
                elif await self._is_mine(turn):
                    await self._put(rule, until, turn)
                    await self._redis.ask(Call(("SET", restored, epoch)))
                    await self._redis.ask(Call(("DEL", turn)))
                else:
                    await asyncio.sleep(LOOK_EVERY_S)

    async def _is_mine(self, turn: str) -> bool:
        await self._redis.ask(Call(("SET", turn, self._token, "NX", "EX", TURN_S)))
        return await self._get(turn) == self._token

    async def _get(self, key: str) -> bytes | None:
        value: bytes | None = (await self._redis.ask(Call(("GET", key)))).value
        return value

    async def _put(self, rule: Rule, until: datetime, turn: str) -> None:
        logged, others = by_size(rule.windows)
        if logged:
            longest_s, most = max(window.seconds for window in logged), max(window.limit for window in logged)
            async for _, taken in self._taken(rule, longest_s, until, most, turn):
                await self._tell(call for slot, parts in taken for call in _into_log(slot.log, parts, most, longest_s))
        for window in others:
            async for bucket, taken in self._taken(rule, window.seconds, until, 0, turn):
                await self._tell(_into_bucket(slot.buckets(window), window, bucket, parts) for slot, parts in taken)

    async def _tell(self, calls: Iterable[Call]) -> None:
        await asyncio.gather(*(self._redis.ask(call) for call in calls))

    async def _taken(
        self, rule: Rule, span_s: int, until: datetime, each: int, turn: str
    ) -> AsyncIterator[tuple[int, list[tuple[WideSlot, Sequence[Taken]]]]]:
        """What counts to a rule, hundredth by hundredth of a span."""
        width = timedelta(seconds=span_s) / BUCKETS
        first = (until - EPOCH) // width - BUCKETS
        for bucket in range(first, first + BUCKETS + 1):
            found: dict[str, list[Taken]] = defaultdict(list)
            at, end = EPOCH + bucket * width, min(EPOCH + (bucket + 1) * width, until)
            while at < end:
                piece_end = min(at + PIECE, end)
                for part in await self._store.taken(at, piece_end, rule.categories or EVERY, each):
                    for charge in charges_to((rule,), part.category, part.account, part.signature, part.template):
                        found[charge.scope].append(part)
                await self._redis.ask(Call(("SET", turn, self._token, "EX", TURN_S)))
                at = piece_end
            yield bucket, [(WideSlot(self._prefix, scope), parts) for scope, parts in found.items()]


def _into_log(log: str, parts: Sequence[Taken], most: int, longest_s: int) -> Iterator[Call]:
    last = chain.from_iterable(part.last for part in parts)
    words: list[Word] = [word for job, at in last for word in ((at - EPOCH) // MICROSECOND, str(job))]
    yield Call(("ZADD", log, "GT", *words))  # what was granted since is there already
    yield Call(("ZREMRANGEBYRANK", log, 0, -most - 1))
    yield Call(("PEXPIRE", log, longest_s * 1000 + 1000))


def _into_bucket(buckets: str, window: Window, bucket: int, parts: Sequence[Taken]) -> Call:
    return BUCKET_RESTORE([buckets], [window.seconds, bucket, sum(part.messages for part in parts)])
