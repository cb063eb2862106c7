"""How do the channels do, as seen by this process alone?"""

from __future__ import annotations

from engine.board import Board
from engine.judge import Change  # noqa: TC001


class MemoryHealthBoard(Board):
    """What this worker decides stands."""

    def decide(self, change: Change) -> None:
        """Decide, and tell."""
        super().decide(change)
        self.tell(self.standings.alone())
