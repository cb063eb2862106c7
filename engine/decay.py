"""Numbers that fade: what was seen long ago weighs less, and what several workers saw adds up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PRIOR_WEIGHT = 20.0  #: events that a rate's parent counts as
STEP = 1.25  #: from one bucket of a spread to the next, and so how exact its quantiles are
SPREAD_HALF_LIFE_S = 3600.0
SPREAD_FADES_EVERY_S = 60.0
NOTHING = 0.01  #: a bucket that faded below is forgotten


@dataclass(frozen=True, slots=True)
class Tally:
    """How many there were and how many of them were good, each halved once per half-life."""

    good: float = 0.0
    total: float = 0.0
    at: float = 0.0  #: monotonic seconds as of which both are told

    @property
    def rate(self) -> float:
        """The share of good ones, 0 to 1; 0 of nothing."""
        return min(1.0, max(0.0, self.good / self.total)) if self.total > 0 else 0.0


def faded(tally: Tally, now: float, half_life_s: float) -> Tally:
    """The same as of a later time."""
    if now <= tally.at:
        return tally
    kept = math.exp2((tally.at - now) / half_life_s)
    return Tally(tally.good * kept, tally.total * kept, now)


def noted(tally: Tally, good: float, total: float, now: float, half_life_s: float) -> Tally:
    """With so many more just now."""
    old = faded(tally, now, half_life_s)
    return Tally(old.good + good, old.total + total, old.at)


def together(tallies: Iterable[Tally], now: float, half_life_s: float) -> Tally:
    """The sum as of now."""
    good = total = 0.0
    for tally in tallies:
        old = faded(tally, now, half_life_s)
        good, total = good + old.good, total + old.total
    return Tally(good, total, now)


def shrunk(tally: Tally, parent: float) -> float:
    """The rate, as near to the parent's as there is little to go by: `(s + k·p₀) / (n + k)`."""
    return min(1.0, (tally.good + PRIOR_WEIGHT * parent) / (tally.total + PRIOR_WEIGHT))


@dataclass(slots=True)
class Spread:
    """How durations spread, in buckets that each reach 25 % further; the last few hours count."""

    counts: dict[int, float] = field(default_factory=dict)
    at: float = 0.0  #: monotonic seconds as of which they are told

    def note(self, seconds: float, now: float) -> None:
        """One more."""
        self.fade(now)
        bucket = round(math.log(max(seconds, 0.001)) / math.log(STEP))
        self.counts[bucket] = self.counts.get(bucket, 0.0) + 1.0

    def fade(self, now: float) -> None:
        """Forget with time; done once a minute, for it is slow work."""
        if now - self.at >= SPREAD_FADES_EVERY_S:
            kept = math.exp2((self.at - now) / SPREAD_HALF_LIFE_S)
            self.counts = {b: count * kept for b, count in self.counts.items() if count * kept > NOTHING}
            self.at = now


def quantile(spreads: Iterable[Spread], share: float) -> tuple[float, float]:
    """The duration in seconds that this share of all do not exceed, and how many there are; 0 seconds of none."""
    counts: dict[int, float] = {}
    for spread in spreads:
        for bucket, count in spread.counts.items():
            counts[bucket] = counts.get(bucket, 0.0) + count
    total = left = sum(counts.values())
    for bucket in sorted(counts, reverse=True):
        left -= counts[bucket]
        if left < share * total:
            return STEP**bucket, total
    return 0.0, 0.0
