"""What a producer asks for, and what is handed to a carrier."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

MAINLAND_CHINA = "CN"


class Category(StrEnum):
    """Why a message is sent; each category has its own queue, limits and urgency."""

    OTP = "otp"  #: a verification code: seconds count
    NOTIFICATION = "notification"  #: an order, a payment, a delivery
    PROMOTION = "promotion"  #: marketing, by the million


class Job(NamedTuple):
    """One send job as a producer enqueued it; `id` is the producer's idempotency key."""

    id: UUID
    to: str
    category: Category  #: of the routing key; an approved template's own category overrules it
    enqueued_at: datetime
    signature: str | None = None
    template: str | None = None
    params: Mapping[str, str] = MappingProxyType({})
    text: str | None = None
    account: str = "default"
    ref: str | None = None
    extend: str | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    traceparent: str | None = None


class Recipient(NamedTuple):
    """A number that can be sent to."""

    number: str  #: E.164, with its plus sign
    country: str  #: ISO 3166 alpha-2, or "001" for numbers of no country


class Message(NamedTuple):
    """A job made ready for a carrier: a number that exists, the final text, its price in segments."""

    job: Job
    recipient: Recipient
    category: Category
    text: str
    segments: int
    operator: str | None = None  #: whose subscriber the number is, where that is known


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the engine refuses a job before any submission."""

    code: str  #: for machines, e.g. PARAM_MISSING
    reason: str  #: one sentence for a person; never a full number or text
