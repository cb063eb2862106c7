"""Who holds a job, what became of it, and what its number was charged: each act is one script.

All of a number lives in one slot, by the hash tag `{NUMBER}`: `…:j:JOB` is a job's record (`record.lua`), `…:l:SCOPE`
the log of one charge (`windows.lua`).
"""

from __future__ import annotations

from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING

from adapters.redis.scripts import digest, load
from adapters.redis.wide_counts import EPOCH, WideCounts, windows_text
from adapters.wire import decode_receipt, encode_receipt
from engine.ports import Abandoned, Busy, Done, Granted, Limited

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from adapters.redis.connection import Connection
    from engine.limits import Charge
    from engine.ports import Claim, Verdict
    from engine.receipts import Receipt

BEGIN = load("clock", "record", "windows", "begin")
FINISH = load("record", "merge", "finish")
RELEASE = load("record", "release")
ADVANCE = load("clock", "record", "merge", "advance")
FIND = load("record", "find")


class RedisLedger:
    """The ledger of all workers that share a Redis."""

    def __init__(self, redis: Connection, prefix: str = "sms") -> None:
        self._redis = redis
        self._prefix = prefix
        self._wide = WideCounts(redis, prefix)

    async def begin(self, claim: Claim) -> Verdict:
        """Lease a job and charge its limits, those that are no single number's last."""
        token, own = token_hex(8), _own(claim.charges)
        windows = [windows_text(charge.rule.windows) for charge in own]
        visibility_ms = round(claim.visibility_s * 1000)
        call = BEGIN(self._keys(claim), (str(claim.job), token, visibility_ms, *windows))
        reply = await self._redis.ask(call)
        match reply.value:
            case [b"GRANTED", fence, attempts, left_ms]:
                grant = Granted(claim, token, fence, attempts, reply.asked_at + left_ms / 1000)
                return await self._charge_wide(grant)
            case [b"LIMITED", nth, retry_at]:
                return Limited(own[nth - 1].rule, EPOCH + timedelta(microseconds=retry_at))
            case [b"BUSY", wait_ms]:
                return Busy(wait_ms / 1000)
            case [b"DONE", receipt]:
                return Done(decode_receipt(receipt))
            case [b"ABANDONED", attempts]:
                return Abandoned(attempts)
        raise AssertionError("begin.lua answers nothing else")

    async def finish(self, grant: Granted, receipt: Receipt) -> Receipt | None:
        """End the lease with what became of the job."""
        claim = grant.claim
        encoded = encode_receipt(receipt)
        args = (str(claim.job), grant.token, *_facts(receipt, encoded))
        reply = await self._redis.ask(FINISH(self._keys(claim), args))
        if reply.value is None:
            return None
        standing = receipt if reply.value == encoded else decode_receipt(reply.value)
        if not receipt.taken and not standing.taken:
            await self._wide.refund(claim)
        return standing

    async def release(self, grant: Granted, attempts: int) -> None:
        """End the lease of a job that no carrier took."""
        claim = grant.claim
        args = (str(claim.job), grant.token, attempts)
        if (await self._redis.ask(RELEASE(self._keys(claim), args))).value:
            await self._wide.refund(claim)

    async def advance(self, recipient: str, receipt: Receipt) -> Receipt | None:
        """Merge later evidence."""
        encoded = encode_receipt(receipt)
        reply = await self._redis.ask(ADVANCE([self._record(recipient, receipt.job)], _facts(receipt, encoded)))
        if reply.value is None:
            return None
        return receipt if reply.value == encoded else decode_receipt(reply.value)

    async def find(self, recipient: str, job: UUID) -> Receipt | None:
        """The receipt that stands."""
        found = (await self._redis.ask(FIND([self._record(recipient, job)], []))).value
        return decode_receipt(found) if found is not None else None

    async def _charge_wide(self, grant: Granted) -> Granted | Limited:
        limited = await self._wide.charge(grant.claim)
        if limited is not None:
            await self.release(grant, grant.attempts)
        return limited or grant

    def _keys(self, claim: Claim) -> list[str]:
        logs = [f"{self._prefix}:{{{claim.recipient}}}:l:{digest(charge.scope)}" for charge in _own(claim.charges)]
        return [self._record(claim.recipient, claim.job), *logs]

    def _record(self, recipient: str, job: UUID) -> str:
        return f"{self._prefix}:{{{recipient}}}:j:{job}"


def _own(charges: Iterable[Charge]) -> list[Charge]:
    return [charge for charge in charges if charge.per_recipient]


def _facts(receipt: Receipt, encoded: bytes) -> tuple[int, int, int, bytes]:
    """A receipt as `merge.lua` takes it."""
    return receipt.rank, int(receipt.taken), int(receipt.final), encoded
