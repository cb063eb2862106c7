"""Rolling windows by brute force: every decision recounts every half-open window over all accepted entries.

Deliberately written another way than `engine/limits.py` and the Lua scripts: it counts, they look up the n-th newest.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from engine.limits import Window

US = 1_000_000


def count(times: Sequence[int], window: Window, until: int) -> int:
    """How many entries lie in (until - window, until]."""
    return sum(until - window.seconds * US < at <= until for at in times)


def fits(times: Sequence[int], windows: Sequence[Window], at: int) -> bool:
    """Whether one more entry at `at` leaves every window within its limit."""
    return all(count(times, window, at) < window.limit for window in windows)


def first_fit(times: Sequence[int], windows: Sequence[Window], at: int) -> int:
    """The first time from `at` on at which one more fits, found by trying every time at which anything changes."""
    changes = sorted({at, *(entry + window.seconds * US for entry in times for window in windows)})
    return next(change for change in changes if change >= at and fits(times, windows, change))


def overfull(times: Sequence[int], windows: Sequence[Window]) -> bool:
    """Whether some window anywhere holds more than its limit."""
    return any(count(times, window, until) > window.limit for window in windows for until in times)


@dataclass
class OracleLog:
    """The entries of one count."""

    entries: dict[Hashable, int] = field(default_factory=dict)

    def refusal(self, job: Hashable, windows: Sequence[Window], now: int) -> int | None:
        """When the job would fit, None if it fits now; an entry of its own is absent, time never runs back."""
        at = self._held(now)
        others = [entry for name, entry in self.entries.items() if name != job]
        free_at = first_fit(others, windows, at)
        return free_at if free_at > at else None

    def accept(self, job: Hashable, windows: Sequence[Window], now: int) -> None:
        """Enter the job; what lies a longest window back is forgotten for good."""
        at = self._held(now)
        forgotten = at - max(window.seconds for window in windows) * US
        self.entries = {name: entry for name, entry in self.entries.items() if entry > forgotten} | {job: at}

    def refund(self, job: Hashable) -> None:
        """The job was not sent."""
        self.entries.pop(job, None)

    def _held(self, now: int) -> int:
        return max(now, *self.entries.values()) if self.entries else now
