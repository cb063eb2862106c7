"""Who holds a job, what became of it, and what its number was charged: each act is one script.

All of a number lives in one slot (`slot.py`). The epoch does not: in a Redis Cluster each node would need its own.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from secrets import token_urlsafe
from typing import TYPE_CHECKING, NamedTuple

from adapters.redis.kept import facts, kept
from adapters.redis.recall import ADVANCE, NoRecall
from adapters.redis.scripts import load
from adapters.redis.slot import Slot, logs
from adapters.redis.wide_counts import EPOCH, WideCounts
from engine.claims import Abandoned, Busy, Done, Granted, Limited, OptedOut

if TYPE_CHECKING:
    from uuid import UUID

    from adapters.redis.connection import Connection, Reply
    from adapters.redis.recall import Recall
    from engine.claims import Claim, Verdict
    from engine.receipts import Receipt

BEGIN = load("clock", "record", "logs", "opt_outs", "begin")
FINISH = load("clock", "record", "merge", "logs", "finish")
RELEASE = load("record", "logs", "release")
REOPEN = load("record", "reopen")
FIND = load("record", "find")
PEEK = load("clock", "record", "peek")


class Standing(NamedTuple):
    """How a job stands in the ledger."""

    fence: int  #: how often it was granted
    attempts: int  #: submits under grants that were given back
    lease_s: float | None  #: left of the grant that is out; negative where its worker never came back
    receipt: Receipt | None


class RedisLedger:
    """The ledger of all workers that share a Redis."""

    def __init__(self, redis: Connection, prefix: str = "sms", recall: Recall | None = None) -> None:
        """Without `recall` what Redis forgets stays forgotten."""
        self._redis = redis
        self._prefix = prefix
        self._recall: Recall | NoRecall = recall or NoRecall(redis)
        self._wide = WideCounts(redis, prefix)
        self._name, self._grants = token_urlsafe(6), count()  #: a grant's token is unique by both

    async def begin(self, claim: Claim) -> Verdict:
        """Lease a job and charge its limits, those that are no single number's last."""
        reply, token = await self._begin(claim)
        match reply.value:
            case [b"GRANTED", fence, attempts, left_ms]:
                grant = Granted(claim, token, fence, attempts, reply.asked_at + left_ms / 1000)
                return await self._charge_wide(grant)
            case [b"LIMITED", nth, retry_at]:
                own = [charge for charge in claim.charges if charge.per_recipient]
                return Limited(own[nth - 1].rule, EPOCH + timedelta(microseconds=retry_at))
            case [b"BUSY", wait_ms]:
                return Busy(wait_ms / 1000)
            case [b"OPTED_OUT"]:
                return OptedOut()
            case [b"DONE", receipt]:
                return Done(kept(receipt))
            case [b"ABANDONED", attempts]:
                return Abandoned(attempts)
        raise AssertionError("begin.lua answers nothing else")

    async def _begin(self, claim: Claim) -> tuple[Reply, str]:
        """What `begin.lua` answers, and the token it was asked under, once Redis remembers enough to judge."""
        slot, token = Slot(self._prefix, claim.recipient), f"{self._name}{next(self._grants):x}"
        usual = [slot.record(claim.job), self._redis.epoch_key, slot.logs]
        visibility_ms = round(claim.visibility_s * 1000)
        told = claim.job.bytes, logs(claim.charges), str(claim.despite or ""), claim.promotes or ""
        while True:
            epoch, cold = self._recall.epoch, self._recall.cold
            if cold:  # now, for once it is leased the job must not wait
                await self._recall.restore_wide(epoch, claim.charges)
            keys = [*usual, slot.restored, slot.opt_outs, slot.held] if cold or claim.promotes else usual
            args = (token, visibility_ms, epoch.name, self._redis.latest_us(), *told, int(cold))
            reply = await self._redis.ask(BEGIN(keys, args))
            match reply.value:
                case [b"EPOCH"]:
                    await self._recall.learn(epoch)
                case [b"COLD"]:
                    await self._recall.restore(claim.recipient)
                case [b"LATE"]:
                    await self._redis.wait_for_clock()
                case _:
                    return reply, token

    async def finish(self, grant: Granted, receipt: Receipt) -> Receipt | None:
        """End the lease with what became of the job."""
        claim = grant.claim
        args = (grant.token, *facts(receipt), claim.job.bytes, logs(claim.charges))
        standing = _standing(receipt, (await self._redis.ask(FINISH(self._keys(claim), args))).value)
        if standing and not standing.taken and not receipt.taken:
            await self._wide.refund(claim)
        return standing

    async def release(self, grant: Granted, attempts: int) -> None:
        """End the lease of a job that no carrier took."""
        claim = grant.claim
        args = (grant.token, attempts, claim.job.bytes)
        if (await self._redis.ask(RELEASE(self._keys(claim), args))).value:
            await self._wide.refund(claim)

    async def advance(self, recipient: str, receipt: Receipt) -> Receipt | None:
        """Merge later evidence."""
        call = ADVANCE([Slot(self._prefix, recipient).record(receipt.job)], facts(receipt))
        return _standing(receipt, (await self._redis.ask(call)).value)

    async def reopen(self, recipient: str, unknown: Receipt) -> bool:
        """Forget an unknown outcome of a message that was surely not sent."""
        args = (str(unknown.id), unknown.attempts)
        return bool((await self._redis.ask(REOPEN([Slot(self._prefix, recipient).record(unknown.job)], args))).value)

    async def find(self, recipient: str, job: UUID) -> Receipt | None:
        """The receipt that stands."""
        found = (await self._redis.ask(FIND([Slot(self._prefix, recipient).record(job)], []))).value
        return kept(found) if found is not None else None

    async def peek(self, recipient: str, job: UUID) -> Standing | None:
        """What is known of a job, for people; None where nothing is."""
        reply = await self._redis.ask(PEEK([Slot(self._prefix, recipient).record(job)], []))
        fence, attempts, left_ms, receipt = reply.value
        if not fence and not receipt:
            return None
        lease_s = left_ms / 1000 if isinstance(left_ms, int) else None
        return Standing(fence, attempts, lease_s, kept(receipt) if receipt else None)

    async def _charge_wide(self, grant: Granted) -> Granted | Limited:
        limited = await self._wide.charge(grant.claim)
        if limited is not None:
            await self.release(grant, grant.attempts)
        return limited or grant

    def _keys(self, claim: Claim) -> list[str]:
        slot = Slot(self._prefix, claim.recipient)
        return [slot.record(claim.job), slot.logs]


def _standing(told: Receipt, answer: bytes | int | None) -> Receipt | None:
    """The receipt that stands, from what `standing` in `merge.lua` answers."""
    if answer == 1:
        return told
    return kept(answer) if isinstance(answer, bytes) else None
