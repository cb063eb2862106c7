"""The times at which one count was charged, oldest first."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import islice
from typing import TYPE_CHECKING

from engine.limits import retry_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from engine.limits import Window


class ChargeLog:
    """What a sorted set is in Redis: jobs and their times in microseconds; a job is in it once."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._jobs: dict[UUID, int] = {}  # in the same order

    def free_at(self, job: UUID, windows: Sequence[Window], now: int) -> int | None:
        """When the job fits every window, or None if it fits now; an entry of its own does not count."""
        return retry_at(self._others(job), windows, self._held(now))

    def add(self, job: UUID, now: int, longest_s: int) -> None:
        """Log the job at `now`; forget what has left the longest window."""
        at = self._held(now)
        self.remove(job)
        self._times.append(at)
        self._jobs[job] = at
        gone = bisect_right(self._times, at - longest_s * 1_000_000)
        del self._times[:gone]
        for old in list(islice(self._jobs, gone)):
            del self._jobs[old]

    def remove(self, job: UUID) -> None:
        """Forget the job."""
        at = self._jobs.pop(job, None)
        if at is not None:
            del self._times[bisect_left(self._times, at)]

    def _others(self, job: UUID) -> list[int]:
        if job not in self._jobs:
            return self._times
        others = self._times.copy()
        del others[bisect_left(others, self._jobs[job])]
        return others

    def _held(self, now: int) -> int:
        """A clock that stepped back is held at the newest entry, so that no span ever gets more than its limit."""
        return max(now, self._times[-1]) if self._times else now
