"""What an operator allows a channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.routing import Profile


@dataclass(frozen=True, slots=True)
class Terms:
    """Which messages, and how many."""

    profile: Profile
    cap: float | None = None  #: segments a second over all workers; None: no cap
