"""What the engine needs of the world, each in as few words as it can be said.

Adapters do not inherit from these; mypy checks them where `adapters/bootstrap` puts the parts together, and one
conformance suite per port runs over the memory adapter and the real server alike (`tests/contract`).

A server that is away is not the engine's concern: adapters wait for it with back-off and report through
`Telemetry` and `/readyz`, so every call here either answers or is still waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from uuid import UUID

    from engine.claims import Claim, Granted, Verdict
    from engine.events import Event
    from engine.message import Category, Job, Message, Recipient
    from engine.outcomes import Outcome
    from engine.receipts import DeliveryReceipt, NotSent, Receipt
    from engine.routing import Profile


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


class Ledger(Protocol):
    """Who holds a job, what became of it, and what its number was charged: one act, one place."""

    async def begin(self, claim: Claim) -> Verdict:
        """Ask for a job: lease it and charge every limit, or do neither.

        Where the claim is made despite an unknown receipt, that receipt stands until there is a better one.
        """
        ...

    async def finish(self, grant: Granted, receipt: Receipt) -> Receipt | None:
        """Record what became of the job and end the lease; answers the receipt that stands (`receipts.merge`).

        Charges are given back where no carrier took the message (`Receipt.taken`). None if another worker was
        granted the job since: then nothing is changed.
        """
        ...

    async def release(self, grant: Granted, attempts: int) -> None:
        """End the lease of a job that no carrier took, and give back its charges; keeps the number of attempts."""
        ...

    async def advance(self, recipient: str, receipt: Receipt) -> Receipt | None:
        """Merge later evidence; answers the receipt that stands, or None while a worker holds the job.

        A lease that ran out is no hindrance, and is gone afterwards.
        """
        ...

    async def reopen(self, recipient: str, unknown: Receipt) -> bool:
        """Forget an unknown outcome, for the message was surely not sent; whether the job can be begun again.

        Its attempts and charges are kept. False if anything else stands by now, or a worker has begun the job since.
        """
        ...

    async def find(self, recipient: str, job: UUID) -> Receipt | None:
        """The receipt that stands."""
        ...


class Correlator(Protocol):
    """Which job a carrier means when it reports on its own message id."""

    async def remember(self, channel: str, carrier_id: str, recipient: str, job: UUID) -> Sequence[DeliveryReceipt]:
        """Link a carrier's id to a job; answers the delivery receipts that came before, oldest first."""
        ...

    async def match(self, dlr: DeliveryReceipt) -> tuple[str, UUID] | None:
        """The recipient and job a delivery receipt is about; an unknown one is parked for `remember`."""
        ...

    async def forgotten(self) -> None:
        """Wait until links were lost and have to be remembered again: one worker is told, and does it."""
        ...

    async def relinked(self) -> None:
        """Say that it is done; another worker is told if this is not said in time."""
        ...


class Channel(Protocol):
    """One configured way to a carrier."""

    @property
    def profile(self) -> Profile:
        """What the operator says of it."""
        ...

    @property
    def load(self) -> float:
        """How full it is, from 0 to 1."""
        ...

    def place(self, segments: int, within_s: float) -> AbstractAsyncContextManager[bool]:
        """Wait for room in the channel's window and rate; False if there is none within the time."""
        ...

    async def submit(self, message: Message) -> Outcome:
        """Hand the message to the carrier. Whatever is raised, or takes too long, counts as unanswered."""
        ...

    async def ask(self, receipt: Receipt) -> DeliveryReceipt | NotSent | None:
        """What the carrier knows of a job by our reference; None if nothing, or nothing certain. It may raise anything.

        Only asked where `profile.answers_queries`.
        """
        ...

    async def open(self, on_receipt: Callable[[DeliveryReceipt], Awaitable[None]]) -> None:
        """Connect; call `on_receipt` for each delivery receipt and answer the carrier only after it returned."""
        ...

    async def close(self) -> None:
        """Disconnect after what is under way."""
        ...


class HealthBoard(Protocol):
    """How the channels do."""

    def observe(self, channel: str, outcome: Outcome, latency_s: float) -> None:
        """Note how a submit ended."""
        ...

    def score(self, channel: str) -> float:
        """From 0 (send nothing) to 1."""
        ...


class ReceiptPublisher(Protocol):
    """Where receipts go out to the business services and to the recorder."""

    async def publish(self, receipt: Receipt) -> None:
        """Returns once the receipt is safe; it may arrive more than once."""
        ...


class ReceiptBatch(Protocol):
    """Published receipts that wait to be stored."""

    @property
    def receipts(self) -> Sequence[Receipt]:
        """In order of arrival; repeats possible."""
        ...

    async def settle(self) -> None:
        """They are stored: never hand them out again."""
        ...


class ReceiptFeed(Protocol):
    """The recorder's own copy of every published receipt."""

    async def next_batch(self) -> ReceiptBatch | None:
        """The next receipts, as many as are there, waiting for one; None once closed."""
        ...


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

    async def any_before(self, at: datetime) -> bool:
        """Whether it knows of any job enqueued before."""
        ...

    async def awaited(self, since: datetime, after: Receipt | None, limit: int) -> Sequence[Receipt]:
        """So many of the receipts that stand as submitted since then, in the order of their times, after that one.

        Only those with a channel and the carrier's id, for no delivery receipt can come of others.
        """
        ...


class NumberReader(Protocol):
    """The world's numbering plans."""

    def read(self, to: str) -> Recipient | None:
        """The recipient a number stands for, or None if no such number can exist."""
        ...


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now(self) -> datetime:
        """Aware UTC time, in whole milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back."""
        ...


class Telemetry(Protocol):
    """Who listens to `engine.events`."""

    def emit(self, event: Event) -> None:
        """Tell what happened; never raises, never waits."""
        ...
