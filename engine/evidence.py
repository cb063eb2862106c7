"""What is a delivery receipt about: which message, which part of it, and what do the parts come to together?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from engine.carrier_ids import Rule, bounded, rule, same_number
from engine.receipts import State

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.carrier_ids import Notation
    from engine.receipts import DeliveryReceipt

_ORDER = {each: nth for nth, each in enumerate(Rule)}
_BY_NUMBER = {True: 0, None: 1, False: 2}


class Link(NamedTuple):
    """A carrier's id, as it stood in its answer to the submit, and the message or part of a message it stands for."""

    carrier_id: str
    recipient: str
    job: UUID
    part: int = 1  #: counted from 1
    parts: int = 1


class Match(NamedTuple):
    """A link that a delivery receipt means, and by which rule."""

    link: Link
    rule: Rule


@dataclass(frozen=True, slots=True)
class Evidence:
    """A delivery receipt that became no receipt of ours, or not yet, for the record."""

    dlr: DeliveryReceipt
    received_at: datetime
    job: UUID | None = None  #: None: nobody knows which message it means
    rule: Rule | None = None
    part: int | None = None  #: counted from 1; None where the message has but one


def links(carrier_id: str, recipient: str, job: UUID) -> list[Link]:
    """The links of a message: of its whole id, and where that holds several ids with spaces between, of each part."""
    ids = list(dict.fromkeys(carrier_id.split(" "))) if " " in carrier_id else []
    parts = [each for each in ids if each]
    return [
        Link(bounded(carrier_id), recipient, job),
        *(Link(bounded(each), recipient, job, nth, len(parts)) for nth, each in enumerate(parts, 1)),
    ]


def choose(among: Sequence[Link], dlr: DeliveryReceipt, notation: Notation) -> Match | None:
    """Which of several links, newest first, a delivery receipt means; None if none of them.

    The recipient's number decides where the receipt tells it, then the rule, which is the id as it was given where no
    other is known to be the carrier's, then the time, for ids come round again.
    """
    found: list[tuple[tuple[int, bool, int], Match]] = []
    reported = bounded(dlr.carrier_id)
    for link in among:
        by = rule(link.carrier_id, reported)
        if by is None:
            continue
        same = number_told(link, dlr)
        if notation.believes(by, same):
            unusual = notation.settled and by is not notation.last
            found.append(((_BY_NUMBER[same], unusual, _ORDER[by]), Match(link, by)))
    return min(found, key=lambda each: each[0])[1] if found else None


def number_told(link: Link, dlr: DeliveryReceipt) -> bool | None:
    """Whether a delivery receipt tells the number the message went to, or another; None if it tells none."""
    return same_number(link.recipient, dlr.to) if dlr.to else None


def combined(states: Collection[State], parts: int) -> State:
    """What the final states of a message's parts come to: delivered if all are, undelivered as soon as one is."""
    if State.UNDELIVERED in states:
        return State.UNDELIVERED
    return State.DELIVERED if len(states) == parts else State.SUBMITTED
