"""Who asked for no more promotions, in which words: TD, T, 退订, STOP, or START to have them again."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

EVERY_ACCOUNT = "*"  #: of an opt-out whose sender meant nobody we know of
MAX_WISH = 100  #: characters; a longer text is no keyword, whatever stands in it
_AROUND = "PSZC"  #: Unicode's punctuation, symbols, separators, control characters
_EMOJI_STYLE = "\ufe0f"


class Wish(StrEnum):
    """What a person wants."""

    OUT = "opt_out"
    IN = "opt_in"


@dataclass(frozen=True, slots=True)
class OptOut:
    """The last word between a number and an account."""

    recipient: str  #: E.164
    account: str  #: or EVERY_ACCOUNT
    since: datetime
    lifted_at: datetime | None = None  #: the number wants promotions again since then
    keyword: str | None = None  #: None: an operator's doing
    channel: str | None = None
    number: str | None = None  #: ours that it was written to


@dataclass(frozen=True, slots=True)
class Keywords:
    """The words that are wishes, plain as `plain` makes them."""

    opt_out: frozenset[str]
    opt_in: frozenset[str]

    def wish(self, text: str) -> Wish | None:
        """What a text asks for, if the whole of it is a keyword."""
        word = plain(text)
        if word in self.opt_out:
            return Wish.OUT
        return Wish.IN if word in self.opt_in else None


def keywords(opt_out: Iterable[str], opt_in: Iterable[str]) -> Keywords:
    """The keywords an operator names.

    Raises:
        ValueError: one of them could never be met, or means both.
    """
    leave, come = ({word: plain(word) for word in words} for words in (opt_out, opt_in))
    for word, read in (leave | come).items():
        if not read:
            raise ValueError(f"{word!r} has no letter or digit, or more than {MAX_WISH} characters")
    if both := set(leave.values()) & set(come.values()):
        raise ValueError(f"{min(both)!r} cannot mean both")
    return Keywords(frozenset(leave.values()), frozenset(come.values()))


def plain(text: str) -> str:
    """A text as keywords are compared: of any width and case, without what stands around its words.

    Compatibility forms such as full-width letters are folded by Unicode's NFKC; nothing for a text that is too long.
    """
    text = text.strip()
    if len(text) > MAX_WISH:
        return ""
    word = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    start, end = 0, len(word)
    while start < end and _around(word[start]):
        start += 1
    while end > start and _around(word[end - 1]):
        end -= 1
    return word[start:end]


def _around(character: str) -> bool:
    return unicodedata.category(character)[0] in _AROUND or character == _EMOJI_STYLE
