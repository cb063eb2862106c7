"""One message, from the queue to its receipt: the main flow of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import events
from engine.claims import Abandoned, Busy, Claim, Done, Granted, Limited, OptedOut
from engine.compose import compose
from engine.limits import charges
from engine.message import Category, Message, Rejection
from engine.receipts import Receipt, State, given_up, receipt_for
from engine.submit import NotNow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from engine import ports
    from engine.claims import Verdict
    from engine.compose import Directory
    from engine.correlation import Correlation
    from engine.evidence import Match
    from engine.limits import Rule
    from engine.message import Job
    from engine.policy import Policy
    from engine.receipts import DeliveryReceipt
    from engine.record_receipt import RecordReceipt
    from engine.resolve import Resolve
    from engine.submit import Submit

UNREADABLE = "-"  #: the ledger keeps jobs without a readable number under this name
FAR_OFF_S = 3600.0  #: jobs whose time comes later wait in the schedule, the others in the queue


@dataclass(frozen=True, slots=True)
class Deliver:
    """Compose, claim, submit, record, report. Every step may be repeated; none sends a message twice."""

    queue: ports.JobQueue
    schedule: ports.Schedule
    ledger: ports.Ledger
    submit: Submit
    resolve: Resolve
    correlation: Correlation
    publisher: ports.ReceiptPublisher
    record_receipt: RecordReceipt
    numbers: ports.NumberReader
    operators: ports.OperatorResolver
    clock: ports.Clock
    telemetry: ports.Telemetry
    directory: Directory
    rules: tuple[Rule, ...]
    policy: Policy

    async def __call__(self, delivery: ports.Delivery) -> None:
        job = delivery.job
        if job.not_before is not None:
            # One that ends before it may begin is told so when it ends.
            due_at, now = min(job.not_before, job.expires_at or job.not_before), self.clock.now()
            if now < due_at:
                return await self._keep_until(due_at, delivery, (due_at - now).total_seconds())
        recipient = self.numbers.read(job.to)
        number = recipient.number if recipient else UNREADABLE
        composed = compose(job, recipient, self.directory)
        claim = self._claim(job, number, composed)
        verdict: Verdict | Receipt = await self.ledger.begin(claim)
        if isinstance(verdict, Done) and verdict.receipt.unresolved:
            verdict = await self.resolve(claim, verdict.receipt)
        match verdict:
            case Granted() as grant:
                result = await self._carry_out(job, composed, grant)
                if isinstance(result, NotNow):
                    await self.ledger.release(grant, result.attempts)
                    return await self._defer(delivery, "no_channel", self._retry_delay_s(delivery, composed))
                standing = await self.ledger.finish(grant, result)
                if standing is None:
                    return await self._set_aside(delivery, number, result)
                await self._report(delivery, number, standing, evidence=result)
            case Limited(rule, retry_at):
                reason = f"The limit {rule.name!r} admits no more before {retry_at:%Y-%m-%dT%H:%M:%SZ}."
                refused = self._receipt(job, composed, number, State.REJECTED, rule.code, reason)
                await self._advance(delivery, number, refused)
            case OptedOut():
                reason = "The number opted out of this account's promotions."
                refused = self._receipt(job, composed, number, State.REJECTED, "BLOCKED", reason)
                await self._advance(delivery, number, refused)
            case Abandoned(attempts):
                reason = "A worker took the job and never reported back; it may have been submitted."
                unknown = self._receipt(job, composed, number, State.UNKNOWN, "WORKER_LOST", reason)
                await self._advance(delivery, number, unknown._replace(attempts=attempts + 1))
            case Receipt() as news:
                await self._report(delivery, number, news)
            case Done(receipt):
                await self._report(delivery, number, receipt, repeated=True)
            case Busy(wait_s):
                await self._defer(delivery, "busy", wait_s)

    async def _keep_until(self, due_at: datetime, delivery: ports.Delivery, left_s: float) -> None:
        if left_s <= FAR_OFF_S:
            return await self._defer(delivery, "scheduled", left_s)
        if not await self.schedule.put(delivery.job, due_at):  # it waits in the queue until it is asked again
            return await self._defer(delivery, "scheduled", FAR_OFF_S)
        self.telemetry.emit(events.Deferred(delivery.job.id, delivery.job.category, "scheduled", left_s))
        await self.queue.settle(delivery)

    def _claim(self, job: Job, number: str, composed: Message | Rejection) -> Claim:
        counts = charges(self.rules, composed) if isinstance(composed, Message) else ()
        promotes = isinstance(composed, Message) and composed.category is Category.PROMOTION
        visibility_s = self.policy.visibility_s[job.category]
        return Claim(job.id, number, counts, visibility_s, promotes=job.account if promotes else None)

    async def _carry_out(self, job: Job, composed: Message | Rejection, grant: Granted) -> Receipt | NotNow:
        result = await self._try(job, composed, grant)
        if grant.doubt and not (isinstance(result, Receipt) and result.state is State.SUBMITTED):
            # Whatever became of it this time, the time before it may have been sent.
            attempts = max(grant.attempts, result.attempts)
            return given_up(grant.doubt, self.clock.now())._replace(attempts=attempts)
        return result

    async def _try(self, job: Job, composed: Message | Rejection, grant: Granted) -> Receipt | NotNow:
        number = grant.claim.recipient
        if isinstance(composed, Rejection):
            return self._receipt(job, composed, number, State.REJECTED, composed.code, composed.reason)
        if self.clock.now() >= self.policy.expires_at(job, composed.category):
            reason = "Its validity ended before it was sent."
            expired = self._receipt(job, composed, number, State.EXPIRED, "EXPIRED", reason)
            return expired._replace(attempts=grant.attempts)
        # Only now, for a look-up may cost money, and most of what is not sent was refused before.
        operator = await self.operators.operator_of(composed.recipient)
        return await self.submit(composed._replace(operator=operator) if operator else composed, grant)

    async def _advance(self, delivery: ports.Delivery, number: str, receipt: Receipt) -> None:
        standing = await self.ledger.advance(number, receipt)
        if standing is None:  # a copy of the job got hold of it meanwhile
            return await self._defer(delivery, "busy", self.policy.visibility_s[receipt.category])
        await self._report(delivery, number, standing)

    async def _report(
        self,
        delivery: ports.Delivery,
        number: str,
        receipt: Receipt,
        *,
        evidence: Receipt | None = None,
        repeated: bool = False,
    ) -> None:
        """Publish the receipt that stands, then let go of the job, or keep it waiting while its outcome is unknown."""
        early = await self._link(number, evidence or receipt)
        await self.publisher.publish(receipt)
        age_s = (self.clock.now() - receipt.enqueued_at).total_seconds()
        self.telemetry.emit(events.Reported(receipt, age_s, repeated))
        for dlr, match in early:
            await self.record_receipt.catch_up(dlr, match)
        if receipt.unresolved:
            return await self._defer(delivery, "unresolved", self.resolve.next_look_s(receipt))
        await self.queue.settle(delivery)

    async def _set_aside(self, delivery: ports.Delivery, number: str, late: Receipt) -> None:
        """Another worker was granted the job meanwhile and reports it; what carriers say of our submit counts too."""
        self.telemetry.emit(events.StaleResult(late.job, late.channel))
        for dlr, match in await self._link(number, late):
            await self.record_receipt.catch_up(dlr, match)
        await self.queue.settle(delivery)

    async def _link(self, number: str, receipt: Receipt) -> Sequence[tuple[DeliveryReceipt, Match]]:
        """From now on the carrier's word finds the job; answers what it said before."""
        if receipt.state is not State.SUBMITTED or not receipt.channel or not receipt.carrier_id:
            return ()
        return await self.correlation.remember(receipt.channel, receipt.carrier_id, number, receipt.job)

    async def _defer(self, delivery: ports.Delivery, why: str, delay_s: float) -> None:
        self.telemetry.emit(events.Deferred(delivery.job.id, delivery.job.category, why, delay_s))
        await self.queue.defer(delivery, max(0.0, delay_s))

    def _retry_delay_s(self, delivery: ports.Delivery, composed: Message | Rejection) -> float:
        expires_at = self.policy.expires_at(delivery.job, _category(delivery.job, composed))
        return min(self.policy.retry_delay_s(delivery.deferrals), (expires_at - self.clock.now()).total_seconds())

    def _receipt(
        self, job: Job, composed: Message | Rejection, number: str, state: State, code: str, reason: str
    ) -> Receipt:
        to = job.to if number == UNREADABLE else number
        receipt = receipt_for(job, state, self.clock.now(), category=_category(job, composed), to=to)
        segments = composed.segments if isinstance(composed, Message) else 0
        return receipt._replace(code=code, reason=reason, segments=segments)


def _category(job: Job, composed: Message | Rejection) -> Category:
    return composed.category if isinstance(composed, Message) else job.category
