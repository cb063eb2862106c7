"""What a worker asks of the ledger, and what the ledger answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from engine.limits import Charge, Rule
    from engine.receipts import Receipt


class Claim(NamedTuple):
    """A worker's wish to deliver a job."""

    job: UUID
    recipient: str  #: E.164
    charges: tuple[Charge, ...]
    visibility_s: float  #: how long the job shall be nobody else's
    despite: UUID | None = None  #: id of an unknown receipt that shall not keep the job from being granted, once
    promotes: str | None = None  #: the account whose promotion it is; not granted if the recipient opted out of them


class Granted(NamedTuple):
    """The job is this worker's until `deadline`; every charge is taken."""

    claim: Claim
    token: str  #: unique per grant; the fence checks it
    fence: int  #: grows with every grant of the job
    attempts: int  #: submits made under earlier grants
    deadline: float  #: monotonic seconds of this process, counted from before the request
    doubt: Receipt | None = None  #: the unknown outcome despite which it was granted; it may have been sent


class Busy(NamedTuple):
    """Another worker holds the job for this much longer."""

    wait_s: float


class Done(NamedTuple):
    """The job has a receipt already, which may be the news that its outcome is unknown."""

    receipt: Receipt


class Abandoned(NamedTuple):
    """A worker held the job, may have submitted it, and never came back: the outcome is unknown."""

    attempts: int  #: submits made under grants before that worker's


class Limited(NamedTuple):
    """A rule does not admit the message; nothing was charged."""

    rule: Rule
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class OptedOut:
    """The recipient wants no promotions of the account; nothing was charged."""


Verdict = Granted | Busy | Done | Abandoned | Limited | OptedOut
