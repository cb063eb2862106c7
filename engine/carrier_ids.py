"""Carriers write one message id in two ways: in the answer to a submit, and in its delivery receipt.

The second may be in capitals, lack leading zeros or a UUID's dashes, be decimal where the first was hex or the other
way round, or hold its low 32 bits only (Kannel's `msg-id-type`; jookies/jasmin#418, #643, #1123). Ids are never
converted: both are kept as they came and compared by rules.

How to file them so that one look finds nearly all: each id under the first of its `buckets`. What is meant by it, or
means it, is there too, or under one of the others, which only ids of digits alone have. For a receipt with the low 32
bits of a longer id the longer one has to be filed under its `pointer` besides.
"""

from __future__ import annotations

import re
from enum import StrEnum
from hashlib import blake2b

MAX_LENGTH = 255  #: characters of an id that are kept; SMPP has 64
SETTLED_AFTER = 20  #: matches in a row by one way of writing numbers; from then on only that one is believed
DOUBTED_AFTER = 20  #: receipts in a row that it explains no more; then all are tried again
LOCAL_DIGITS = 7  #: at the end of a phone number; what is before is written in many ways, and shorter ones tell nothing

_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789ABCDEF")
_LOW = 0xFFFFFFFF
_HIGHEST = (1 << 64) - 1  # an id of more is no number that a carrier would write in two notations


class Rule(StrEnum):
    """By which rule an id in a receipt is the one of a submit; of two ids the first that holds."""

    RAW = "raw"
    CASE = "case"
    ZEROS = "zeros"  #: leading ones, and case
    DASHES = "dashes"  #: and leading zeros, and case
    HEX_TO_DECIMAL = "hex_to_decimal"  #: hex in the answer to the submit, decimal in the receipt
    DECIMAL_TO_HEX = "decimal_to_hex"
    LOW_32_BITS = "low_32_bits"  #: the receipt has only those of the number

    @property
    def converts(self) -> bool:
        """Whether the same digits may by accident be another message's id."""
        return self in (Rule.HEX_TO_DECIMAL, Rule.DECIMAL_TO_HEX, Rule.LOW_32_BITS)


def buckets(carrier_id: str) -> tuple[str, ...]:
    """Where an id is filed, and after it where the id it is compared with may be filed instead."""
    core = _core(carrier_id)
    home = _home(core)
    found = {home: None}  # a set that keeps its order
    value = _value(core)
    if value is None:
        return (home,)
    if _DIGITS.issuperset(core):
        found |= {str(int(core, 16)): None} if len(core) <= 16 else {}
        found |= {_home(format(value, "X")): None}
    found |= {f"low:{value}" if value <= _LOW else str(value & _LOW): None}
    return tuple(found)


def pointer(carrier_id: str) -> str | None:
    """The bucket in which the low 32 bits of an id are looked for; None where it has no more than 32."""
    value = _value(_core(carrier_id))
    return None if value is None or value <= _LOW else f"low:{value & _LOW}"


def rule(submitted: str, reported: str) -> Rule | None:
    """The rule by which the id of a receipt is the one of a submit; None if it is another id."""
    if submitted == reported:
        return Rule.RAW
    one, other = submitted.upper(), reported.upper()
    if one == other:
        return Rule.CASE
    if _stripped(one) == _stripped(other):
        return Rule.ZEROS
    if (core := _core(submitted)) == (reported_core := _core(reported)):
        return Rule.DASHES
    if (number := _as_hex(core)) is not None and number == _as_decimal(reported_core):
        return Rule.HEX_TO_DECIMAL
    if (number := _as_decimal(core)) is not None and number == _as_hex(reported_core):
        return Rule.DECIMAL_TO_HEX
    whole, low = _value(core), _value(reported_core)
    if whole is not None and low is not None and whole > _LOW >= low and whole & _LOW == low:
        return Rule.LOW_32_BITS
    return None


def bounded(carrier_id: str) -> str:
    """The id; of one of unreasonable length its beginning, and a digest of it all."""
    if len(carrier_id) <= MAX_LENGTH:
        return carrier_id
    name = blake2b(carrier_id.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    return f"{carrier_id[: MAX_LENGTH - len(name) - 1]}#{name}"


def same_number(one: str, other: str) -> bool | None:
    """Whether two phone numbers may be one, however country and area are written; None where that cannot be said."""
    a, b = one[-LOCAL_DIGITS:], other[-LOCAL_DIGITS:]
    if not (a.isdecimal() and b.isdecimal()):
        a, b = (re.sub(r"[^0-9]", "", number)[-LOCAL_DIGITS:] for number in (one, other))
    return None if min(len(a), len(b)) < LOCAL_DIGITS else a == b


class Notation:
    """How a channel's carrier writes ids in its receipts, as its receipts have shown so far.

    It keeps a receipt that came before its link from being taken for another message, whose id happens to be the same
    number in the other notation. Case, zeros and dashes are always believed: they make nothing of other digits.
    """

    def __init__(self) -> None:
        """Believe in everything yet."""
        self.last: Rule | None = None  #: by which a receipt was matched
        self._numbers = False  # whether a receipt has told the number its message went to
        self._matches = 0  # in a row, by a rule like the last
        self._misses = 0  # in a row

    @property
    def settled(self) -> bool:
        """Whether conversions unlike the last are no more believed."""
        return self._matches >= SETTLED_AFTER

    def believes(self, rule: Rule, same_number: bool | None) -> bool:
        """Whether a rule is reason enough, given whether the recipient's number is the same; that decides.

        But carriers that have only told other numbers so far, as where sender and recipient change places, are believed
        as long as they repeat the id. Others mean a message whose id was the same: ids come round again.
        """
        if same_number is not None:
            return same_number or not (rule.converts or self._numbers)
        return not (rule.converts and self.settled) or rule is self.last

    def matched(self, rule: Rule, same_number: bool | None) -> None:
        """A receipt was matched by this rule."""
        self._numbers = self._numbers or same_number is True
        alike = self.last is not None and (rule is self.last or not (rule.converts or self.last.converts))
        self._matches = self._matches + 1 if alike else 1
        self.last = rule
        self._misses = 0

    def missed(self) -> None:
        """A receipt's message is not known."""
        self._misses += 1
        if self._misses >= DOUBTED_AFTER:
            self._matches = 0


def _stripped(carrier_id: str) -> str:
    return carrier_id.lstrip("0") or "0"


def _core(carrier_id: str) -> str:
    return _stripped(carrier_id.upper().replace("-", ""))


def _home(core: str) -> str:
    value = None if _DIGITS.issuperset(core) else _value(core)
    return core if value is None else str(value)


def _value(core: str) -> int | None:
    """The number an id most likely is: decimal where it can be, else hex."""
    return _as_decimal(core) if _DIGITS.issuperset(core) else _as_hex(core)


def _as_decimal(core: str) -> int | None:
    value = int(core) if len(core) <= 20 and _DIGITS.issuperset(core) else None
    return None if value is None or value > _HIGHEST else value


def _as_hex(core: str) -> int | None:
    return int(core, 16) if len(core) <= 16 and _HEX.issuperset(core) else None
