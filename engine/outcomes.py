"""What one submit to a carrier ended in. Which of the five decides everything that follows.

Only `Unanswered` leaves it open whether the phone will ring: there the engine neither fails over nor gives a charge
back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Accepted(NamedTuple):
    """The carrier took the message; `carrier_id` is its name for it."""

    carrier_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The carrier definitely refuses this message; the channel itself is well."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChannelFault:
    """The channel is unwell and the message was definitely not sent."""

    reason: str
    fatal: bool = False  #: it stays unwell until somebody acts: a login refused, a balance used up


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too fast for the channel just now; the message was definitely not sent."""

    reason: str
    retry_after_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The message may have been sent: the answer never came, or said nothing."""

    reason: str


Outcome = Accepted | Refused | ChannelFault | Throttled | Unanswered
