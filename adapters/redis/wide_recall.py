"""The counts that belong to no single number (`wide_counts.py`), read again once Redis forgot them (`recall.py`).

A log gets its jobs back, a bucket how many of them there were. All are back before anything is granted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from adapters.redis.scripts import Call, load
from adapters.redis.wide_counts import EPOCH, MICROSECOND, WideSlot, by_size
from engine.limits import charges_to
from engine.message import Category

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from adapters.redis.connection import Connection
    from adapters.redis.scripts import Word
    from engine.limits import Rule, Window
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

    async def put_back(self, epoch: bytes, until: datetime) -> None:
        """See that what was taken before `until` is known in this memory of Redis, which granted nothing before that.

        Several workers may do so at once.
        """
        if not self._rules or (await self._redis.ask(Call(("GET", self._restored)))).value == epoch:
            return
        for rule in self._rules:
            logged, others = by_size(rule.windows)
            if logged:
                await self._put_log(rule, logged, until)
            for window in others:
                await self._put_buckets(rule, window, until)
        await self._redis.ask(Call(("SET", self._restored, epoch)))

    async def _put_log(self, rule: Rule, windows: Sequence[Window], until: datetime) -> None:
        longest_s, most = max(window.seconds for window in windows), max(window.limit for window in windows)
        since = until - timedelta(seconds=longest_s)
        entries: dict[str, list[Word]] = defaultdict(list)
        for r in await self._store.last_taken(since, until, most, rule.categories or EVERY):
            at_us = ((r.submitted_at or r.at) - EPOCH) // MICROSECOND
            for charge in charges_to((rule,), r.category, r.account, r.signature, r.template):
                entries[WideSlot(self._prefix, charge.scope).log] += at_us, str(r.job)
        for log, found in entries.items():
            await self._redis.ask(Call(("ZADD", log, "NX", *found)))  # what Redis did not forget stands
            await self._redis.ask(Call(("PEXPIRE", log, longest_s * 1000 + 1000)))

    async def _put_buckets(self, rule: Rule, window: Window, until: datetime) -> None:
        span = timedelta(seconds=window.seconds)
        counts: dict[str, Counter[int]] = defaultdict(Counter)
        for each in await self._store.taken(until - span, until, span / BUCKETS, rule.categories or EVERY):
            for charge in charges_to((rule,), each.category, each.account, each.signature, each.template):
                counts[WideSlot(self._prefix, charge.scope).buckets(window)][each.nth] += each.messages
        for buckets, found in counts.items():
            words: list[Word] = [word for bucket in found.items() for word in bucket]
            await self._redis.ask(BUCKET_RESTORE([buckets], [window.seconds, *words]))
