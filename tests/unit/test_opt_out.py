"""Which texts are keywords, however a phone writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import policy
from config.load import load
from engine.opt_out import MAX_WISH, Wish, keywords, plain

WORDS = keywords(["TD", "T", "退订", "STOP", "arrêt"], ["START", "订阅"])


@pytest.mark.parametrize(
    "text",
    [
        "TD", "td", " Td\n", "ＴＤ", "ｔｄ", "TD.", "TD。", "“TD”", "【TD】", "t", "Ｔ！", "退订", "退订。", "　退订　",
        "Stop!!!", "STOP ❗️", "(stop)", "ARRÊT", "arre\u0302t", "\ufeffTD", "\u200bstop\u200b", "\x00STOP\x00", "𝐒𝐓𝐎𝐏",
    ],
)  # fmt: skip
def test_a_keyword_opts_out_in_any_width_and_case_and_with_anything_around_it(text: str) -> None:
    assert WORDS.wish(text) is Wish.OUT


@pytest.mark.parametrize("text", ["START", "start.", "ＳＴＡＲＴ", "订阅！"])
def test_a_keyword_opts_in_again(text: str) -> None:
    assert WORDS.wish(text) is Wish.IN


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "!",
        "Don't stop",
        "stop it",
        "TDTD",
        "T D",
        "退订吗",
        "不退订",
        "stop-start",
        "1",
        "тd",
        "s\u200btop" * 9,
        "T" * 500,
    ],
)
def test_a_text_that_is_no_keyword_as_a_whole_asks_for_nothing(text: str) -> None:
    assert WORDS.wish(text) is None


@given(st.text(max_size=3 * MAX_WISH))
def test_any_text_is_read_without_an_error_and_reading_it_again_changes_nothing(text: str) -> None:
    assert plain(plain(text)) == plain(text) or len(plain(text)) > MAX_WISH
    WORDS.wish(text)


@given(st.sampled_from(["TD", "退订", "stop"]), st.text("  .!?。，！？“”\"'()【】\t\r\n", max_size=20))
def test_whatever_stands_around_a_keyword_makes_no_difference(word: str, around: str) -> None:
    assert WORDS.wish(around + word + around) is Wish.OUT


def test_a_long_text_is_no_keyword_whatever_it_is_made_of() -> None:
    assert WORDS.wish("TD" + "!" * (MAX_WISH - 2)) is Wish.OUT
    assert WORDS.wish("TD" + "!" * (MAX_WISH - 1)) is None


def test_a_keyword_that_could_never_be_met_or_means_both_is_refused() -> None:
    with pytest.raises(ValueError, match="no letter or digit"):
        keywords(["!!"], [])
    with pytest.raises(ValueError, match="cannot mean both"):
        keywords(["Stop"], ["ＳＴＯＰ"])


@pytest.mark.parametrize(
    "text", ["TD", "T", "N", "R", "退订", "退", "拒收", "STOP", "unsubscribe", "Cancel", "end", "quit"]
)
def test_what_is_customary_opts_out_by_default(text: str) -> None:
    assert policy.inbound_keywords(load(environment={})).wish(text) is Wish.OUT
