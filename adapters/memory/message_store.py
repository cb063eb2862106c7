"""The record for people, for as long as the process lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.receipts import State, merge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.receipts import Receipt


class MemoryMessageStore:
    """The receipt that stands of each of the last `max_jobs` jobs."""

    def __init__(self, max_jobs: int = 100_000) -> None:
        self._max_jobs = max_jobs
        self._standing: dict[UUID, Receipt] = {}

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
