"""Everything the engine tells about itself while it works. Logs and metrics listen; nothing else may.

No event carries a full number or a text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

    from engine.message import Category
    from engine.opt_out import Wish
    from engine.outcomes import Outcome
    from engine.receipts import DeliveryReceipt, NotSent, Receipt


class Submitted(NamedTuple):
    """One submit to a channel ended."""

    job: UUID
    channel: str
    category: Category
    outcome: Outcome
    segments: int
    latency_s: float


@dataclass(frozen=True, slots=True)
class ChannelChanged:
    """Something was decided about a channel that moves traffic; told once, by the worker whose decision it was."""

    channel: str  #: "*": all of them
    what: str  #: breaker, throttle, receipts, score, pin, alarm
    old: str
    new: str
    reason: str
    by: str  #: the worker, or the operator


class Reported(NamedTuple):
    """A receipt was published; `age_s` is the time since the job was enqueued."""

    receipt: Receipt
    age_s: float
    repeated: bool = False  #: it had been published before


@dataclass(frozen=True, slots=True)
class Deferred:
    """A job went back to wait; this is not an attempt."""

    job: UUID
    category: Category
    why: str  #: scheduled, busy, no_channel, error, unresolved
    delay_s: float


@dataclass(frozen=True, slots=True)
class Scheduled:
    """So many jobs wait in the schedule, those of all workers together."""

    jobs: int


@dataclass(frozen=True, slots=True)
class Crashed:
    """A defect of ours: handling a job raised something nobody expected."""

    job: UUID
    category: Category
    error: BaseException


@dataclass(frozen=True, slots=True)
class StaleResult:
    """A worker came back after its lease had gone to another; its result changes nothing."""

    job: UUID
    channel: str | None


@dataclass(frozen=True, slots=True)
class DeliveryReceiptSeen:
    """A carrier reported on a message; unmatched ones are parked until their message is known."""

    channel: str
    status: str
    matched: bool
    rule: str | None = None  #: by which the ids are one (`engine.carrier_ids.Rule`)


@dataclass(frozen=True, slots=True)
class InboundAssigned:
    """Somebody wrote to us; `job` is the one they answer, if any is known, and `wish` what a keyword asked for."""

    id: UUID
    channel: str
    job: UUID | None
    wish: Wish | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A carrier was asked what became of a message; None: it said nothing of use, or did not answer."""

    job: UUID
    channel: str
    answer: DeliveryReceipt | NotSent | None


@dataclass(frozen=True, slots=True)
class BindUp:
    """A carrier let one of a channel's binds in."""

    channel: str
    mode: str  #: transceiver, transmitter or receiver


@dataclass(frozen=True, slots=True)
class BindDown:
    """One of a channel's binds ended or could not be made; tried again by itself. Told once per outage and reason."""

    channel: str
    mode: str
    reason: str
    fatal: bool  #: somebody has to act: the carrier does not let us in
    up_s: float | None = None  #: how long it held; None if it was not up


@dataclass(frozen=True, slots=True)
class AnsweredLate:
    """A carrier answered a submit after the time for that was over."""

    job: UUID
    channel: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Recorded:
    """A batch of receipts stands in the message store."""

    kind: str  #: receipts, or delivery_receipts that became none
    receipts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """Something that is no job, or not to be handled by us, was put aside whole."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Redriven:
    """Jobs that had been handed out too often, as in a crash loop, are tried again one by one."""

    source: str
    jobs: int


@dataclass(frozen=True, slots=True)
class ServerAway:
    """A server we need stopped answering; work waits. Told once per outage."""

    server: str
    error: str


@dataclass(frozen=True, slots=True)
class MemoryLost:
    """A server came back without (all of) what it knew; it is read again from the message store."""

    server: str


@dataclass(frozen=True, slots=True)
class ServerBack:
    """It answers again."""

    server: str
    away_s: float


Event = (
    Submitted
    | ChannelChanged
    | Reported
    | Deferred
    | Scheduled
    | Crashed
    | StaleResult
    | DeliveryReceiptSeen
    | InboundAssigned
    | Asked
    | BindUp
    | BindDown
    | AnsweredLate
    | Recorded
    | DeadLettered
    | Redriven
    | ServerAway
    | MemoryLost
    | ServerBack
)
