"""The counts that belong to no single number (`wide_counts.py`), read again once Redis forgot them (`recall.py`).

A log gets its jobs back, a bucket how many of them there were. Only what counts to them waits for that, for the message
store takes some 5 us for each message in a window: two minutes for 20 million.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

from adapters.redis.scripts import Call, load
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
EVERY = frozenset(Category)

BUCKET_RESTORE = load("bucket_restore")


class WideRecall:
    """Puts the counts of an installation's rules back."""

    def __init__(self, redis: Connection, prefix: str, store: MessageStore, rules: Iterable[Rule]) -> None:
        self._redis = redis
        self._prefix = prefix
        self._store = store
        self._rules = [rule for rule in rules if "to" not in rule.key]
        self._restored = f"{prefix}:wide-epoch"
        self._restoring = asyncio.Lock()
        self._complete = b""  #: the memory of Redis that is known to know everything

    async def put_back(self, epoch: bytes, until: datetime) -> None:
        """See that what was taken before `until` is known in this memory of Redis, which granted nothing before that.

        Several workers may do so at once.
        """
        async with self._restoring:
            if epoch != self._complete and (await self._redis.ask(Call(("GET", self._restored)))).value != epoch:
                for rule in self._rules:
                    await self._put(rule, until)
                await self._redis.ask(Call(("SET", self._restored, epoch)))
            self._complete = epoch

    async def _put(self, rule: Rule, until: datetime) -> None:
        logged, others = by_size(rule.windows)
        if logged:
            longest_s, most = max(window.seconds for window in logged), max(window.limit for window in logged)
            async for _, taken in self._taken(rule, longest_s, until, most):
                await self._tell(call for slot, parts in taken for call in _into_log(slot.log, parts, most, longest_s))
        for window in others:
            async for bucket, taken in self._taken(rule, window.seconds, until, 0):
                await self._tell(_into_bucket(slot.buckets(window), window, bucket, parts) for slot, parts in taken)

    async def _tell(self, calls: Iterable[Call]) -> None:
        await asyncio.gather(*(self._redis.ask(call) for call in calls))

    async def _taken(
        self, rule: Rule, span_s: int, until: datetime, each: int
    ) -> AsyncIterator[tuple[int, list[tuple[WideSlot, Sequence[Taken]]]]]:
        """What counts to a rule, hundredth by hundredth of a span, for the message store to answer each in time."""
        width = timedelta(seconds=span_s) / BUCKETS
        first = (until - EPOCH) // width - BUCKETS
        for bucket in range(first, first + BUCKETS + 1):
            since = EPOCH + bucket * width
            found: dict[str, list[Taken]] = defaultdict(list)
            for part in await self._store.taken(since, min(since + width, until), rule.categories or EVERY, each):
                for charge in charges_to((rule,), part.category, part.account, part.signature, part.template):
                    found[charge.scope].append(part)
            yield bucket, [(WideSlot(self._prefix, scope), parts) for scope, parts in found.items()]


def _into_log(log: str, parts: Sequence[Taken], most: int, longest_s: int) -> Iterator[Call]:
    last = chain.from_iterable(part.last for part in parts)
    words: list[Word] = [word for job, at in last for word in ((at - EPOCH) // MICROSECOND, str(job))]
    yield Call(("ZADD", log, *words))
    yield Call(("ZREMRANGEBYRANK", log, 0, -most - 1))
    yield Call(("PEXPIRE", log, longest_s * 1000 + 1000))


def _into_bucket(buckets: str, window: Window, bucket: int, parts: Sequence[Taken]) -> Call:
    return BUCKET_RESTORE([buckets], [window.seconds, bucket, sum(part.messages for part in parts)])
