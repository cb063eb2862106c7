"""What is submitted for a text. The long vectors were written by the package `smpplib` 2.2.4."""

from __future__ import annotations

from random import Random

import gsm0338  # noqa: F401  (registers the codec that serves as the oracle)
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.smpp.message_bodies import SubmitSm
from adapters.carriers.smpp.parts import MAX_PARTS, MAX_PAYLOAD, Part, References, Way, Writing, cut
from adapters.carriers.smpp.pdu import MAX_PDU, Pdu, encode
from adapters.carriers.smpp.text import Alphabet, decode
from adapters.carriers.smpp.tlv import Tag
from adapters.carriers.smpp.user_data import Fragment, user_data
from engine.segments import GSM7_BASIC, GSM7_EXTENSION, UCS2, count, split

UDH = Writing()
COUNTRIES = st.sampled_from(["CN", "GB"])
WRITINGS = st.builds(
    Writing, st.sampled_from([Alphabet.GSM7, Alphabet.ASCII, Alphabet.LATIN1]), st.booleans(), st.sampled_from(Way)
)
GSM_TEXT = st.text(st.sampled_from(sorted(GSM7_BASIC | GSM7_EXTENSION)), max_size=700)
BASIC_PLANE = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=300)
ANY_TEXT = st.text(max_size=300) | GSM_TEXT | BASIC_PLANE


def submit(part: Part) -> SubmitSm:
    return SubmitSm(
        data_coding=part.data_coding, esm_class=part.esm_class, short_message=part.short_message, tlvs=part.tlvs
    )


def parts_of(text: str, country: str, writing: Writing, reference: int) -> list[Part]:
    return cut(text, country, writing, lambda: reference)


def put_together(parts: list[Part], default: Alphabet) -> str:
    return "".join(decode(user_data(submit(part)).octets, part.data_coding, default) for part in parts)


def test_a_short_text_is_one_part_without_any_header() -> None:
    assert parts_of("Hi @", "GB", UDH, 7) == [Part(0, b"Hi \x00")]
    assert parts_of("你好", "CN", UDH, 7) == [Part(8, bytes.fromhex("4f60597d"))]


def test_parts_have_the_header_of_six_octets() -> None:
    first, second = parts_of("a" * 161, "GB", UDH, 0x1FE)
    assert first == Part(0, bytes.fromhex("050003fe0201") + b"a" * 153, 0x40)
    assert second == Part(0, bytes.fromhex("050003fe0202") + b"a" * 8, 0x40)


def test_parts_by_sar_have_the_parameters_and_no_header() -> None:
    parts = parts_of("码" * 71, "CN", Writing(long=Way.SAR), 0x1FE)
    assert [part.esm_class for part in parts] == [0, 0]
    assert [len(part.short_message) for part in parts] == [134, 8]
    assert parts[1].tlvs == {
        Tag.SAR_MSG_REF_NUM: b"\x01\xfe",
        Tag.SAR_TOTAL_SEGMENTS: b"\x02",
        Tag.SAR_SEGMENT_SEQNUM: b"\x02",
    }


