"""Text to octets and back: which `data_coding` a text is sent in, and what octets say that came (SMPP 3.4, 5.2.19).

GSM-7 (3GPP TS 23.038, 6.2.1) is written one septet an octet, as carriers over SMPP want it, and UCS-2 as UTF-16 with
the high octet first and no mark in front.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from engine.segments import GSM7_BASIC, GSM7_EXTENSION

_ESCAPE = "\x1b"
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: characters behind an escape; what is missing here is shown as if there were none, and an escape as a space
_EXTENSION = {
    _ESCAPE: " ",
    "\n": "\f",
    "Λ": "^",
    "(": "{",
    ")": "}",
    "/": "\\",
    "<": "[",
    "=": "~",
    ">": "]",
    "¡": "|",
    "e": "€",
}
_HOLDS = GSM7_BASIC | GSM7_EXTENSION
_TO_GSM7 = {ord(char): chr(septet) for septet, char in enumerate(_BASIC)}
_TO_GSM7 |= {ord(char): _ESCAPE + _TO_GSM7[ord(behind)] for behind, char in _EXTENSION.items() if char != " "}
_FROM_GSM7 = dict(enumerate(_BASIC))
_ESCAPED = re.compile(_ESCAPE + "(.?)", re.DOTALL)

_LATIN1, _UCS2 = 3, 8
_OTHERS = {1: "latin-1", 3: "latin-1", 5: "shift_jis", 6: "iso8859-5", 7: "iso8859-8", 14: "euc-kr"}


class Alphabet(StrEnum):
    """How characters are octets."""

    GSM7 = "gsm7"
    ASCII = "ascii"
    LATIN1 = "latin1"
    UCS2 = "ucs2"


@dataclass(frozen=True, slots=True)
class Coded:
    """An alphabet, and the `data_coding` that names it to the carrier."""

    alphabet: Alphabet
    data_coding: int


def coding_for(text: str, default: Alphabet, *, latin1: bool = False) -> Coded:
    """What to send a text in.

    The carrier's `default` (`data_coding` 0) where both it and GSM-7 hold the text, for that is what phones get; else
    Latin-1 where the carrier takes it and it holds the text; else UCS-2.
    """
    if _HOLDS.issuperset(text) and _held(text, default):
        return Coded(default, 0)
    if latin1 and _held(text, Alphabet.LATIN1):
        return Coded(Alphabet.LATIN1, _LATIN1)
    return Coded(Alphabet.UCS2, _UCS2)


def encode(text: str, alphabet: Alphabet) -> bytes:
    """A text that the alphabet holds, in octets.

    Raises:
        ValueError: the alphabet does not hold it.
    """
    match alphabet:
        case Alphabet.UCS2:
            return text.encode("utf-16-be", "surrogatepass")
        case Alphabet.GSM7:
            if _HOLDS.issuperset(text):
                return text.translate(_TO_GSM7).encode("latin-1")
        case _ if _held(text, alphabet):
            return text.encode("latin-1")
    raise ValueError(f"a character is not in {alphabet}")


def decode(octets: bytes, data_coding: int, default: Alphabet = Alphabet.GSM7) -> str:
    """What octets say that came with a `data_coding`; what makes no sense becomes U+FFFD, never an error."""
    if data_coding in _OTHERS:
        return octets.decode(_OTHERS[data_coding], "replace")
    if _is_ucs2(data_coding):
        little = octets.startswith(b"\xff\xfe")
        return octets.decode("utf-16-le" if little else "utf-16-be", "replace").removeprefix("\ufeff")
    if _is_default(data_coding) and default is Alphabet.GSM7 and octets.isascii():
        return _from_gsm7(octets.decode("ascii"))
    return octets.decode("latin-1")


def _is_ucs2(data_coding: int) -> bool:
    """As SMPP names it, or as GSM does with a message class or a waiting indication (3GPP TS 23.038, 4)."""
    return (
        data_coding == _UCS2 or data_coding & 0xF0 == 0xE0 or (0x10 <= data_coding < 0x80 and data_coding & 0x0C == 8)
    )


def _is_default(data_coding: int) -> bool:
    return (
        data_coding == 0
        or (0x10 <= data_coding < 0x80 and data_coding & 0x0C == 0)
        or 0xC0 <= data_coding < 0xE0
        or data_coding & 0xF4 == 0xF0
    )


def _held(text: str, alphabet: Alphabet) -> bool:
    highest = {Alphabet.GSM7: "\U0010ffff", Alphabet.ASCII: "\x7f", Alphabet.LATIN1: "\xff"}[alphabet]
    return max(text, default="") <= highest


def _from_gsm7(septets: str) -> str:
    return _ESCAPED.sub(lambda found: _EXTENSION.get(found[1], found[1]), septets.translate(_FROM_GSM7))
