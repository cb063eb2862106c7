"""How a phone number may appear where people other than its owner read it."""

from __future__ import annotations

import re

SHOWN = 4  #: last digits, enough to find a number again that one knows
_E164 = re.compile(r"\+[0-9]{7,15}")


def masked(number: str) -> str:
    """`+86*******1234`; nothing of what is not an E.164 number, for it may be anything."""
    if not _E164.fullmatch(number):
        return "*"
    head = number[:3] if len(number) > 10 else ""
    return head + "*" * (len(number) - len(head) - SHOWN) + number[-SHOWN:]
