"""How well does a channel do? Rates that are believed as far as there is something to go by, and always compared."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from engine.decay import Tally, shrunk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HALF_LIFE_S = 60.0  #: of submits; long enough to judge by, short enough to leave a dying channel
PRIOR_RATE = 0.98  #: of channels nobody has used
SHARPNESS = 4  #: 99 % → 0.96, 90 % → 0.66, 70 % → 0.24
OWN_RATE = 50.0  #: submits or receipts from which a group, or a comparison of receipts, stands on its own
SICK = 0.5  #: where every channel is below, none is held against the others


def keys(channel: str, country: str, category: str) -> tuple[str, str, str]:
    """What a message over a channel is counted under: its kind, its country, the channel; each the parent before."""
    return f"{channel}|{country}|{category}", f"{channel}|{country}", channel


def fleet_rate(channels: Sequence[Tally]) -> float:
    """The share of submits that carriers take, over all channels."""
    total = Tally(sum(tally.good for tally in channels), sum(tally.total for tally in channels))
    return shrunk(total, PRIOR_RATE)


def submit_rate(counts: Callable[[str], Tally], fleet: float, names: tuple[str, ...]) -> float:
    """The share of submits that a carrier takes, 0 to 1: a kind's own if it is known well, else its parent's.

    `names` are what the message is counted under (`keys`), or the channel alone.
    """
    *groups, channel = names
    rate = shrunk(counts(channel), fleet)
    for key in reversed(groups):
        tally = counts(key)
        if tally.total >= OWN_RATE:
            rate = shrunk(tally, rate)
    return rate


def receipt_quality(counts: Callable[[str], Tally], channels: Sequence[str], channel: str, country: str = "") -> float:
    """How a channel's delivery receipts compare with those of the others, 0 to 1; 1 where it cannot be told.

    It cannot where too few are known, where none ever come of a country, or where all channels do badly.
    """
    for suffix in (f"|{country}", "") if country else ("",):
        known = {name: tally for name in channels if (tally := counts(name + suffix)).total >= OWN_RATE}
        if channel not in known or len(known) < 2 or (suffix and known[channel].good < 1):
            continue
        if all(tally.rate < SICK for tally in known.values()):
            return 1.0
        usual = median(tally.rate for name, tally in known.items() if name != channel)
        return min(1.0, known[channel].rate / usual) if usual > 0 else 1.0
    return 1.0


def score(submit_rate: float, quality: float) -> float:
    """Health from 0 (send nothing) to 1."""
    return float(submit_rate**SHARPNESS * quality**2)
