"""What comes to a carrier and what goes back: submits, and delivery receipts and replies for who submitted."""

from __future__ import annotations

from typing import NamedTuple


class Part(NamedTuple):
    """Which part of a message in several a submit is; numbers count from 1."""

    reference: int
    number: int
    total: int


class Submit(NamedTuple):
    """A message as it was handed in."""

    account: str
    sender: str
    to: str
    text: str
    via: str  #: smpp or http
    reference: str | None = None  #: the sender's own
    part: Part | None = None
    segments: int = 1
    report: str = "always"  #: wanted delivery receipts: always, on_failure, never


class Receipt(NamedTuple):
    """What became of an accepted message."""

    submit: Submit
    carrier_id: str  #: as receipts write it
    status: str  #: DELIVRD, UNDELIV, ENROUTE, …
    submitted_s: float  #: Unix time
    at_s: float = 0.0  #: of this status


class Inbound(NamedTuple):
    """A message from a phone to an account."""

    account: str
    sender: str
    to: str
    text: str
    carrier_id: str
    number: int  #: tells the parts of one from those of another


Item = Receipt | Inbound