def test_a_long_text_by_payload_goes_whole_and_a_short_one_as_ever() -> None:
    payload = Writing(long=Way.PAYLOAD)
    assert parts_of("a" * 161, "GB", payload, 7) == [Part(0, b"", tlvs={Tag.MESSAGE_PAYLOAD: b"a" * 161})]
    assert parts_of("a" * 160, "GB", payload, 7) == [Part(0, b"a" * 160)]


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        (
            "0123456789" * 17,
            [
                (
                    "050003790201303132333435363738393031323334353637383930313233343536373839303132333435363738393031"
                    "323334353637383930313233343536373839303132333435363738393031323334353637383930313233343536373839"
                    "303132333435363738393031323334353637383930313233343536373839303132333435363738393031323334353637"
                    "383930313233343536373839303132"
                ),
                "0500037902023334353637383930313233343536373839",
            ],
        ),
        (
            "ab¥" * 60,
            [
                (
                    "050003420201616203616203616203616203616203616203616203616203616203616203616203616203616203616203"
                    "616203616203616203616203616203616203616203616203616203616203616203616203616203616203616203616203"
                    "616203616203616203616203616203616203616203616203616203616203616203616203616203616203616203616203"
                    "616203616203616203616203616203"
                ),
                "050003420202616203616203616203616203616203616203616203616203616203",
            ],
        ),
        (
            "Привет, " * 10,
            [
                (
                    "050003bd0201041f04400438043204350442002c0020041f04400438043204350442002c0020041f0440043804320435"
                    "0442002c0020041f04400438043204350442002c0020041f04400438043204350442002c0020041f0440043804320435"
                    "0442002c0020041f04400438043204350442002c0020041f04400438043204350442002c0020041f04400438"
                ),
                "050003bd0202043204350442002c0020041f04400438043204350442002c0020",
            ],
        ),
    ],
)
def test_long_texts_are_cut_as_a_foreign_library_cuts_them(text: str, octets: list[str]) -> None:
    reference = int(octets[0][6:8], 16)
    assert [part.short_message.hex() for part in parts_of(text, "GB", UDH, reference)] == octets


def test_an_escape_pair_is_never_cut() -> None:
    first, second = parts_of("a" * 152 + "€" + "b" * 20, "GB", UDH, 7)
    assert first.short_message[6:] == b"a" * 152
    assert second.short_message[6:] == b"\x1be" + b"b" * 20


def test_a_surrogate_pair_is_never_cut() -> None:
    first, second = parts_of("я" * 66 + "😀" + "я" * 20, "RU", UDH, 7)
    assert first.short_message[6:].decode("utf-16-be") == "я" * 66
    assert second.short_message[6:].decode("utf-16-be") == "😀" + "я" * 20


@pytest.mark.parametrize("characters", [70, 71, 134, 135, 160, 161])
def test_in_mainland_china_latin_letters_are_cut_as_they_are_counted(characters: int) -> None:
    assert len(parts_of("a" * characters, "CN", UDH, 7)) == count("a" * characters, "CN")


@pytest.mark.parametrize(("text", "billed", "parts"), [("😀" * 70, 1, 3), ("码" * 66 + "😀" + "码" * 67, 2, 3)])
def test_in_mainland_china_emoji_make_more_parts_than_are_billed_and_none_too_long(
    text: str, billed: int, parts: int
) -> None:
    found = parts_of(text, "CN", UDH, 7)
    assert (count(text, "CN"), len(found)) == (billed, parts)
    assert max(len(part.short_message) for part in found) <= 140
    assert put_together(found, Alphabet.GSM7) == text


def test_a_default_alphabet_that_lacks_a_character_makes_more_parts_than_are_billed() -> None:
    text = "Grüße " * 20
    assert count(text, "DE") == 1
    assert len(parts_of(text, "DE", Writing(Alphabet.ASCII), 7)) == 2
    assert len(parts_of(text, "DE", Writing(Alphabet.LATIN1), 7)) == 1


def test_brackets_take_two_septets_of_a_phone_whatever_the_carrier_calls_them() -> None:
    assert len(parts_of("[" * 81, "DE", Writing(Alphabet.ASCII), 7)) == 2


@given(ANY_TEXT, COUNTRIES, WRITINGS, st.integers(0, 0xFFFF))
def test_no_text_is_truncated_and_no_part_is_too_long(
    text: str, country: str, writing: Writing, reference: int
) -> None:
    parts = parts_of(text, country, writing, reference)
    assert put_together(parts, writing.default).removeprefix("\ufeff") == text.removeprefix("\ufeff")
    for part in parts:
        data = user_data(submit(part))
        if part.data_coding and Tag.MESSAGE_PAYLOAD not in part.tlvs:
            assert len(data.octets) <= (140 if len(parts) == 1 else 134)
        elif Tag.MESSAGE_PAYLOAD not in part.tlvs:
            on_air = decode(data.octets, 0, writing.default).encode("gsm03.38")
            assert len(on_air) <= (160 if len(parts) == 1 else 153)
        encode(Pdu(submit(part), 1))


