"""Where the text of a message is, and which part of a longer one it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm
from adapters.carriers.smpp.tlv import Tag
from adapters.carriers.smpp.user_data import Fragment, UserData, user_data


@pytest.mark.parametrize(
    ("octets", "fragment", "text"),
    [
        ("050003ff03026869", Fragment("udh8", 255, 3, 2), b"hi"),
        ("06080401ff03026869", Fragment("udh16", 0x1FF, 3, 2), b"hi"),
        ("0b0504158a00000003ff03026869", Fragment("udh8", 255, 3, 2), b"hi"),  # ports in front
        ("0605040b8423f06869", None, b"hi"),  # a header that is about something else
        ("050003ff03006869", None, b"hi"),  # no part 0
        ("050003ff03046869", None, b"hi"),  # no part 4 of 3
        ("050003ff01016869", None, b"hi"),
        ("05006869", None, b"\x05\x00hi"),  # longer than the message: no header
        ("0200056869", None, b"\x02\x00\x05hi"),  # an element longer than the header
        ("01006869", None, b"\x01\x00hi"),
        ("6869", None, b"hi"),
        ("", None, b""),
    ],
)
def test_headers_are_read_and_what_is_none_is_text(octets: str, fragment: Fragment | None, text: bytes) -> None:
    body = DeliverSm(esm_class=0x40, short_message=bytes.fromhex(octets))
    assert user_data(body) == UserData(text, fragment)


def test_without_the_indicator_nothing_is_a_header() -> None:
    octets = bytes.fromhex("050003ff03026869")
    assert user_data(DeliverSm(short_message=octets)) == UserData(octets)


def test_a_payload_may_have_a_header_too() -> None:
    payload = bytes.fromhex("050003ff03026869")
    assert user_data(DataSm(esm_class=0x40, tlvs={Tag.MESSAGE_PAYLOAD: payload})).fragment == Fragment(
        "udh8", 255, 3, 2
    )


def test_the_text_is_the_payload_where_there_is_one() -> None:
    assert user_data(DeliverSm(short_message=b"short", tlvs={Tag.MESSAGE_PAYLOAD: b"long"})) == UserData(b"long")
    assert user_data(DeliverSm(short_message=b"short", tlvs={Tag.MESSAGE_PAYLOAD: b""})) == UserData(b"short")
    assert user_data(DataSm()) == UserData(b"")


def sar(reference: bytes, total: bytes, number: bytes) -> Fragment | None:
    tlvs = {Tag.SAR_MSG_REF_NUM: reference, Tag.SAR_TOTAL_SEGMENTS: total, Tag.SAR_SEGMENT_SEQNUM: number}
    return user_data(DeliverSm(short_message=b"hi", tlvs=tlvs)).fragment


def test_parameters_say_which_part_it_is() -> None:
    assert sar(b"\x01\xff", b"\x03", b"\x02") == Fragment("sar", 0x1FF, 3, 2)
    assert sar(b"\x01\xff", b"\x03", b"\x00") is None
    assert sar(b"\x01\xff", b"\x03", b"\x04") is None
    assert sar(b"\x01\xff", b"\x01\x2c", b"\x02") is None  # no message has 300 parts
    assert sar(b"", b"\x03", b"\x02") is None
    assert user_data(DeliverSm(tlvs={Tag.SAR_TOTAL_SEGMENTS: b"\x03"})).fragment is None


@given(st.binary(max_size=255), st.integers(0, 255), st.dictionaries(st.sampled_from(Tag), st.binary(max_size=5)))
def test_no_octets_break_the_reader(octets: bytes, esm_class: int, tlvs: dict[int, bytes]) -> None:
    found = user_data(DeliverSm(esm_class=esm_class, short_message=octets, tlvs=tlvs))
    assert octets.endswith(found.octets) or found.octets in tlvs[Tag.MESSAGE_PAYLOAD]
