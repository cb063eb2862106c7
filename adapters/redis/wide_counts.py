"""Counts that belong to no single number, such as an account's daily quota: each lives in a slot of its own.

They are charged after the number's own, all at once; where one refuses, the ledger gives everything back. For that
moment another message may be refused that would have fitted, so the error is on the safe side.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from adapters.redis.scripts import Call, digest, load
from engine.claims import Limited

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapters.redis.connection import Connection
    from engine.claims import Claim
    from engine.limits import Rule, Window

MAX_LOGGED = 1000  #: a window with a larger limit is counted in buckets, for a log takes memory for each entry

CHARGE = load("clock", "charge")
BUCKET_CHARGE = load("clock", "bucket_refund", "bucket_charge")
BUCKET_REFUND = load("bucket_refund")

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class WideSlot(NamedTuple):
    """The keys of one count."""

    prefix: str
    scope: str  #: `Charge.scope`

    @property
    def log(self) -> str:
        """When which jobs were accepted (`charge.lua`)."""
        return f"{self._slot}:w"

    def buckets(self, window: Window) -> str:
        """How many were accepted in each hundredth of a window (`bucket_charge.lua`)."""
        return f"{self._slot}:b:{window.seconds}"

    def marker(self, window: Window, job: str) -> str:
        """In which bucket of a window a job was counted."""
        return f"{self._slot}:m:{window.seconds}:{job}"

    @property
    def _slot(self) -> str:
        return f"{self.prefix}:{{{digest(self.scope)}}}"


def by_size(windows: Iterable[Window]) -> tuple[list[Window], list[Window]]:
    """Those that are counted in a log, and those that are counted in buckets."""
    windows = list(windows)
    return [w for w in windows if w.limit <= MAX_LOGGED], [w for w in windows if w.limit > MAX_LOGGED]


class _Count(NamedTuple):
    rule: Rule
    charge: Call  #: answers 0, or when it would be admitted
    refund: Call


class WideCounts:
    """Charge and refund what lives outside the slot of a claim's number."""

    def __init__(self, redis: Connection, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    async def charge(self, claim: Claim) -> Limited | None:
        """Charge every count that admits the claim; where one does not, say which refuses longest.

        Then the others are the caller's to refund.
        """
        counts = list(self._counts(claim))
        if not counts:
            return None
        replies = await asyncio.gather(*(self._redis.ask(count.charge) for count in counts))
        rule, retry_at = max(
            ((c.rule, r.value) for c, r in zip(counts, replies, strict=True)), key=lambda found: found[1]
        )
        return Limited(rule, EPOCH + timedelta(microseconds=retry_at)) if retry_at else None

    async def refund(self, claim: Claim) -> None:
        """Give back what was charged; nothing where nothing was."""
        await asyncio.gather(*(self._redis.ask(count.refund) for count in self._counts(claim)))

    def _counts(self, claim: Claim) -> Iterator[_Count]:
        for charge in claim.charges:
            if charge.per_recipient:
                continue
            job, slot = str(claim.job), WideSlot(self._prefix, charge.scope)
            logged, others = by_size(charge.rule.windows)
            if logged:
                yield _Count(charge.rule, CHARGE([slot.log], [job, _text(logged)]), Call(("ZREM", slot.log, job)))
            for window in others:
                keys = [slot.buckets(window), slot.marker(window, job)]
                yield _Count(charge.rule, BUCKET_CHARGE(keys, [window.limit, window.seconds]), BUCKET_REFUND(keys, []))


def _text(windows: Iterable[Window]) -> str:
    """As `charge.lua` reads them: LIMIT/SECONDS, with blanks between."""
    return " ".join(f"{window.limit}/{window.seconds}" for window in windows)
