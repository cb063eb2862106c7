"""Text to octets and back."""

from __future__ import annotations

import gsm0338  # noqa: F401  (registers the codec that serves as the oracle)
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.smpp.text import Alphabet, Coded, coding_for, decode, encode
from engine.segments import GSM7_BASIC, GSM7_EXTENSION

GSM_TEXT = st.text(st.sampled_from(sorted(GSM7_BASIC | GSM7_EXTENSION)), max_size=200)
GSM7, ASCII, LATIN1, UCS2 = Alphabet.GSM7, Alphabet.ASCII, Alphabet.LATIN1, Alphabet.UCS2


@given(GSM_TEXT)
def test_gsm7_is_written_and_read_as_an_independent_codec_does(text: str) -> None:
    assert encode(text, GSM7) == text.encode("gsm03.38")
    assert decode(encode(text, GSM7), 0) == text


@given(st.text(max_size=200))
def test_ucs2_is_utf16_with_the_high_octet_first_and_no_mark(text: str) -> None:
    assert encode(text, UCS2) == text.encode("utf-16-be")
    assert decode(encode(text, UCS2), 8) == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("text", "default", "latin1", "coded"),
    [
        ("Hello @£€[]", GSM7, False, Coded(GSM7, 0)),
        ("", GSM7, False, Coded(GSM7, 0)),
        ("Grüße", GSM7, True, Coded(GSM7, 0)),
        ("您好", GSM7, True, Coded(UCS2, 8)),
        ("fête", GSM7, False, Coded(UCS2, 8)),  # Latin-1 has it, GSM-7 has not
        ("fête", GSM7, True, Coded(LATIN1, 3)),
        ("a`b", GSM7, False, Coded(UCS2, 8)),
        ("Hello", ASCII, False, Coded(ASCII, 0)),
        ("a`b", ASCII, False, Coded(UCS2, 8)),  # phones would not get it
        ("Grüße", ASCII, False, Coded(UCS2, 8)),
        ("Grüße", ASCII, True, Coded(LATIN1, 3)),
        ("Grüße", LATIN1, False, Coded(LATIN1, 0)),
        ("Δ", LATIN1, True, Coded(UCS2, 8)),
        ("5 €", LATIN1, True, Coded(UCS2, 8)),
    ],
)
def test_a_text_is_sent_in_what_carrier_and_phone_both_hold(
    text: str, default: Alphabet, latin1: bool, coded: Coded
) -> None:
    assert coding_for(text, default, latin1=latin1) == coded
    assert decode(encode(text, coded.alphabet), coded.data_coding, default) == text


@given(st.text(max_size=50), st.sampled_from([GSM7, ASCII, LATIN1]), st.booleans())
def test_whatever_is_sent_is_read_again(text: str, default: Alphabet, latin1: bool) -> None:
    coded = coding_for(text, default, latin1=latin1)
    assert decode(encode(text, coded.alphabet), coded.data_coding, default) == text.removeprefix("\ufeff")


@pytest.mark.parametrize(("text", "alphabet"), [("您", GSM7), ("é", ASCII), ("€", LATIN1)])
def test_what_an_alphabet_lacks_is_refused_without_being_quoted(text: str, alphabet: Alphabet) -> None:
    with pytest.raises(ValueError, match="not in") as refused:
        encode(text, alphabet)
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    ("octets", "data_coding", "default", "text"),
    [
        (b"\x00\x02", 0, GSM7, "@$"),
        (b"\x00\x02", 0, LATIN1, "\x00\x02"),
        (b"@$", 0, ASCII, "@$"),
        (b"\x1be\x1b(", 0, GSM7, "€{"),
        (b"a\x1bab", 0, GSM7, "aab"),  # the extension table has no such character
        (b"a\x1b\x1be", 0, GSM7, "a e"),
        (b"a\x1b", 0, GSM7, "a"),
        (b"caf\xe9 @", 0, GSM7, "café @"),  # no septet is that high: it is not GSM-7 at all
        (b"\x00\x02", 0xF0, GSM7, "@$"),  # shown at once, not stored
        (b"\x00\x02", 0x10, GSM7, "@$"),
        (b"\x00\x02", 0xC8, GSM7, "@$"),
        (b"\x4f\x60", 0x18, GSM7, "你"),
        (b"\x4f\x60", 0xE0, GSM7, "你"),
        (b"\xe9", 0xF4, GSM7, "é"),
        (b"\xe9", 1, GSM7, "é"),
        (b"\xe9", 3, GSM7, "é"),
        (b"\xfe\xff\x4f\x60", 8, GSM7, "你"),
        (b"\xff\xfe\x60\x4f", 8, GSM7, "你"),
        (b"\x4f\x60\x59", 8, GSM7, "你\ufffd"),
        (b"\xd8\x3d", 8, GSM7, "\ufffd"),
        (b"\xbf\xe0", 6, GSM7, "Пр"),
        (b"\xf9", 7, GSM7, "ש"),
        (b"\x82\xa0", 5, GSM7, "あ"),
        (b"\xb0\xa1", 14, GSM7, "가"),
        (b"\xff", 14, GSM7, "\ufffd"),
        (b"\xe9", 4, GSM7, "é"),
    ],
)
def test_what_came_is_read_by_its_data_coding(octets: bytes, data_coding: int, default: Alphabet, text: str) -> None:
    assert decode(octets, data_coding, default) == text


@given(st.binary(max_size=100), st.integers(0, 255), st.sampled_from([GSM7, ASCII, LATIN1]))
def test_no_octets_break_the_reader(octets: bytes, data_coding: int, default: Alphabet) -> None:
    decode(octets, data_coding, default).encode()  # no half of a surrogate pair is left either
