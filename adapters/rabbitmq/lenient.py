"""What may a producer write into the properties of a message? Anything: it must not cost us the connection.

pamqp raises on a property it cannot read, such as a timestamp in microseconds or a name that is not UTF-8; aiormq
then gives up the connection, the broker sends the same message again on the next one, and so on for all categories.
These decoders answer such a property with nothing instead, so the message is judged by its body like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pamqp import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from pamqp.common import FieldValue

    Decoder = Callable[..., tuple[int, FieldValue]]


def tolerate() -> None:
    """Make pamqp read every property a broker lets through."""
    decode.METHODS["shortstr"] = _shortstr
    decode.METHODS["timestamp"] = _or_nothing(decode.timestamp, lambda _: 8)
    decode.METHODS["table"] = _or_nothing(decode.field_table, lambda value: 4 + int.from_bytes(value[:4], "big"))


def _shortstr(value: bytes) -> tuple[int, FieldValue]:
    length = value[0]
    return 1 + length, value[1 : 1 + length].decode("utf-8", "ignore")


def _or_nothing(decoder: Decoder, size: Callable[[bytes], int]) -> Decoder:
    def read(value: bytes) -> tuple[int, FieldValue]:
        try:
            return decoder(value)
        except (ValueError, OverflowError, OSError, RecursionError):
            return size(value), None

    return read
