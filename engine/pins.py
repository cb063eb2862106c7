"""What an operator decided about a channel by hand; it wins over what the engine would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pin:
    """A fixed weight, or no traffic at all."""

    channel: str
    weight: float | None  #: None: the channel is disabled
    until: datetime | None = None  #: None: until it is taken back
    by: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.until is None or now < self.until

    def __str__(self) -> str:
        return "disabled" if self.weight is None else f"{self.weight:g}"
