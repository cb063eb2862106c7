"""How fast may a channel be used that says it is too fast? Down by a third at once, up again slowly (AIMD)."""

from __future__ import annotations

from dataclasses import dataclass

DECREASE, LOWEST = 0.7, 0.05  #: of the rate at each cut; of the cap at least
CUT_EVERY_S = 1.0  #: one burst of throttled submits is one cut, however many were under way
CLEAN_S = 5.0  #: without a throttle before the rate rises
INCREASE = 0.05  #: of the cap, each second


@dataclass(frozen=True, slots=True)
class Throttle:
    """Times are monotonic seconds; without `cut_at` the channel runs at its cap."""

    cap: float = 0.0  #: segments a second that it recovers to
    rate: float = 0.0  #: segments a second after the last cut
    cut_at: float | None = None
    last_at: float | None = None  #: of the last throttled submit
    paused_until: float | None = None

    TIMES = ("cut_at", "last_at", "paused_until")


def cut(throttle: Throttle, cap: float, retry_after_s: float, now: float) -> Throttle:
    """After a throttled submit; `cap` is the configured rate, or what was used where none is."""
    pause_until = max(throttle.paused_until or now, now + retry_after_s)
    if throttle.cut_at is None:
        return Throttle(cap, max(cap * LOWEST, cap * DECREASE), now, now, pause_until)
    if now - throttle.cut_at < CUT_EVERY_S:
        return Throttle(throttle.cap, throttle.rate, throttle.cut_at, now, pause_until)
    lower = max(throttle.cap * LOWEST, rate(throttle, now) * DECREASE)
    return Throttle(throttle.cap, lower, now, now, pause_until)


def rate(throttle: Throttle, now: float) -> float:
    """Segments a second at this moment; infinite where nothing is throttled."""
    if throttle.cut_at is None or throttle.last_at is None:
        return float("inf")
    clean_s = max(0.0, now - throttle.last_at - CLEAN_S)
    return min(throttle.cap, throttle.rate + throttle.cap * INCREASE * clean_s)


def pause_s(throttle: Throttle, now: float) -> float:
    """Seconds for which nothing shall be submitted any more."""
    return 0.0 if throttle.paused_until is None else max(0.0, throttle.paused_until - now)


def over(throttle: Throttle, now: float) -> bool:
    """Whether the cap is reached again."""
    return throttle.cut_at is not None and rate(throttle, now) >= throttle.cap
