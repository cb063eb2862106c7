"""How many second sends may a worker make? A fifth of its messages: failing over must not become a flood.

The figures are Finagle's retry budget (20 % of what was sent within 10 s), with half its floor, for it is per worker.
"""

from __future__ import annotations

from collections import deque

SHARE = 0.2
FLOOR_PER_S = 5.0
WINDOW_S = 10


class RetryBudget:
    """Counts by the second; each second is forgotten after ten."""

    def __init__(self) -> None:
        self._sent = _Seconds()
        self._spent = _Seconds()

    def sent(self, now: float) -> None:
        """A message was submitted for the first time."""
        self._sent.add(now)

    def spend(self, now: float) -> bool:
        """Whether one more second send may be made; then it is counted."""
        if self._spent.count(now) + 1 > SHARE * self._sent.count(now) + FLOOR_PER_S * WINDOW_S:
            return False
        self._spent.add(now)
        return True


class _Seconds:
    def __init__(self) -> None:
        self._counts: deque[tuple[int, int]] = deque()
        self._total = 0

    def add(self, now: float) -> None:
        second = int(now)
        self.count(now)  # so that nothing old piles up
        if self._counts and self._counts[-1][0] == second:
            self._counts[-1] = (second, self._counts[-1][1] + 1)
        else:
            self._counts.append((second, 1))
        self._total += 1

    def count(self, now: float) -> int:
        while self._counts and self._counts[0][0] <= now - WINDOW_S:
            self._total -= self._counts.popleft()[1]
        return self._total
