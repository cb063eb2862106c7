"""The record for people, for as long as the process lives."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING

from engine.carrier_ids import buckets
from engine.evidence import links
from engine.limits import Taken
from engine.receipts import State, merge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.evidence import Evidence
    from engine.message import Category
    from engine.receipts import Receipt


MAX_EVIDENCE = 100_000


class MemoryMessageStore:
    """The receipt that stands of each of the last `max_jobs` jobs, and the last 100,000 other delivery receipts."""

    def __init__(self, max_jobs: int = 100_000) -> None:
        self._max_jobs = max_jobs
        self._standing: dict[UUID, Receipt] = {}
        self._evidence: dict[tuple[object, ...], Evidence] = {}

    async def merge(self, receipts: Sequence[Receipt]) -> None:
        """Merge each job's receipts by rank; the jobs known longest fall out."""
        for receipt in receipts:
            self._standing[receipt.job] = merge(self._standing.get(receipt.job), receipt)
        while len(self._standing) > self._max_jobs:
            del self._standing[next(iter(self._standing))]

    async def latest(self, job: UUID) -> Receipt | None:
        """The receipt that stands for a job."""
        return self._standing.get(job)

    async def history(self, recipients: Sequence[str], since: datetime) -> Sequence[Receipt]:
        """The receipts that stand of the jobs of some numbers, of that time or later, or still unresolved."""
        wanted = set(recipients)
        return [
            receipt
            for receipt in self._standing.values()
            if receipt.to in wanted
            if receipt.unresolved or max(receipt.enqueued_at, receipt.submitted_at or receipt.enqueued_at) >= since
        ]

    async def taken(
        self, since: datetime, until: datetime, categories: Collection[Category], each: int
    ) -> Sequence[Taken]:
        """What carriers took, or may have taken, by kind."""
        found: dict[tuple[Category, str, str | None, str | None], list[tuple[UUID, datetime]]] = defaultdict(list)
        for r in self._standing.values():
            at = r.submitted_at or r.at
            if r.taken and r.category in categories and since <= at < until:
                found[r.category, r.account, r.signature, r.template].append((r.job, at))
        return [
            Taken(*kind, len(jobs), sorted(jobs, key=itemgetter(1), reverse=True)[:each])
            for kind, jobs in found.items()
        ]

    async def awaited(self, since: datetime, after: Receipt | None, limit: int) -> Sequence[Receipt]:
        """Receipts that stand as submitted, in the order of their times."""
        found = [
            receipt
            for receipt in self._standing.values()
            if receipt.state is State.SUBMITTED and receipt.channel and receipt.carrier_id and receipt.at >= since
            if after is None or (receipt.at, receipt.job) > (after.at, after.job)
        ]
        return sorted(found, key=lambda receipt: (receipt.at, receipt.job))[:limit]

    async def any_before(self, at: datetime) -> bool:
        """Whether it knows of any job enqueued before."""
        return any(receipt.enqueued_at < at for receipt in self._standing.values())

    async def overdue(self, before: datetime, give_up: Callable[[Sequence[Receipt]], Awaitable[bool]]) -> bool:
        """Show everything that stands as submitted since before that time, at once."""
        found = [r for r in self._standing.values() if r.state is State.SUBMITTED and r.at < before]
        if found:
            await give_up(found)
        return False

    async def keep(self, evidence: Sequence[Evidence]) -> None:
        """Store delivery receipts; those known longest fall out."""
        for each in evidence:
            dlr = each.dlr
            key = (dlr.channel, dlr.carrier_id, dlr.to, dlr.state, dlr.code, dlr.status)
            known = self._evidence.get(key)
            if known is None:
                self._evidence[key] = each
            elif known.job is None:
                self._evidence[key] = replace(known, job=each.job, part=each.part, rule=each.rule)
        while len(self._evidence) > MAX_EVIDENCE:
            del self._evidence[next(iter(self._evidence))]

    async def evidence_about(self, receipts: Sequence[Receipt]) -> Sequence[Evidence]:
        """Delivery receipts of parts of these messages, and those of unknown job that may mean them."""
        own = [(r.channel, link) for r in receipts for link in links(r.carrier_id or "", r.to, r.job)]
        in_parts = {link.job for _, link in own if link.parts > 1}
        sought = {(channel, bucket) for channel, link in own for bucket in buckets(link.carrier_id)}
        return [
            each
            for each in self._evidence.values()
            if each.dlr.state is not State.SUBMITTED
            if (each.part is not None and each.job in in_parts)
            or (each.job is None and (each.dlr.channel, buckets(each.dlr.carrier_id)[0]) in sought)
        ]