@given(ANY_TEXT, COUNTRIES)
def test_there_are_as_many_parts_as_are_billed_wherever_they_fit(text: str, country: str) -> None:
    parts = len(parts_of(text, country, UDH, 7))
    billed = count(text, country)
    assert parts >= billed
    if country != "CN" or max(text, default="") <= "\uffff":
        assert parts == billed
    else:
        assert parts <= max(billed, len(split(text, UCS2)))


@given(ANY_TEXT, COUNTRIES, st.sampled_from([Way.UDH, Way.SAR]), st.integers(0, 0xFFFF))
def test_parts_name_their_place(text: str, country: str, way: Way, reference: int) -> None:
    parts = parts_of(text, country, Writing(long=way), reference)
    total = len(parts)
    if total == 1:
        assert user_data(submit(parts[0])).fragment is None
        return
    marked_by, kept = ("udh8", reference & 0xFF) if way is Way.UDH else ("sar", reference)
    assert [user_data(submit(part)).fragment for part in parts] == [
        Fragment(marked_by, kept, total, number) for number in range(1, total + 1)
    ]


@pytest.mark.parametrize("way", [Way.UDH, Way.SAR])
def test_more_parts_than_can_be_numbered_are_refused(way: Way) -> None:
    assert len(parts_of("a" * 153 * MAX_PARTS, "GB", Writing(long=way), 7)) == MAX_PARTS
    with pytest.raises(ValueError, match="256 parts"):
        parts_of("a" * 153 * MAX_PARTS + "a", "GB", Writing(long=way), 7)


def test_a_payload_that_makes_too_long_a_pdu_is_refused() -> None:
    payload = Writing(long=Way.PAYLOAD)
    (longest,) = parts_of("a" * MAX_PAYLOAD, "GB", payload, 7)
    assert len(encode(Pdu(submit(longest), 1))) <= MAX_PDU
    with pytest.raises(ValueError, match="octets"):
        parts_of("a" * MAX_PAYLOAD + "a", "GB", payload, 7)


def test_no_carriers_default_alphabet_is_ucs2() -> None:
    with pytest.raises(ValueError, match="default alphabet"):
        Writing(Alphabet.UCS2)


def test_references_count_for_each_sender_and_recipient() -> None:
    references = References(Random(1))
    first = references.next("Acme", "1")
    for _ in range(255):
        references.next("Acme", "2")
    assert references.next("Acme", "1") == (first + 1) & 0xFFFF
    assert len({references.next("Acme", "1") & 0xFF for _ in range(256)}) == 256


def test_a_reference_is_used_up_by_parts_only_even_if_there_are_more_of_them_than_are_billed() -> None:
    asked: list[int] = []

    def next_reference() -> int:
        asked.append(0)
        return len(asked)

    cut("a" * 160, "GB", UDH, next_reference)
    cut("a" * 161, "GB", Writing(long=Way.PAYLOAD), next_reference)
    assert not asked
    for reference in (1, 2):  # billed as one part each
        assert cut("😀" * 36, "CN", UDH, next_reference)[0].short_message[3] == reference


def test_references_begin_anywhere() -> None:
    begins = {References(Random(seed)).next("Acme", "1") for seed in range(20)}
    assert len(begins) > 15


def test_references_are_remembered_of_so_many_pairs_those_used_last() -> None:
    references = References(Random(1), limit=2)
    kept = references.next("Acme", "1")
    for other in ("2", "3"):
        references.next("Acme", other)
        kept_next = references.next("Acme", "1")
        assert kept_next == (kept + 1) & 0xFFFF
        kept = kept_next
    assert len(references._last) == 2
