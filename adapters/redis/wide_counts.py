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
            job = str(claim.job)
            slot = f"{self._prefix}:{{{digest(charge.scope)}}}"
            logged = [window for window in charge.rule.windows if window.limit <= MAX_LOGGED]
            if logged:
                log = f"{slot}:w"
                yield _Count(charge.rule, CHARGE([log], [job, _text(logged)]), Call(("ZREM", log, job)))
            for window in charge.rule.windows:
                if window.limit > MAX_LOGGED:
                    keys = [f"{slot}:b:{window.seconds}", f"{slot}:m:{window.seconds}:{job}"]
                    yield _Count(
                        charge.rule, BUCKET_CHARGE(keys, [window.limit, window.seconds]), BUCKET_REFUND(keys, [])
                    )


def _text(windows: Iterable[Window]) -> str:
    """As `charge.lua` reads them: LIMIT/SECONDS, with blanks between."""
    return " ".join(f"{window.limit}/{window.seconds}" for window in windows)
