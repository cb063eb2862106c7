"""Who holds a job, what became of it, and what its number was charged, within one process.

Nothing here awaits, so each act is whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING

from adapters.memory.charge_log import ChargeLog
from adapters.memory.expiring import Expiring
from adapters.memory.replies import MemoryOptOuts
from engine.claims import Abandoned, Busy, Done, Granted, Limited, OptedOut
from engine.receipts import merge

if TYPE_CHECKING:
    from uuid import UUID

    from engine.claims import Claim, Verdict
    from engine.limits import Charge
    from engine.ports import Clock
    from engine.receipts import Receipt

FINAL_LIFE_S = 24 * 3600  #: a repeat of the job comes within a day
HELD_S = 5.0  #: until a promotion is tried again that waits for what its number wrote to be settled
LIFE_S = 96 * 3600  #: a delivery receipt may come 72 h late

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Record:
    token: str | None = None  #: of the last grant
    fence: int = 0
    lease_until: float | None = None  #: monotonic seconds
    attempts: int = 0
    receipt: Receipt | None = None
    resent: bool = False  #: once granted despite an unknown outcome


class MemoryLedger:
    """A ledger that is gone with the process."""

    def __init__(self, clock: Clock, opt_outs: MemoryOptOuts | None = None) -> None:
        self._clock = clock
        self._opt_outs = opt_outs or MemoryOptOuts()
        self._records: Expiring[tuple[str, UUID], _Record] = Expiring(clock)
        self._logs: Expiring[tuple[str, str], ChargeLog] = Expiring(clock)

    async def begin(self, claim: Claim) -> Verdict:
        """Lease a job and charge its limits."""
        now = self._clock.monotonic()
        record = self._records.get((claim.recipient, claim.job)) or _Record()
        if record.lease_until is not None and record.lease_until > now:
            return Busy(record.lease_until - now)
        known = record.receipt
        again = known is not None and known.unresolved and known.id == claim.despite and not record.resent
        if known is not None and not again:
            return Done(known)
        if record.lease_until is not None:
            return Abandoned(record.attempts)
        if claim.promotes is not None:
            if self._opt_outs.held(claim.recipient):
                return Busy(HELD_S)
            if self._opt_outs.opted_out(claim.recipient, claim.promotes):
                return OptedOut()
        limited = self._charge(claim)
        if limited is not None:
            return limited
        lease_until = now + claim.visibility_s
        resent = record.resent or again
        granted = replace(record, token=token_hex(8), fence=record.fence + 1, lease_until=lease_until, resent=resent)
        self._records.put((claim.recipient, claim.job), granted, LIFE_S)
        assert granted.token is not None
        return Granted(claim, granted.token, granted.fence, granted.attempts, lease_until)

    async def finish(self, grant: Granted, receipt: Receipt) -> Receipt | None:
        """End the lease with what became of the job."""
        claim = grant.claim
        record = self._records.get((claim.recipient, claim.job)) or _Record()
        if record.token not in (None, grant.token):
            return None
        standing = self._settle(claim.recipient, record, receipt)
        if not receipt.taken and not standing.taken:
            self._refund(claim)
        return standing

    async def release(self, grant: Granted, attempts: int) -> None:
        """End the lease of a job that no carrier took."""
        claim = grant.claim
        record = self._records.get((claim.recipient, claim.job)) or _Record()
        if record.token == grant.token and record.lease_until is not None and record.receipt is None:
            released = replace(record, lease_until=None, attempts=attempts)
            self._records.put((claim.recipient, claim.job), released, LIFE_S)
            self._refund(claim)

    async def advance(self, recipient: str, receipt: Receipt) -> Receipt | None:
        """Merge later evidence."""
        record = self._records.get((recipient, receipt.job)) or _Record()
        if record.lease_until is not None and record.lease_until > self._clock.monotonic():
            return None
        return self._settle(recipient, record, receipt)

    async def reopen(self, recipient: str, unknown: Receipt) -> bool:
        """Forget an unknown outcome of a message that was surely not sent."""
        record = self._records.get((recipient, unknown.job)) or _Record()
        if record.lease_until is not None:
            return False
        if record.receipt is not None:
            if not record.receipt.unresolved or record.receipt.id != unknown.id:
                return False
            reopened = replace(record, receipt=None, attempts=unknown.attempts)
            self._records.put((recipient, unknown.job), reopened, LIFE_S)
        return True

    async def find(self, recipient: str, job: UUID) -> Receipt | None:
        """The receipt that stands."""
        record = self._records.get((recipient, job))
        return record.receipt if record else None

    def _settle(self, recipient: str, record: _Record, receipt: Receipt) -> Receipt:
        standing = merge(record.receipt, receipt)
        settled = replace(record, lease_until=None, receipt=standing)
        self._records.put((recipient, receipt.job), settled, FINAL_LIFE_S if standing.final else LIFE_S)
        return standing

    def _charge(self, claim: Claim) -> Limited | None:
        now = (self._clock.now() - _EPOCH) // _MICROSECOND
        limited, latest = None, 0
        for charge in claim.charges:
            log = self._logs.get(_key(claim, charge))
            free_at = log.free_at(claim.job, charge.rule.windows, now) if log else None
            if free_at is not None and free_at > latest:
                limited, latest = Limited(charge.rule, _EPOCH + free_at * _MICROSECOND), free_at
        if limited is not None:
            return limited
        for charge in claim.charges:
            longest_s = max(window.seconds for window in charge.rule.windows)
            log = self._logs.get(_key(claim, charge)) or ChargeLog()
            log.add(claim.job, now, longest_s)
            self._logs.put(_key(claim, charge), log, longest_s + 1)
        return None

    def _refund(self, claim: Claim) -> None:
        for charge in claim.charges:
            if log := self._logs.get(_key(claim, charge)):
                log.remove(claim.job)


def _key(claim: Claim, charge: Charge) -> tuple[str, str]:
    return claim.recipient if charge.per_recipient else "", charge.scope
