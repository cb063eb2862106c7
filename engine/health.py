"""How well does a channel do just now? A decayed success rate, shrunk towards what channels usually reach."""

from __future__ import annotations

import math
from dataclasses import dataclass

HALF_LIFE_S = 60.0  #: of what was seen; long enough to judge by, short enough to leave a dying channel
PRIOR_RATE, PRIOR_WEIGHT = 0.98, 20.0  #: an unseen channel counts as 20 submits at 98 %
SHARPNESS = 4  #: 99 % → 0.96, 90 % → 0.66, 70 % → 0.24
LATENCY_TAU_S = 10.0


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is remembered of a channel; counts decay by half each `HALF_LIFE_S`."""

    successes: float = 0.0
    total: float = 0.0
    latency_s: float = 0.0  #: moving average of answered submits
    seen_at: float = 0.0  #: monotonic seconds of the newest observation


def observe(vitals: Vitals, *, success: bool, latency_s: float, now: float) -> Vitals:
    """The vitals after one submit that says something about the channel (a refused message does not)."""
    kept = _kept(vitals, now)
    fade = math.exp(-max(0.0, now - vitals.seen_at) / LATENCY_TAU_S) if vitals.total else 0.0
    return Vitals(
        successes=vitals.successes * kept + success,
        total=vitals.total * kept + 1.0,
        latency_s=vitals.latency_s * fade + latency_s * (1.0 - fade),
        seen_at=now,
    )


def score(vitals: Vitals, now: float) -> float:
    """Health from 0 (send nothing) to 1; an idle channel drifts back to the prior and so gets tried again."""
    kept = _kept(vitals, now)
    rate = (vitals.successes * kept + PRIOR_RATE * PRIOR_WEIGHT) / (vitals.total * kept + PRIOR_WEIGHT)
    return rate**SHARPNESS


def _kept(vitals: Vitals, now: float) -> float:
    return math.exp2(-max(0.0, now - vitals.seen_at) / HALF_LIFE_S)
