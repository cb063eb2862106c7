"""Numbers as SMPP writes them: how the kind of a sender and of a recipient is told (SMPP 3.4, 5.2.5 to 5.2.9)."""

from __future__ import annotations

import re
from typing import NamedTuple

from engine.outcomes import Refused

MAX_SOURCE = 20  #: characters of a source address
MAX_SHORT_CODE = 8  #: digits; what is longer is taken for a number with its country code

_DIGITS = re.compile(r"\+?[0-9]+")


class Address(NamedTuple):
    """A type of number, a numbering plan, and the number itself."""

    ton: int = 0
    npi: int = 0
    number: str = ""


def source(sender: str, extend: str | None) -> Address | Refused:
    """The sender of a message, a job's sub-address at its end.

    International numbers (with a plus, or of more digits than short codes have) are 1/1, short codes 3/0, names 5/0;
    without a sender the carrier puts its own.
    """
    if extend and not _DIGITS.fullmatch(sender):
        return Refused("EXTEND_IMPOSSIBLE", "This channel's sender is no number, so nothing can be appended to it.")
    number = sender.removeprefix("+") + (extend or "")
    if len(number) > MAX_SOURCE:
        reason = f"Sender and extend make {len(number)} digits; {MAX_SOURCE} are allowed."
        return Refused("EXTEND_TOO_LONG", reason)
    return Address(*_kind(sender), number)


def destination(number: str) -> Address:
    """A recipient, given in E.164."""
    return Address(1, 1, number.removeprefix("+"))


def _kind(sender: str) -> tuple[int, int]:
    if not sender:
        return 0, 0
    if not _DIGITS.fullmatch(sender):
        return 5, 0
    return (3, 0) if len(sender) <= MAX_SHORT_CODE and not sender.startswith("+") else (1, 1)
