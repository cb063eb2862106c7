"""The record for people, for as long as the process lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.receipts import merge

if TYPE_CHECKING:
    from collections.abc import Sequence
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
