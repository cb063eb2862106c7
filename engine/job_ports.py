"""Where jobs wait for a worker, or for their time (`engine.ports` says what ports are)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from engine.message import Category, Job


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """One job handed to this worker; nobody else is handed it while our connection to the queue lasts."""

    job: Job
    deferrals: int = 0  #: how often it was put back to wait
    crashes: int = 0  #: how often handling it raised
    handle: object = None  #: the queue adapter's own


class JobQueue(Protocol):
    """Where jobs wait for a worker."""

    async def take(self, category: Category) -> Delivery | None:
        """The next job of a category, waiting for one; None once `close_intake` was called."""
        ...

    async def settle(self, delivery: Delivery) -> None:
        """The job is done with: never hand it out again."""
        ...

    async def defer(self, delivery: Delivery, delay_s: float) -> None:
        """Hand the job out again, to any worker, after at least about `delay_s`; it survives a crash meanwhile."""
        ...

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Put the job aside for a person to look at."""
        ...

    def close_intake(self) -> None:
        """Take nothing more; what was not yet handed out goes back to the others."""
        ...


class JobIntake(Protocol):
    """Where producers hand in jobs."""

    async def put(self, jobs: Sequence[Job]) -> None:
        """Enqueue jobs; returns once the queue has confirmed them all.

        Raises:
            ConnectionError: the queue did not confirm; the same jobs can safely be put again.
        """
        ...


class Schedule(Protocol):
    """Where jobs wait whose time is far off."""

    async def put(self, job: Job, due_at: datetime) -> bool:
        """Keep a job until shortly before it is due; a job that is kept already stays as it is.

        True once it is safe, False if it cannot be kept just now; it never waits long for either.
        """
        ...

    async def release(self, due_by: datetime, hand_over: Callable[[Sequence[Job]], Awaitable[bool]]) -> int:
        """Hand some of the jobs due by then over, and forget them if `hand_over` says they are safe; how many.

        Several may do so at once, each with jobs of its own. After a crash in between they are handed over again.
        """
        ...

    async def count(self) -> int:
        """How many jobs wait."""
        ...
