"""A person wrote to us (MO): what came, by which channel, to which of our numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

if TYPE_CHECKING:
    from datetime import datetime

_NAMESPACE = UUID("0e0c7a3e-3c55-5a0b-9f43-1f1d3e2a9d70")
REPEAT_S = 600  #: of a message without an id, the same text again within such a span counts as a repeat
MAX_ADDRESS, MAX_CARRIER_ID, MAX_TEXT = 64, 255, 40_000  #: characters; a text of 255 parts is shorter
#: what UTF-8 or a database cannot hold
_UNHOLDABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message a carrier handed to us, put together again if it came in parts."""

    channel: str
    sender: str  #: the number that wrote, as the carrier gives it
    to: str  #: our number it was written to, a job's `extend` at its end
    text: str
    at: datetime  #: when we got it
    carrier_id: str | None = None  #: the carrier's id, if it gives one; then a repeat is known by it

    @property
    def id(self) -> UUID:
        """The same for a repeat; without the carrier's id, for the same text within the same ten minutes."""
        if self.carrier_id is not None:
            return uuid5(_NAMESPACE, f"id\x1f{self.channel}\x1f{self.carrier_id}")
        span = int(self.at.timestamp()) // REPEAT_S
        return uuid5(_NAMESPACE, f"text\x1f{self.channel}\x1f{self.sender}\x1f{self.to}\x1f{span}\x1f{self.text}")


def holdable(message: InboundMessage) -> InboundMessage:
    """The message as it can be kept and passed on, whatever a carrier or a person put into it.

    Each character that no text can hold becomes U+FFFD, and what is longer than any real one is cut.
    """
    return replace(
        message,
        sender=_holdable(message.sender, MAX_ADDRESS),
        to=_holdable(message.to, MAX_ADDRESS),
        text=_holdable(message.text, MAX_TEXT),
        carrier_id=_holdable(message.carrier_id, MAX_CARRIER_ID) if message.carrier_id else None,
    )


def _holdable(text: str, longest: int) -> str:
    return _UNHOLDABLE.sub("\ufffd", text[:longest])
