"""What a carrier posted to us: the items in a body, as JSON or as a form."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import parse_qsl

import msgspec

from adapters.carriers.json_values import at

MAX_ITEMS = 1000  #: in one body
MAX_FIELDS = 200  #: in one form


class Posted(StrEnum):
    """How a carrier writes what it posts."""

    JSON = "json"
    FORM = "form"  #: application/x-www-form-urlencoded: one item, its fields all text


def items(body: bytes, posted: Posted, list_path: str | None) -> list[object]:
    """The items in a body: what stands at a path or the whole, if that is no list then as the only one.

    Raises:
        ValueError: it is neither JSON nor a form, or too much; the message does not quote it.
    """
    document = _form(body) if posted is Posted.FORM else _json(body)
    found = at(document, list_path) if list_path else document
    listed = found if isinstance(found, list) else [found]
    if len(listed) > MAX_ITEMS:
        raise ValueError(f"the body has {len(listed)} items; {MAX_ITEMS} are allowed")
    return listed


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ValueError("the body is no JSON") from None


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS))
    except ValueError:
        raise ValueError("the body is no form of up to 200 fields in UTF-8") from None
