"""What is kept for people, and read again where Redis forgot (`engine.ports` says what ports are)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.evidence import Evidence
    from engine.limits import Taken
    from engine.message import Category
    from engine.receipts import Receipt


class MessageStore(Protocol):
    """The record for people: one row per job, one per receipt."""

    async def merge(self, receipts: Sequence[Receipt]) -> None:
        """Store receipts and merge each job's row by rank; all of them or none, repeats change nothing."""
        ...

    async def latest(self, job: UUID) -> Receipt | None:
        """The receipt that stands for a job."""
        ...

    async def history(self, recipients: Sequence[str], since: datetime) -> Sequence[Receipt]:
        """The receipts that stand of the jobs of some numbers, enqueued or submitted at that time or later.

        And those of an outcome that is unknown for now, however old.
        """
        ...

    async def taken(
        self, since: datetime, until: datetime, categories: Collection[Category], each: int
    ) -> Sequence[Taken]:
        """What carriers took of messages of these categories from `since` until before `until`, or may have taken.

        The time is that at which it was submitted. Of each kind their number, and the last `each` of them; one that was
        submitted again after an unknown outcome may count at both times.
        """
        ...

    async def any_before(self, at: datetime) -> bool:
        """Whether it knows of any job enqueued before."""
        ...

    async def awaited(self, since: datetime, after: Receipt | None, limit: int) -> Sequence[Receipt]:
        """So many of the receipts that stand as submitted since then, in the order of their times, after that one.

        Only those with a channel and the carrier's id, for no delivery receipt can come of others.
        """
        ...

    async def overdue(self, before: datetime, give_up: Callable[[Sequence[Receipt]], Awaitable[bool]]) -> bool:
        """Look through some receipts of submits before that time; those that still stand are for `give_up` to settle.

        Whether there may be more. They are shown again if `give_up` says no, or is broken off.
        """
        ...

    async def keep(self, evidence: Sequence[Evidence]) -> None:
        """Store delivery receipts; repeats change nothing, but that one of unknown job may be given its job."""
        ...

    async def evidence_about(self, receipts: Sequence[Receipt]) -> Sequence[Evidence]:
        """Stored delivery receipts of parts of these messages, and those of unknown job that may mean them."""
        ...
