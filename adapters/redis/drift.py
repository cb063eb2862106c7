"""Does Redis's clock run like ours? Limits are windows of its time, so it must not leap ahead."""

from __future__ import annotations

MAX_LEAP_S = 1.0
MAX_SLEW = 500e-6  #: by which a clock that is kept in step is made faster or slower (adjtime's limit)


class Drift:
    """Follows the difference between Redis's clock and our monotonic one, as slowly as honest clocks part."""

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._seen_at = 0.0
        self.leap_s = 0.0  #: how far Redis's clock is from where it should be; positive is ahead

    @property
    def ahead(self) -> bool:
        """Whether windows would end too early."""
        return self.leap_s > MAX_LEAP_S

    def observe(self, redis_s: float, asked_at: float, answered_at: float) -> None:
        """Note the time Redis told; the other two are ours, monotonic, around the question."""
        earliest, latest = redis_s - answered_at, redis_s - asked_at
        if self._offset_s is None:
            self._offset_s, self._seen_at = earliest, answered_at
        slew_s = MAX_SLEW * (answered_at - self._seen_at)
        nearest = min(max(self._offset_s, earliest), latest)
        self.leap_s = nearest - self._offset_s
        self._offset_s += min(max(self.leap_s, -slew_s), slew_s)
        self._seen_at = answered_at

    def expected_s(self, at: float) -> float | None:
        """What Redis's clock should show at a monotonic time of ours; None before it was ever asked."""
        return None if self._offset_s is None else at + self._offset_s
