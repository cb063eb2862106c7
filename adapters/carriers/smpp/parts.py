"""Cuts a text into what is submitted for it.

A text is cut where the engine counts it to be cut (`engine/segments.py`), so there are as many parts as are billed.
That fails where a part holds less than the engine reckons with: in mainland China every character counts one, but a
character outside the basic plane takes the octets of two; and a carrier whose default alphabet lacks a GSM-7 character
gets UCS-2. Then the text is cut to what fits: more parts than billed, but never a part too long or a text cut off. A
message too long for any number of parts is refused.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from adapters.carriers.smpp.text import Alphabet, coding_for, encode
from adapters.carriers.smpp.tlv import MAX_VALUE, Tag
from adapters.carriers.smpp.user_data import UDH_INDICATOR
from engine import segments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

MAX_PARTS = 255  #: their number has one octet
MAX_PAYLOAD = MAX_VALUE - 1024  #: octets, so that the whole PDU stays below 64 KiB
REMEMBERED = 10_000  #: pairs of sender and recipient

_LATIN1 = segments.Alphabet("latin1", 140, 134, len)


class Way(StrEnum):
    """How a carrier is told that parts belong together."""

    UDH = "udh"  #: by a header of six octets in front of each (3GPP TS 23.040, 9.2.3.24.1)
    SAR = "sar"  #: by the SAR parameters, from which the carrier makes that header
    PAYLOAD = "payload"  #: not at all: it gets the whole text in `message_payload`, and cuts it itself


@dataclass(frozen=True, slots=True)
class Writing:
    """How a carrier wants texts."""

    default: Alphabet = Alphabet.GSM7  #: what `data_coding` 0 means: gsm7, ascii or latin1
    latin1: bool = False  #: whether it takes `data_coding` 3
    long: Way = Way.UDH

    def __post_init__(self) -> None:
        if self.default is Alphabet.UCS2:
            raise ValueError("the default alphabet of a carrier is gsm7, ascii or latin1")


@dataclass(frozen=True, slots=True)
class Part:
    """What goes into one `submit_sm`; `esm_class` is to be added to the other bits of it."""

    data_coding: int
    short_message: bytes
    esm_class: int = 0
    tlvs: Mapping[int, bytes] = field(default_factory=dict)


class References:
    """By which number a phone knows which parts belong together: counted for each sender and recipient.

    A header holds eight bits of it only, so one count for all would repeat it to a phone within 256 long messages.
    Where a count begins is drawn, for other processes send to the same phone.
    """

    def __init__(self, rng: Random, limit: int = REMEMBERED) -> None:
        """`limit`: how many pairs are remembered, those used last."""
        self._rng = rng
        self._limit = limit
        self._last: OrderedDict[tuple[str, str], int] = OrderedDict()

    def next(self, sender: str, to: str) -> int:
        """The next reference, of 16 bits."""
        last = self._last.pop((sender, to), None)
        reference = self._rng.getrandbits(16) if last is None else (last + 1) & 0xFFFF
        self._last[sender, to] = reference
        if len(self._last) > self._limit:
            self._last.popitem(last=False)
        return reference


def cut(text: str, country: str, writing: Writing, next_reference: Callable[[], int]) -> list[Part]:
    """The parts of a text that goes to a country; `next_reference` is asked for one only where there are several.

    Raises:
        ValueError: it is too long for any number of parts.
    """
    coded = coding_for(text, writing.default, latin1=writing.latin1)
    pieces = _pieces(text, country, coded.alphabet, coded.data_coding)
    octets = [encode(piece, coded.alphabet) for piece in pieces]
    if len(octets) == 1:
        return [Part(coded.data_coding, octets[0])]
    if writing.long is Way.PAYLOAD:
        whole = b"".join(octets)
        if len(whole) > MAX_PAYLOAD:
            raise ValueError(f"the text has {len(whole)} octets; {MAX_PAYLOAD} are allowed")
        return [Part(coded.data_coding, b"", tlvs={Tag.MESSAGE_PAYLOAD: whole})]
    total = len(octets)
    if total > MAX_PARTS:
        raise ValueError(f"the text has {total} parts; {MAX_PARTS} are allowed")
    reference = next_reference()
    if writing.long is Way.UDH:
        head = bytes((5, 0, 3, reference & 0xFF, total))
        return [
            Part(coded.data_coding, head + bytes((number,)) + piece, UDH_INDICATOR)
            for number, piece in enumerate(octets, 1)
        ]
    of_all: dict[int, bytes] = {
        Tag.SAR_MSG_REF_NUM: (reference & 0xFFFF).to_bytes(2, "big"),
        Tag.SAR_TOTAL_SEGMENTS: bytes((total,)),
    }
    return [
        Part(coded.data_coding, piece, tlvs={**of_all, Tag.SAR_SEGMENT_SEQNUM: bytes((number,))})
        for number, piece in enumerate(octets, 1)
    ]


def _pieces(text: str, country: str, alphabet: Alphabet, data_coding: int) -> list[str]:
    """Where the engine counts a cut; where that does not fit, what fits."""
    room = _room(alphabet, data_coding)
    pieces = segments.split(text, segments.alphabet_for(text, country))
    most = room.alone if len(pieces) == 1 else room.each
    if all(room.units(piece) <= most for piece in pieces):
        return pieces
    return segments.split(text, room)


def _room(alphabet: Alphabet, data_coding: int) -> segments.Alphabet:
    """What a part holds; whatever the default alphabet is, phones get it as GSM-7."""
    if alphabet is Alphabet.UCS2:
        return segments.UCS2
    return segments.GSM7 if data_coding == 0 else _LATIN1
