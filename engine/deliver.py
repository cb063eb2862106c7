"""One message, from the queue to its receipt: the main flow of the engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine import events
from engine.compose import compose
from engine.limits import charges
from engine.message import Message, Rejection
from engine.ports import Abandoned, Busy, Claim, Done, Granted, Limited
from engine.receipts import Receipt, State, receipt_for
from engine.submit import NotNow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from engine import ports
    from engine.compose import Directory
    from engine.limits import Rule
    from engine.message import Category, Job
    from engine.receipts import DeliveryReceipt
    from engine.record_receipt import RecordReceipt
    from engine.submit import Submit

UNREADABLE = "-"  #: the ledger keeps jobs without a readable number under this name


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator decides about deliveries, per category where urgency differs."""

    visibility_s: Mapping[Category, float]  #: how long a taken job is nobody else's
    validity: Mapping[Category, timedelta]  #: of a job that names no `expires_at`
    unknown_grace: Mapping[Category, timedelta]  #: how long an unknown outcome waits for evidence
    retry_delays_s: tuple[float, ...] = (5.0, 30.0, 120.0, 300.0)  #: between rounds in which no channel took it


@dataclass(frozen=True, slots=True)
class Deliver:
    """Compose, claim, submit, record, report. Every step may be repeated; none sends a message twice."""

    queue: ports.JobQueue
    ledger: ports.Ledger
    submit: Submit
    correlator: ports.Correlator
    publisher: ports.ReceiptPublisher
    record_receipt: RecordReceipt
    numbers: ports.NumberReader
    clock: ports.Clock
    telemetry: ports.Telemetry
    directory: Directory
    rules: tuple[Rule, ...]
    policy: Policy

    async def __call__(self, delivery: ports.Delivery) -> None:
        job, now = delivery.job, self.clock.now()
        if job.not_before is not None and now < job.not_before:
            return await self._defer(delivery, "scheduled", (job.not_before - now).total_seconds())
        recipient = self.numbers.read(job.to)
        number = recipient.number if recipient else UNREADABLE
        composed = compose(job, recipient, self.directory)
        match await self.ledger.begin(self._claim(job, number, composed)):
            case Granted() as grant:
                result = await self._carry_out(job, composed, grant)
                if isinstance(result, NotNow):
                    await self.ledger.release(grant, result.attempts)
                    return await self._defer(delivery, "no_channel", self._retry_delay_s(delivery, composed))
                standing = await self.ledger.finish(grant, result)
                if standing is None:
                    self.telemetry.emit(events.StaleResult(job.id, result.channel))
                    return await self.queue.settle(delivery)
                await self._report(delivery, number, standing)
            case Limited(rule, retry_at):
                reason = f"The limit {rule.name!r} admits no more before {retry_at:%Y-%m-%dT%H:%M:%SZ}."
                refused = self._receipt(job, composed, number, State.REJECTED, rule.code, reason)
                await self._advance(delivery, number, refused)
            case Abandoned(attempts):
                reason = "A worker took the job and never reported back; it may have been submitted."
                unknown = self._receipt(job, composed, number, State.UNKNOWN, "WORKER_LOST", reason)
                await self._advance(delivery, number, replace(unknown, attempts=attempts + 1))
            case Done(receipt) if receipt.unresolved and now >= self._resolve_by(receipt):
                await self._advance(delivery, number, replace(receipt, final=True, at=now))
            case Done(receipt):
                await self._report(delivery, number, receipt, repeated=True)
            case Busy(wait_s):
                await self._defer(delivery, "busy", wait_s)

    def _claim(self, job: Job, number: str, composed: Message | Rejection) -> Claim:
        counts = charges(self.rules, composed) if isinstance(composed, Message) else ()
        return Claim(job.id, number, counts, self.policy.visibility_s[job.category])

    async def _carry_out(self, job: Job, composed: Message | Rejection, grant: Granted) -> Receipt | NotNow:
        number = grant.claim.recipient
        if isinstance(composed, Rejection):
            return self._receipt(job, composed, number, State.REJECTED, composed.code, composed.reason)
        if self.clock.now() >= self._expires_at(job, composed.category):
            reason = "Its validity ended before it was sent."
            expired = self._receipt(job, composed, number, State.EXPIRED, "EXPIRED", reason)
            return replace(expired, attempts=grant.attempts)
        return await self.submit(composed, grant)

    async def _advance(self, delivery: ports.Delivery, number: str, receipt: Receipt) -> None:
        standing = await self.ledger.advance(number, receipt)
        if standing is None:  # a copy of the job got hold of it meanwhile
            return await self._defer(delivery, "busy", self.policy.visibility_s[receipt.category])
        await self._report(delivery, number, standing)

    async def _report(self, delivery: ports.Delivery, number: str, receipt: Receipt, *, repeated: bool = False) -> None:
        """Publish the receipt that stands, then let go of the job, or keep it waiting while its outcome is unknown."""
        early: Sequence[DeliveryReceipt] = ()
        if receipt.state is State.SUBMITTED and receipt.channel and receipt.carrier_id:
            early = await self.correlator.remember(receipt.channel, receipt.carrier_id, number, receipt.job)
        await self.publisher.publish(receipt)
        now = self.clock.now()
        self.telemetry.emit(events.Reported(receipt, (now - receipt.enqueued_at).total_seconds(), repeated))
        for dlr in early:
            await self.record_receipt.apply(dlr, number, receipt.job)
        if receipt.unresolved:
            return await self._defer(delivery, "unresolved", (self._resolve_by(receipt) - now).total_seconds())
        await self.queue.settle(delivery)

    async def _defer(self, delivery: ports.Delivery, why: str, delay_s: float) -> None:
        self.telemetry.emit(events.Deferred(delivery.job.id, delivery.job.category, why, delay_s))
        await self.queue.defer(delivery, max(0.0, delay_s))

    def _expires_at(self, job: Job, category: Category) -> datetime:
        starts_at = max(job.enqueued_at, job.not_before or job.enqueued_at)
        return job.expires_at or starts_at + self.policy.validity[category]

    def _retry_delay_s(self, delivery: ports.Delivery, composed: Message | Rejection) -> float:
        job, delays = delivery.job, self.policy.retry_delays_s
        expires_at = self._expires_at(job, _category(job, composed))
        left_s = (expires_at - self.clock.now()).total_seconds()
        return max(0.0, min(delays[min(delivery.deferrals, len(delays) - 1)], left_s))

    def _resolve_by(self, receipt: Receipt) -> datetime:
        return receipt.at + self.policy.unknown_grace[receipt.category]

    def _receipt(
        self, job: Job, composed: Message | Rejection, number: str, state: State, code: str, reason: str
    ) -> Receipt:
        to = job.to if number == UNREADABLE else number
        receipt = receipt_for(job, state, self.clock.now(), category=_category(job, composed), to=to)
        segments = composed.segments if isinstance(composed, Message) else 0
        return replace(receipt, code=code, reason=reason, segments=segments)


def _category(job: Job, composed: Message | Rejection) -> Category:
    return composed.category if isinstance(composed, Message) else job.category
