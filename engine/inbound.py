"""A person wrote to us (MO): what came, by which channel, to which of our numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message a carrier handed to us, put together again if it came in parts."""

    channel: str
    sender: str  #: the number that wrote, as the carrier gives it
    to: str  #: our number it was written to, a job's `extend` at its end
    text: str
    at: datetime  #: when we got it
    carrier_id: str | None = None  #: the carrier's id, if it gives one; then a repeat is known by it
