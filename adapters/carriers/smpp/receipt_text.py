"""What a delivery receipt says in words (SMPP 3.4, appendix B, and what carriers made of it).

    id:… sub:… dlvrd:… submit date:… done date:… stat:… err:… text:…

Fields come in any order and case, some are missing. `text` repeats the beginning of the message, whatever that is: what
stands before it is believed first, and behind it only what is missing before, and the last of that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

_KEYS = r"(?:id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|text)"
_TEXT = re.compile(r"(?<!\S)text:", re.IGNORECASE)
_FORMATS = {10: ("%y%m%d%H%M",), 12: ("%y%m%d%H%M%S", "%Y%m%d%H%M"), 14: ("%Y%m%d%H%M%S",)}  # by their length


def _field(key: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\S){key}: ?(?!{_KEYS}:)(\S+)", re.IGNORECASE)


_ID, _STAT, _ERR, _DONE = (_field(key) for key in ("id", "stat", "err", r"done[ _]?date"))


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
    before, behind = (written[: found.start()], written[found.end() :]) if found else (written, "")
    return ReceiptText(*(_find(field, before, behind) for field in (_ID, _STAT, _ERR, _DONE)))


def _find(field: re.Pattern[str], before: str, behind: str) -> str | None:
    values = field.findall(before)[:1] or field.findall(behind)[-1:]
    return values[0].rstrip(",;") or None if values else None


def latest_instant(done: str, zone: tzinfo) -> datetime | None:
    """The last instant that a date YYMMDDhhmm, with seconds or not, may mean in the carrier's zone; None if it is none.

    Some write the year in full.
    """
    if not (done.isascii() and done.isdigit()):
        return None
    for form in _FORMATS.get(len(done), ()):
        try:
            local = datetime.strptime(done, form).replace(tzinfo=zone)
            whole = timedelta(seconds=1) if form.endswith("%S") else timedelta(minutes=1)
            return local.astimezone(UTC) + whole - timedelta(milliseconds=1)
        except (ValueError, OverflowError):
            continue
    return None
