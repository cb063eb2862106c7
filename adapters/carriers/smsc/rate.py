"""How much an account handed in within the past second."""

from __future__ import annotations

from collections import deque

SPAN_S = 1.0


class RecentSegments:
    """The segments taken of one account, counted exactly over a rolling second."""

    def __init__(self) -> None:
        self._taken: deque[tuple[float, int]] = deque()
        self._sum = 0

    def admits(self, segments: int, rate: float, now_s: float) -> bool:
        """Whether they are within so many a second, and count them if so; what is refused does not count."""
        while self._taken and self._taken[0][0] <= now_s - SPAN_S:
            self._sum -= self._taken.popleft()[1]
        if self._sum + segments > rate * SPAN_S:
            return False
        self._taken.append((now_s, segments))
        self._sum += segments
        return True
