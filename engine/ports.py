"""What the engine needs of the world, each in as few words as it can be said.

Adapters do not inherit from these; mypy checks them where `adapters/bootstrap` puts the parts together, and one
conformance suite per port runs over the memory adapter and the real server alike (`tests/contract`).

A server that is away is not the engine's concern: adapters wait for it with back-off and report through
`Telemetry` and `/readyz`, so every call here either answers or is still waiting.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Protocol, TypeVar

from engine.job_ports import Delivery, JobIntake, JobQueue, Schedule
from engine.record_ports import MessageStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from uuid import UUID

    from engine.claims import Claim, Granted, Verdict
    from engine.events import Event
    from engine.evidence import Evidence, Link
    from engine.inbound import InboundMessage
    from engine.message import Message, Recipient
    from engine.outcomes import Outcome
    from engine.receipts import DeliveryReceipt, LateAnswer, NotSent, Receipt, State
    from engine.routing import Candidate, Profile

# Of other files, and called by this one's name.
__all__ = ["Delivery", "JobIntake", "JobQueue", "MessageStore", "Schedule"]

R_co = TypeVar("R_co", covariant=True)


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
    """Carriers' message ids and what is known of them, filed in buckets by channel. (`engine.correlation`)"""

    async def link(self, channel: str, bucket: str, link: Link) -> Sequence[DeliveryReceipt]:
        """File a link, before those that are there; answers the delivery receipts parked there, oldest first."""
        ...

    async def look(self, bucket: str, dlr: DeliveryReceipt, known: Sequence[Link]) -> Sequence[Link]:
        """The links in a bucket, newest first; where they are those `known`, the delivery receipt is parked there."""
        ...

    async def unpark(self, bucket: str, dlr: DeliveryReceipt) -> None:
        """Let a delivery receipt be parked there no longer."""
        ...

    async def tally(self, job: UUID, part: int, state: State) -> Sequence[State]:
        """Note the final state of a part unless it has one; answers those of all parts that have."""
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
    def ready(self) -> bool:
        """Whether it could take a message at this moment: connected, and let in by the carrier."""
        ...

    @property
    def load(self) -> float:
        """How full it is, from 0 to 1."""
        ...

    def place(self, message: Message, within_s: float, rate: float = inf) -> AbstractAsyncContextManager[bool]:
        """Wait for room in the channel's window and rate; False if there is none within the time.

        `rate` is what the carrier bears at present, in segments a second; it counts where it is below the cap.
        """
        ...

    async def submit(self, message: Message) -> Outcome:
        """Hand the message to the carrier. Whatever is raised, or takes too long, counts as unanswered."""
        ...

    async def ask(self, receipt: Receipt) -> DeliveryReceipt | NotSent | None:
        """What the carrier knows of a job by our reference; None if nothing, or nothing certain. It may raise anything.

        Only asked where `profile.answers_queries`.
        """
        ...

    async def open(self, tell: Callable[[DeliveryReceipt | InboundMessage | LateAnswer], Awaitable[None]]) -> None:
        """Connect; `tell` what the carrier brings and answer it only after that returned, but not if it raised."""
        ...

    async def close(self) -> None:
        """Disconnect after what is under way."""
        ...


class HealthBoard(Protocol):
    """How the channels do, and which of them may be tried."""

    def candidates(self, message: Message, channels: Iterable[Channel]) -> Sequence[Candidate]:
        """Those of the channels that may be tried with the message now, each as it stands."""
        ...

    async def permit(self, channel: str, for_s: float) -> bool:
        """Whether the one probe of a channel is ours now: until it was observed, but no longer than so long."""
        ...

    def enabled(self, channel: str) -> bool:
        """Whether the operator lets messages go over it."""
        ...

    def rate(self, channel: str) -> float:
        """What its carrier bears at present, in segments a second over all workers; perhaps infinite."""
        ...

    def observe(self, channel: str, message: Message, outcome: Outcome, latency_s: float) -> None:
        """Note how a submit ended."""
        ...

    def reported(self, receipt: Receipt, dlr: DeliveryReceipt) -> None:
        """Note a carrier's final word on a message whose receipt stood as submitted."""
        ...

    def score(self, channel: str) -> float:
        """From 0 (send nothing) to 1."""
        ...


class ReceiptPublisher(Protocol):
    """Where receipts go out to the business services and to the recorder."""

    async def publish(self, receipt: Receipt) -> None:
        """Returns once the receipt is safe; it may arrive more than once."""
        ...


class ReceiptBatch(Protocol[R_co]):
    """Receipts, ours or those of carriers, that wait to be stored."""

    @property
    def receipts(self) -> Sequence[R_co]:
        """In order of arrival; repeats possible."""
        ...

    async def settle(self) -> None:
        """They are stored: never hand them out again."""
        ...


class ReceiptFeed(Protocol[R_co]):
    """The recorder's own copy of everything that was published for the record."""

    async def next_batch(self) -> ReceiptBatch[R_co] | None:
        """The next receipts, as many as are there, waiting for one; None once closed."""
        ...


class EvidenceLog(Protocol):
    """Where delivery receipts go that become no receipt of ours, on their way to the message store."""

    async def put(self, evidence: Evidence) -> None:
        """Returns once it is safe; it may arrive more than once."""
        ...


class OperatorResolver(Protocol):
    """Whose subscriber is a number?"""

    async def operator_of(self, recipient: Recipient) -> str | None:
        """The name channels know the operator by, or None if that is not known; never raises, never waits long."""
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
