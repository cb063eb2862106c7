"""Inbound messages in parts are put together again."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.smpp.collector import LIFE_S, Collector, Whole
from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm
from adapters.carriers.smpp.parts import Way, Writing, cut
from adapters.carriers.smpp.text import Alphabet
from adapters.carriers.smpp.tlv import Tag
from adapters.carriers.smpp.user_data import Fragment, UserData, user_data

PHONE, OURS = "8613800138000", "1069"
LONG = "请回复 TD 退订😀" * 20


def parts_of(text: str, way: Way = Way.UDH, reference: int = 7, sender: str = PHONE) -> list[DeliverSm]:
    return [
        DeliverSm(
            source_addr=sender,
            destination_addr=OURS,
            data_coding=part.data_coding,
            esm_class=part.esm_class,
            short_message=part.short_message,
            tlvs=part.tlvs,
        )
        for part in cut(text, "GB", Writing(long=way), reference)
    ]


def collector(max_octets: int = 1_000_000) -> Collector:
    return Collector(Alphabet.GSM7, max_octets=max_octets)


def test_a_message_of_one_part_comes_out_at_once() -> None:
    (body,) = parts_of("TD")
    assert collector().add(body, 0) == [Whole(PHONE, OURS, "TD")]


@pytest.mark.parametrize("way", list(Way))
def test_a_message_comes_out_with_its_last_part_whatever_their_order(way: Way) -> None:
    bodies = parts_of(LONG, way)
    Random(2).shuffle(bodies)
    held = collector()
    assert [out for body in bodies[:-1] for out in held.add(body, 0)] == []
    assert held.add(bodies[-1], 1) == [Whole(PHONE, OURS, LONG)]


@given(st.text(min_size=71, max_size=400).filter(lambda text: "\0" not in text and "\ufeff" not in text), st.randoms())
def test_every_text_is_put_together_as_it_was_sent(text: str, rng: Random) -> None:
    bodies = parts_of(text)
    rng.shuffle(bodies)
    held = collector()
    assert [out.text for body in bodies for out in held.add(body, 0)] == [text]


def test_messages_of_others_and_with_other_references_are_kept_apart() -> None:
    one, other = parts_of("a" * 161), parts_of("b" * 161, sender="49170")
    third, by_sar = parts_of("c" * 161, reference=8), parts_of("d" * 161, Way.SAR)
    held = collector()
    for first, *_ in (one, other, third, by_sar):
        assert held.add(first, 0) == []
    texts = [held.add(bodies[1], 0)[0].text for bodies in (one, other, third, by_sar)]
    assert texts == [letter * 161 for letter in "abcd"]


def test_a_part_that_is_repeated_brings_out_nothing_more() -> None:
    first, second = parts_of("a" * 161)
    held = collector()
    assert held.add(first, 0) == held.add(first, 0) == []
    assert held.add(second, 0) == [Whole(PHONE, OURS, "a" * 161)]
    assert held.add(second, 1) == held.add(first, 1) == held.expired(LIFE_S + 1) == []


def test_a_reference_that_comes_again_begins_another_message() -> None:
    held = collector()
    for body in parts_of("a" * 161):
        held.add(body, 0)
    assert [out.text for body in parts_of("b" * 161) for out in held.add(body, 1)] == ["b" * 161]
    first, _ = parts_of("c" * 161)
    assert held.add(first, 2) == []
    assert [out.complete for body in parts_of("d" * 161) for out in held.add(body, 3)] == [False, True]


def test_what_is_there_comes_out_when_the_rest_was_waited_for_long_enough() -> None:
    bodies = parts_of("a" * 153 + "b" * 153 + "c")
    held = collector()
    held.add(bodies[2], 5)
    held.add(bodies[0], 500)
    assert held.expired(LIFE_S + 4.9) == []
    assert held.expired(LIFE_S + 5) == [Whole(PHONE, OURS, "a" * 153 + "c", complete=False)]
    assert held.expired(LIFE_S + 6) == []


def test_old_parts_come_out_also_when_another_comes() -> None:
    held = collector()
    held.add(parts_of("a" * 161)[0], 0)
    assert [out.text for out in held.add(parts_of("b" * 161, sender="2")[0], LIFE_S)] == ["a" * 153]


def test_not_more_than_so_much_is_held_and_the_oldest_comes_out_as_it_is() -> None:
    held = collector(max_octets=3 * (153 + 200))
    out = [out for number in range(10) for out in held.add(parts_of("a" * 161, sender=str(number))[0], number)]
    assert [whole.sender for whole in out] == [str(number) for number in range(7)]
    assert not any(whole.complete for whole in out)
    assert len(held._messages) == 3


def test_complete_messages_make_room_without_coming_out_again() -> None:
    held = collector(max_octets=3 * (153 + 200))
    out = []
    for number in range(10):
        for body in parts_of("a" * 161, sender=str(number)):
            out += held.add(body, number)
    assert [whole.sender for whole in out if whole.complete] == [str(number) for number in range(10)]
    assert len(out) == 10


def test_nothing_is_left_of_what_expired() -> None:
    held = collector()
    for number in range(100):
        for body in parts_of(LONG, sender=str(number))[: 1 + number % 3]:
            held.add(body, 0)
    held.expired(LIFE_S)
    assert held._octets == 0
    assert not held._messages


def test_a_pair_that_a_phone_cut_between_two_parts_is_whole_again() -> None:
    octets = "😀".encode("utf-16-be")
    bodies = [
        DeliverSm(source_addr=PHONE, data_coding=8, esm_class=0x40, short_message=bytes((5, 0, 3, 1, 2, number)) + half)
        for number, half in ((1, octets[:2]), (2, octets[2:]))
    ]
    held = collector()
    assert [out.text for body in bodies for out in held.add(body, 0)] == ["😀"]


def test_parts_in_two_codings_are_each_read_in_its_own() -> None:
    held = collector()
    held.add(DeliverSm(esm_class=0x40, short_message=b"\x05\x00\x03\x01\x02\x01@"), 0)
    (whole,) = held.add(DeliverSm(esm_class=0x40, data_coding=8, short_message=b"\x05\x00\x03\x01\x02\x02\x4f\x60"), 0)
    assert whole.text == "¡你"


def test_what_no_database_can_hold_is_replaced() -> None:
    (whole,) = collector().add(DeliverSm(data_coding=3, short_message=b"a\x00b"), 0)
    assert whole.text == "a\ufffdb"


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


@given(st.lists(st.tuples(st.binary(max_size=30), st.integers(0, 255), st.integers(0, 255)), max_size=20))
def test_no_octets_break_the_collector(bodies: list[tuple[bytes, int, int]]) -> None:
    held = collector(max_octets=500)
    for octets, esm_class, data_coding in bodies:
        held.add(DeliverSm(esm_class=esm_class, data_coding=data_coding, short_message=octets), 0)
        assert held._octets <= 500 == held._max_octets
        assert held._octets == sum(message.size for message in held._messages.values())
