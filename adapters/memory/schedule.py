"""Jobs whose time is far off, for as long as the process lives. (the port `Schedule`)"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.message import Job

MAX_BATCH = 500
MAX_JOBS = 100_000


class MemorySchedule:
    """Keeps up to `max_jobs` jobs; what is more waits in the queue."""

    def __init__(self, max_jobs: int = MAX_JOBS) -> None:
        self._max_jobs = max_jobs
        self._waiting: dict[UUID, tuple[datetime, Job]] = {}

    async def put(self, job: Job, due_at: datetime) -> bool:
        """Keep a job until shortly before it is due; False where there are too many."""
        if job.id not in self._waiting and len(self._waiting) >= self._max_jobs:
            return False
        self._waiting.setdefault(job.id, (due_at, job))
        return True

    async def release(self, due_by: datetime, hand_over: Callable[[Sequence[Job]], Awaitable[bool]]) -> int:
        """Hand some of the jobs due by then over, up to 500, and forget them if they are safe; how many."""
        due = sorted((row for row in self._waiting.values() if row[0] <= due_by), key=lambda row: row[0])[:MAX_BATCH]
        if not due:
            return 0
        for _, job in due:
            del self._waiting[job.id]  # nobody else shall hand them over meanwhile
        safe = False
        try:
            safe = await hand_over([job for _, job in due])
        finally:
            if not safe:
                self._waiting |= {job.id: (due_at, job) for due_at, job in due}
        return len(due) if safe else 0

    async def count(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)
