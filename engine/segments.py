"""How many billed parts a text is, and where it is cut.

Mainland China counts every character as one: 70 alone, 67 in each part of a long message (product description,
"message length"). Elsewhere 3GPP TS 23.038 rules: a text of the GSM-7 alphabet has 160 septets alone and 153 in each
part, its extension characters taking two; any other text is UCS-2 with 70 and 67 UTF-16 units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.message import MAINLAND_CHINA

if TYPE_CHECKING:
    from collections.abc import Callable

GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENSION = frozenset("\f^{}\\[~]|€")
_GSM7 = GSM7_BASIC | GSM7_EXTENSION


@dataclass(frozen=True, slots=True)
class Alphabet:
    """A way of counting: units a text takes, units of a single part, units of each part of several."""

    name: str
    alone: int
    each: int
    units: Callable[[str], int]


CHINA = Alphabet("china", 70, 67, len)
GSM7 = Alphabet("gsm7", 160, 153, lambda text: len(text) + sum(map(GSM7_EXTENSION.__contains__, text)))
UCS2 = Alphabet("ucs2", 70, 67, lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2)


def alphabet_for(text: str, country: str) -> Alphabet:
    """The alphabet a text is counted in when it goes to a country."""
    if country == MAINLAND_CHINA:
        return CHINA
    return GSM7 if _GSM7.issuperset(text) else UCS2


def split(text: str, alphabet: Alphabet) -> list[str]:
    """The parts of a text; a character of two units (a surrogate or escape pair) is never cut."""
    if alphabet.units(text) <= alphabet.alone:
        return [text]
    parts, start, used = [], 0, 0
    for position, width in enumerate(map(alphabet.units, text)):
        if used + width > alphabet.each:
            parts.append(text[start:position])
            start, used = position, 0
        used += width
    return [*parts, text[start:]]


def count(text: str, country: str) -> int:
    """The number of billed parts of a text that goes to a country."""
    return len(split(text, alphabet_for(text, country)))
