"""A receipt tells one change of a job's state. Merging is by rank, never by order of arrival."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha1
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

    from engine.message import Category, Job

_NAMESPACE = UUID("6f1c9a52-5d0e-5a4b-9a7e-2f1f6f0f8c11").bytes

NO_RECEIPT = "NO_RECEIPT"  #: the code of a message whose delivery receipt never came


class State(StrEnum):
    """The states a job can be reported in (contract 2)."""

    SUBMITTED = "submitted"  #: a carrier accepted it; its delivery receipt is awaited
    DELIVERED = "delivered"  #: the carrier reports delivery
    UNDELIVERED = "undelivered"  #: the carrier accepted it, then reported failure
    REJECTED = "rejected"  #: refused by the engine before any submission
    FAILED = "failed"  #: every channel that could carry it definitely refused it
    EXPIRED = "expired"  #: its validity ended before any carrier accepted it
    UNKNOWN = "unknown"  #: submitted, outcome not knowable (yet)


class Receipt(NamedTuple):
    """One state change of a job, complete enough to be published, stored and published again."""

    job: UUID
    account: str
    to: str  #: E.164 where the number could be read, else as it came
    category: Category
    state: State
    final: bool
    at: datetime
    enqueued_at: datetime
    signature: str | None = None
    template: str | None = None
    ref: str | None = None
    extend: str | None = None  #: of the job, to know a reply by
    code: str | None = None
    reason: str | None = None
    channel: str | None = None
    carrier_id: str | None = None
    attempts: int = 0
    segments: int = 0
    submitted_at: datetime | None = None

    @property
    def id(self) -> UUID:
        """The same for every repeat of the same state change, so that a reader can drop repeats."""
        return UUID(self.id_text)

    @property
    def id_text(self) -> str:
        """The id as it is written."""
        name = f"{self.job}:{self.attempts}:{self.state}:{self.final}".encode()
        digest = sha1(_NAMESPACE + name, usedforsecurity=False).hexdigest()  # what `uuid5` does, which takes longer
        variant = "89ab"[int(digest[16], 16) & 3]
        return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"

    def repeats(self, other: Receipt) -> bool:
        """Whether both tell the same state change: then they have the same id."""
        own = self.job, self.attempts, self.state, self.final
        return own == (other.job, other.attempts, other.state, other.final)

    @property
    def taken(self) -> bool:
        """Whether a carrier took the message, or may have: only then do its limits stay charged."""
        return self.state not in (State.REJECTED, State.FAILED, State.EXPIRED)

    @property
    def unresolved(self) -> bool:
        """Whether the outcome is unknown for now and evidence is awaited."""
        return self.state is State.UNKNOWN and not self.final

    @property
    def rank(self) -> int:
        """What may replace what: only a higher rank replaces a lower one.

        1 unknown for now · 2 submitted · 3 unknown for good · 4 any other final state
        """
        if self.state is State.UNKNOWN:
            return 3 if self.final else 1
        return 4 if self.final else 2


class DeliveryReceipt(NamedTuple):
    """A carrier's word on a message it accepted earlier (DLR)."""

    channel: str
    carrier_id: str  #: empty where a carrier that was asked names none
    state: State  #: DELIVERED, UNDELIVERED, or SUBMITTED for an intermediate status
    at: datetime
    code: str | None = None  #: normalised
    status: str = ""  #: as the carrier wrote it
    to: str | None = None  #: the number the message went to, as the carrier writes it, where it says so


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """A carrier took a message after all, whose submit was given up as not answered."""

    channel: str
    carrier_id: str
    recipient: str  #: E.164
    job: UUID


@dataclass(frozen=True, slots=True)
class NotSent:
    """A carrier's word, when asked about a message, that it surely never had it."""


def receipt_for(job: Job, state: State, at: datetime, *, category: Category, to: str) -> Receipt:
    """The receipt of a job in a state, with everything it echoes from the job."""
    return Receipt(
        job=job.id,
        account=job.account,
        to=to,
        category=category,
        state=state,
        final=state not in (State.SUBMITTED, State.UNKNOWN),
        at=at,
        enqueued_at=job.enqueued_at,
        signature=job.signature,
        template=job.template,
        ref=job.ref,
        extend=job.extend,
    )


def merge(standing: Receipt | None, incoming: Receipt) -> Receipt:
    """Which of two receipts of a job stands."""
    return incoming if standing is None or incoming.rank > standing.rank else standing


def given_up(unknown: Receipt, at: datetime) -> Receipt:
    """The receipt of a job whose outcome will not be waited for any longer."""
    return unknown._replace(final=True, at=at)


def never_reported(submitted: Receipt, at: datetime) -> Receipt:
    """The receipt of a job whose delivery receipt will not be waited for any longer."""
    reason = "No delivery receipt came in time."
    return submitted._replace(state=State.UNKNOWN, final=True, at=at, code=NO_RECEIPT, reason=reason)


def advance(standing: Receipt, dlr: DeliveryReceipt) -> Receipt:
    """What a carrier's word makes of the receipt that stands; the same receipt where it changes nothing."""
    incoming = standing._replace(
        state=dlr.state,
        final=dlr.state is not State.SUBMITTED,
        at=dlr.at,
        code=dlr.code,
        reason=f"The carrier reported {dlr.status}." if dlr.status else None,
        channel=dlr.channel,
        carrier_id=dlr.carrier_id or standing.carrier_id,
    )
    return merge(standing, incoming)
