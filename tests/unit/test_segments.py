"""How many parts a text is billed as."""

from __future__ import annotations

import gsm0338  # noqa: F401  (registers the codec that serves as the oracle)
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.segments import CHINA, GSM7, GSM7_BASIC, GSM7_EXTENSION, UCS2, alphabet_for, count, split

GSM_TEXT = st.text(st.sampled_from(sorted(GSM7_BASIC | GSM7_EXTENSION)), max_size=700)
ANY_TEXT = st.text(max_size=400)


@pytest.mark.parametrize(
    ("characters", "parts"), [(0, 1), (1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4)]
)
def test_mainland_china_counts_every_character_as_one(characters: int, parts: int) -> None:
    assert count("a" * characters, "CN") == parts
    assert count("码" * characters, "CN") == parts


@pytest.mark.parametrize(("septets", "parts"), [(160, 1), (161, 2), (306, 2), (307, 3)])
def test_gsm7_text_elsewhere_has_160_alone_and_153_in_each_part(septets: int, parts: int) -> None:
    assert count("a" * septets, "GB") == parts


def test_an_extension_character_takes_two_septets() -> None:
    assert count("€" * 80, "DE") == 1
    assert count("€" * 80 + "a", "DE") == 2


@pytest.mark.parametrize(("units", "parts"), [(70, 1), (71, 2), (134, 2), (135, 3)])
def test_other_text_elsewhere_is_counted_in_utf16_units(units: int, parts: int) -> None:
    assert count("я" * units, "RU") == parts


def test_a_character_outside_the_basic_plane_takes_two_units() -> None:
    assert count("😀" * 35, "US") == 1
    assert count("😀" * 36, "US") == 2


def test_an_escape_pair_is_never_cut() -> None:
    parts = split("a" * 152 + "€" + "b" * 20, GSM7)
    assert parts == ["a" * 152, "€" + "b" * 20]


def test_a_surrogate_pair_is_never_cut() -> None:
    parts = split("я" * 66 + "😀" + "я" * 20, UCS2)
    assert parts == ["я" * 66, "😀" + "я" * 20]


def test_the_gsm7_alphabet_is_the_one_of_an_independent_codec() -> None:
    for char in map(chr, range(0x10000)):
        if 0xD800 <= ord(char) < 0xE000 or char == "\x1b":  # halves of a pair, and the escape itself, are no text
            continue
        try:
            septets = len(char.encode("gsm03.38"))
        except UnicodeEncodeError:
            septets = 0
        ours = 2 if char in GSM7_EXTENSION else 1 if char in GSM7_BASIC else 0
        assert ours == septets, f"U+{ord(char):04X}"


@given(GSM_TEXT)
def test_gsm7_parts_join_to_the_text_and_each_fits(text: str) -> None:
    parts = split(text, GSM7)
    assert "".join(parts) == text
    assert len(parts) == 1 or all(len(part.encode("gsm03.38")) <= 153 for part in parts)
    assert len(parts) > 1 or len(text.encode("gsm03.38")) <= 160


@given(ANY_TEXT)
def test_ucs2_parts_join_to_the_text_and_each_fits(text: str) -> None:
    parts = split(text, UCS2)
    assert "".join(parts) == text
    assert len(parts) == 1 or all(len(part.encode("utf-16-be")) <= 134 for part in parts)
    assert len(parts) > 1 or len(text.encode("utf-16-be")) <= 140


@given(ANY_TEXT)
def test_chinese_parts_join_to_the_text(text: str) -> None:
    assert "".join(split(text, CHINA)) == text


def test_the_alphabet_follows_the_country_and_the_text() -> None:
    assert alphabet_for("abc", "CN") is CHINA
    assert alphabet_for("abc", "GB") is GSM7
    assert alphabet_for("abc 码", "GB") is UCS2
