"""What stands at a place in a carrier's JSON, read with distrust: nothing in it is taken to have the right type."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

V = TypeVar("V")

MAX_ID = 256
MAX_REASON = 200
_CODE = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def at(document: object, path: str) -> object | None:
    """The value at a dotted path such as `data.items.0.id`, or None."""
    value: object = document
    for step in path.split("."):
        if isinstance(value, dict):
            value = cast("dict[str, object]", value).get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = cast("list[object]", value)[int(step)]
        else:
            return None
    return value


def word(value: object) -> str | None:
    """A string, number or truth value as the carrier wrote it; None for anything else or nothing."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) and value else None


def meaning(words: Mapping[str, V], said: str) -> V | None:
    """What a carrier's word means: the word itself, else the first pattern with `*` that fits it, else nothing."""
    if said in words:
        return words[said]
    return next((meant for word, meant in words.items() if "*" in word and fnmatchcase(said, word)), None)


def message_id(value: object) -> str | None:
    """A carrier's id of a message, never converted; None if it is none."""
    found = None if isinstance(value, bool) else word(value)
    return None if found is None or len(found) > MAX_ID or _CONTROL.search(found) else found


def code(value: object) -> str | None:
    """A carrier's error code, if it looks like one: 1 to 64 letters, digits, dots, dashes, colons."""
    found = word(value)
    return found if found and _CODE.fullmatch(found) else None


def normalised(stated: str | None) -> str | None:
    """A carrier's error code in capitals, digits and underscores."""
    return re.sub(r"[^A-Z0-9]+", "_", stated.upper()).strip("_") or None if stated else None


def sentence(value: object) -> str:
    """A carrier's own explanation, shortened and without control characters; empty if there is none."""
    return _CONTROL.sub(" ", word(value) or "")[:MAX_REASON]


def text(value: object) -> str:
    """What a person wrote, whole, but for what no database or UTF-8 can hold; empty if there is none."""
    return _UNSTORABLE.sub("\ufffd", word(value) or "")
