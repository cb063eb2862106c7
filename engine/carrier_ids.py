"""Are two spellings of a carrier's message id the same message? Its delivery receipt may write it unlike its answer.

Seen at carriers: another case, zeros in front added or cut off, a UUID without its dashes, hexadecimal in one place and
decimal in the other, only the low 32 bits of a longer number (Kannel's `msg-id-type`; jookies/jasmin#418, #643, #1123).
An id is never converted where it is kept: it stays as the carrier wrote it, and only what it is looked up by changes.
"""

from __future__ import annotations

import re
from enum import StrEnum
from hashlib import blake2b

MAX_LENGTH = 255  #: characters of an id that are kept; SMPP has 64, and whatever is longer is named by its digest too
BITS = 128  #: of the longest number that has two notations; a UUID has as many
WORD = 1 << 32

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DECIMAL = re.compile(r"[0-9]{1,39}")
_HEX = re.compile(r"[0-9a-f]{1,32}")


class Rule(StrEnum):
    """By what an id in a delivery receipt was found to be the one in the answer to the submit."""

    EXACT = "exact"
    CASE = "case"
    DASHES = "dashes"
    ZEROS = "zeros"
    DECIMAL = "decimal"  #: the receipt is decimal, the answer was hexadecimal
    HEX = "hex"  #: the receipt is hexadecimal, the answer was decimal
    LOW_32 = "low_32"  #: one of them is the low 32 bits of the other

    @property
    def converts(self) -> bool:
        """Whether other digits were compared than the carrier wrote; another message may be called so by accident."""
        return self in (Rule.DECIMAL, Rule.HEX, Rule.LOW_32)


def bounded(carrier_id: str) -> str:
    """The id, or for one of unreasonable length its beginning and a digest of it all."""
    if len(carrier_id) <= MAX_LENGTH:
        return carrier_id
    name = blake2b(carrier_id.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    return f"{carrier_id[: MAX_LENGTH - len(name) - 1]}#{name}"


def folded(carrier_id: str) -> str:
    """What an id has in common with all its spellings of the same digits: small letters, no zeros in front."""
    return _undashed(carrier_id.lower()).lstrip("0") or "0"


def forms(carrier_id: str) -> dict[str, Rule | None]:
    """Every folded id that the same message may have been answered with, and the rule it takes; None: no conversion.

    The own form comes first. The relation holds both ways but for the low 32 bits, which only the longer id leads to.
    """
    own = folded(carrier_id)
    found: dict[str, Rule | None] = {own: None}
    decimal, hexadecimal = _decimal(own), _hexadecimal(own)
    if decimal is not None:
        found.setdefault(f"{decimal:x}", Rule.DECIMAL)
    if hexadecimal is not None:
        found.setdefault(str(hexadecimal), Rule.HEX)
    number = hexadecimal if decimal is None else decimal
    if number is not None and WORD <= number < WORD * WORD and (low := number % WORD):
        found.setdefault(str(low), Rule.LOW_32)
        found.setdefault(f"{low:x}", Rule.LOW_32)
    return found


def rule(answered: str, reported: str) -> Rule | None:
    """The rule by which an id in a receipt is the one of an answer; None if it is another id."""
    if answered == reported:
        return Rule.EXACT
    one, other = answered.lower(), reported.lower()
    if one == other:
        return Rule.CASE
    if _undashed(one) == _undashed(other):
        return Rule.DASHES
    if folded(answered) == folded(reported):
        return Rule.ZEROS
    if found := forms(reported).get(folded(answered)):
        return found
    return Rule.LOW_32 if forms(answered).get(folded(reported)) is Rule.LOW_32 else None


def same_number(one: str, other: str) -> bool | None:
    """Whether two phone numbers may be one, with or without country code; None where that cannot be said."""
    a, b = (re.sub(r"[^0-9]", "", number).lstrip("0") for number in (one, other))
    shorter = min(len(a), len(b))
    if shorter < _LOCAL_DIGITS:
        return None
    return a[-shorter:] == b[-shorter:]


_LOCAL_DIGITS = 6  #: of the shortest numbers that phones have within a country


def _undashed(carrier_id: str) -> str:
    return carrier_id.replace("-", "") if _UUID.fullmatch(carrier_id) else carrier_id


def _decimal(form: str) -> int | None:
    number = int(form) if _DECIMAL.fullmatch(form) else None
    return None if number is None or number.bit_length() > BITS else number


def _hexadecimal(form: str) -> int | None:
    return int(form, 16) if _HEX.fullmatch(form) else None
