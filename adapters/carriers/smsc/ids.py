"""How a carrier writes its message ids: seldom the same way in its answer to a submit as in its delivery receipts."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

Notation = Literal["decimal", "decimal_padded", "hex", "hex_upper", "hex_padded", "uuid"]


def write_id(number: int, notation: Notation) -> str:
    """A message's number, from 0 to 2**64 - 1, in a notation; padded ones have leading zeros."""
    match notation:
        case "decimal":
            return str(number)
        case "decimal_padded":
            return f"{number:022}"
        case "hex":
            return f"{number:x}"
        case "hex_upper":
            return f"{number:X}"
        case "hex_padded":
            return f"{number:020x}"
    return str(UUID(int=number << 64 | number))
