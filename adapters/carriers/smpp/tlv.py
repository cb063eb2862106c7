"""Optional parameters of a PDU (SMPP 3.4, 5.3.2): read with distrust, the unknown kept."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_VALUE = 0xFFFF  #: octets, for the length field has two
_HEAD = Struct(">HH")  # tag, length


class Tag(IntEnum):
    """The parameters this engine reads or writes."""

    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    USER_MESSAGE_REFERENCE = 0x0204
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MESSAGE_STATE = 0x0427


def write_tlvs(tlvs: Mapping[int, bytes]) -> bytes:
    """The parameters in the order given.

    Raises:
        ValueError: a tag that is no 16-bit number, or a value of more than 65535 octets.
    """
    out = bytearray()
    for tag, value in tlvs.items():
        if not (0 <= tag <= 0xFFFF and len(value) <= MAX_VALUE):
            raise ValueError(f"optional parameter {tag:#06x} has {len(value)} octets")
        out += _HEAD.pack(tag, len(value))
        out += value
    return bytes(out)


def read_tlvs(data: bytes, start: int) -> dict[int, bytes]:
    """The parameters from an offset to the end. What does not fit there is dropped: carriers pad, and cut."""
    tlvs: dict[int, bytes] = {}
    size = len(data)
    while start + 4 <= size:
        tag, length = _HEAD.unpack_from(data, start)
        end = start + 4 + length
        if end > size:
            break
        tlvs.setdefault(tag, data[start + 4 : end])
        start = end
    return tlvs


def number(tlvs: Mapping[int, bytes], tag: Tag) -> int | None:
    """The whole number a parameter holds, of 1 to 4 octets; None if it is missing or is none."""
    value = tlvs.get(tag)
    return int.from_bytes(value, "big") if value is not None and 1 <= len(value) <= 4 else None


def text(tlvs: Mapping[int, bytes], tag: Tag) -> str | None:
    """The C-octet string a parameter holds, with or without its NUL; None if it is missing."""
    value = tlvs.get(tag)
    return None if value is None else value.partition(b"\0")[0].decode("latin-1")
