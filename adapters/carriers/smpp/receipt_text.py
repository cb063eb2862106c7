"""What a delivery receipt says in words (SMPP 3.4, appendix B, and what carriers made of it).

    id:… sub:… dlvrd:… submit date:… done date:… stat:… err:… text:…

Fields come in any order and case, some are missing. `text` repeats the beginning of the message, whatever that is: what
stands before it is believed first, and behind it only what is missing before, and the last of that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

_KEYS = r"(?:id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|text)"
_FIELD = re.compile(rf"(?<!\S)(id|stat|err|done[ _]?date): ?(?!{_KEYS}:)(\S+)", re.IGNORECASE)
_TEXT = re.compile(r"(?<!\S)text:", re.IGNORECASE)
_YEARS = {10: (2,), 12: (2, 4), 14: (4,)}  # digits that the year may have in a date of so many


@dataclass(frozen=True, slots=True)
class ReceiptText:
    """The fields of a receipt's text as they were written; None where there is none."""

    id: str | None
    stat: str | None
    err: str | None
    done: str | None


def read_text(text: str) -> ReceiptText:
    """The fields of a receipt's text."""
    written = text.replace("\0", " ")
    found = _TEXT.search(written)
    before = _fields(written[: found.start()] if found else written)
    fields = dict([*(_fields(written[found.end() :]) if found else ()), *reversed(before)])
    return ReceiptText(fields.get("i"), fields.get("s"), fields.get("e"), fields.get("d"))


def _fields(written: str) -> list[tuple[str, str]]:
    """The first letters of fields, no two of which are the same, and the values."""
    return [(name[0].lower(), value.rstrip(",;")) for name, value in _FIELD.findall(written) if value.strip(",;")]


def latest_instant(done: str, zone: tzinfo) -> datetime | None:
    """The last instant that a date YYMMDDhhmm, with seconds or not, may mean in the carrier's zone; None if it is none.

    Some write the year in full.
    """
    if not (done.isascii() and done.isdigit()):
        return None
    for digits in _YEARS.get(len(done), ()):
        year = int(done[:digits]) + (2000 if digits == 2 else 0)
        month, day, hour, minute, *stated = (int(done[at : at + 2]) for at in range(digits, len(done), 2))
        second = stated[0] if stated else 59
        try:
            return datetime(year, month, day, hour, minute, second, 999_000, zone).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None
