"""Templates out of configuration: text or JSON with `${variables}`, made ready once and filled in for every message.

No code runs in them, and what a value contains is never read as a variable.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")  #: what the values are taken from
Value = str | int | dict[str, str] | None

if TYPE_CHECKING:
    Variables = Mapping[str, str | Callable[[T], Value]]  # by name: a constant, or what is asked for the value

_VARIABLE = re.compile(r"\$\{([a-z0-9_]+)\}")
_VISIBLE = "!\"#$&'()*+,/:;<=>?@[\\]^`{|} "  #: printable ASCII that `quote` would encode, but for the percent sign


def names(template: object) -> set[str]:
    """The variables that a template names, at any depth."""
    if isinstance(template, dict):
        return set().union(*map(names, template.values()))
    if isinstance(template, list | tuple):
        return set().union(*map(names, template))
    return set(_VARIABLE.findall(template)) if isinstance(template, str) else set()


def ready(template: object, variables: Variables[T]) -> Callable[[T], object]:
    """What fills a template; a variable is a constant or is asked for its value.

    A string that is nothing but one variable becomes its value (`params` an object, `segments` a number), and is left
    out of its object or list where there is none; within other text a variable is written out.

    Raises:
        ValueError: the template names a variable that does not exist.
    """
    if isinstance(template, dict):
        fields = [(key, ready(value, variables)) for key, value in template.items()]
        return lambda source: {key: value for key, fill in fields if (value := fill(source)) is not None}
    if isinstance(template, list | tuple):
        items = [ready(item, variables) for item in template]
        return lambda source: [value for fill in items if (value := fill(source)) is not None]
    if not isinstance(template, str):
        return lambda _: template
    if alone := _VARIABLE.fullmatch(template):
        value = _known(alone[1], variables)
        return value if callable(value) else lambda _: value
    return ready_text(template, variables)


def ready_text(
    template: str, variables: Variables[T], escape: Callable[[str], str] | None = None
) -> Callable[[T], str]:
    """What fills a template that is text and stays text; `escape` is applied to what variables ask for.

    Raises:
        ValueError: the template names a variable that does not exist.
    """
    if (settled := constant(template, variables)) is not None:
        return lambda _: settled
    pieces, safe = _pieces(template, variables), escape or str
    return lambda source: "".join(
        [piece if isinstance(piece, str) else safe(written(piece(source))) for piece in pieces]
    )


def constant(template: str, variables: Variables[T]) -> str | None:
    """The text that a template always becomes, or None if it asks for anything.

    Raises:
        ValueError: the template names a variable that does not exist.
    """
    pieces = _pieces(template, variables)
    texts = [piece for piece in pieces if isinstance(piece, str)]
    return "".join(texts) if len(texts) == len(pieces) else None


def written(value: object) -> str:
    """A value as text: what is no text is written as JSON, and nothing where there is none."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def in_url(value: str) -> str:
    """A value for any part of a URL or form, percent-encoded but for the unreserved characters of RFC 3986."""
    return quote(value, safe="")


def in_header(value: str) -> str:
    """A value for a header: what is not printable ASCII is percent-encoded, so that it can end no line."""
    return quote(value, safe=_VISIBLE)


def _pieces(template: str, variables: Mapping[str, str | Callable[[T], Value]]) -> list[str | Callable[[T], Value]]:
    """Text and variables in turn."""
    return [_known(piece, variables) if place % 2 else piece for place, piece in enumerate(_VARIABLE.split(template))]


def _known(name: str, variables: Variables[T]) -> str | Callable[[T], Value]:
    if name not in variables:
        raise ValueError(f"there is no variable {name!r}; there are {', '.join(variables)}")
    return variables[name]
