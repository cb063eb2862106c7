"""What a message carries besides its text: where the text is, and which part of a long message it is.

Parts are marked by a user data header (3GPP TS 23.040, 9.2.3.24) or by SAR parameters (SMPP 3.4, 5.3.2.22 to 24).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.carriers.smpp.message_bodies import DataSm
from adapters.carriers.smpp.tlv import Tag, number

if TYPE_CHECKING:
    from adapters.carriers.smpp.message_bodies import ShortMessage

UDH_INDICATOR = 0x40  #: of esm_class (5.2.12)
_CONCATENATION = {(0x00, 3): "udh8", (0x08, 4): "udh16"}  # element and its length


@dataclass(frozen=True, slots=True)
class Fragment:
    """Which part of a long message this is; `number` counts from 1 to `total`."""

    marked_by: str  #: udh8, udh16 or sar: their references are counted apart
    reference: int
    total: int
    number: int


@dataclass(frozen=True, slots=True)
class UserData:
    """The text of a message in octets, without any header."""

    octets: bytes
    fragment: Fragment | None = None  #: None for a message of one part


def user_data(body: ShortMessage | DataSm) -> UserData:
    """The text of a message and its place in a longer one. What makes no sense as a header is part of the text."""
    octets = body.tlvs.get(Tag.MESSAGE_PAYLOAD, b"")
    if not octets and not isinstance(body, DataSm):
        octets = body.short_message
    fragment = None
    if body.esm_class & UDH_INDICATOR and octets and (elements := _elements(octets[1 : 1 + octets[0]], octets[0])):
        octets = octets[1 + octets[0] :]
        fragment = _by_header(elements)
    return UserData(octets, fragment or _by_parameters(body))


def _elements(header: bytes, length: int) -> list[tuple[int, bytes]] | None:
    """The information elements of a header; None if it is none, for some set the indicator without one."""
    elements, position = [], 0
    if len(header) != length:
        return None
    while position < length:
        end = position + 2 + (header[position + 1] if position + 1 < length else length)
        if end > length:
            return None
        elements.append((header[position], header[position + 2 : end]))
        position = end
    return elements


def _by_header(elements: list[tuple[int, bytes]]) -> Fragment | None:
    for kind, value in elements:
        marked_by = _CONCATENATION.get((kind, len(value)))
        if marked_by:
            return _sound(Fragment(marked_by, int.from_bytes(value[:-2], "big"), value[-2], value[-1]))
    return None


def _by_parameters(body: ShortMessage | DataSm) -> Fragment | None:
    reference, total, part = (
        number(body.tlvs, tag) for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
    )
    if reference is None or total is None or part is None:
        return None
    return _sound(Fragment("sar", reference, total, part))


def _sound(fragment: Fragment) -> Fragment | None:
    """A part that can be; a message of one part is none."""
    return fragment if 1 <= fragment.number <= fragment.total <= 255 and fragment.total > 1 else None
