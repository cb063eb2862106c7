"""When is a channel left alone, when is it tried again, when is it trusted again? Always by comparison with its peers.

Base time, its growth and its decay are those of Envoy's and gRPC's outlier detection, the fault rate is
resilience4j's; what is ours is that a channel is judged by how much worse it does than the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from engine.pulse import Ending

STREAK = 5
LONG_STREAK, LONG_S, UNLIKELY = 10, 1.0, 1e-7  #: so many in a row, over a second, and hardly a peer's bad luck
FEW_S = 60.0
ENOUGH, FEW = 10, 5  #: endings to judge by; a few do where they took more than a minute
WORSE = 0.3  #: of the peers' median success
BUSY, FAULT_SHARE = 20, 0.5
OPEN_S, LONGEST_OPEN_S, FATAL_OPEN_S = 30.0, 300.0, 300.0
JITTER = 0.2
RAMP_S, RAMP_FROM = 60.0, 0.1
CALM_S, WELL = 10.0, 0.8  #: a trip is forgiven for each ten seconds in which it does about as well as its peers
OTP_WAITS_S = 30.0  #: a code is no probe, unless nothing else came for so long
NO_PEERS = 0.98  #: what a channel is compared with where no other was used


class State(StrEnum):
    """Whether messages go over a channel."""

    CLOSED = "closed"  #: they do
    OPEN = "open"  #: none
    HALF_OPEN = "half_open"  #: one at a time, to find out


@dataclass(frozen=True, slots=True)
class Breaker:
    """Times are monotonic seconds."""

    state: State = State.CLOSED
    since: float | None = None  #: of the state; None: from the start
    until: float | None = None  #: when an open one is tried again
    trips: int = 0  #: that still count: each makes the next time open longer
    calm_at: float | None = None  #: when they last grew or fell
    reason: str = ""
    fatal: bool = False  #: it does not heal by itself; then it counts in no comparison

    TIMES = ("since", "until", "calm_at")


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to judge by, since the breaker came into its state."""

    endings: Sequence[Ending]  #: the last 20
    good: int  #: of the last 30 s
    bad: int
    peers: float = NO_PEERS  #: median of the other channels' success


def success(endings: Sequence[Ending]) -> float:
    """The share of good ones."""
    return sum(ending.good for ending in endings) / len(endings)


def peers(others: Sequence[Sequence[Ending]]) -> float:
    """How well the other channels do, by the last endings of each."""
    seen = [success(endings) for endings in others if len(endings) >= FEW]
    return median(seen) if seen else NO_PEERS


def verdict(seen: Seen) -> str | None:
    """Why a closed breaker should open, or None."""
    endings = seen.endings
    few = len(endings) >= FEW and endings[-1].at - endings[0].at > FEW_S
    if len(endings) < ENOUGH and not few:
        return None
    streak = _streak(endings)
    lasted_s = endings[-1].at - endings[-streak].at if streak else 0.0
    long = (streak >= LONG_STREAK and lasted_s >= LONG_S) or (streak >= STREAK and lasted_s > FEW_S)
    if long and (1 - seen.peers) ** streak <= UNLIKELY:
        return f"{streak} faults in a row"
    # Where the peers fail altogether it is not this channel's fault.
    if seen.peers <= 0 or success(endings) > WORSE * seen.peers:
        return None
    if streak >= STREAK:
        return f"{streak} faults in a row, {success(endings):.0%} of the last {len(endings)} went well"
    total = seen.good + seen.bad
    if total >= BUSY and seen.bad >= FAULT_SHARE * total:
        return f"{seen.bad} faults in {total} submits within 30 s"
    return None


def _streak(endings: Sequence[Ending]) -> int:
    """How many faults came in a row, up to now."""
    streak = 0
    for ending in reversed(endings):
        if ending.good:
            break
        streak += 1
    return streak


def opened(breaker: Breaker, reason: str, now: float, rng: Random, *, fatal: bool = False) -> Breaker:
    """Leave the channel alone, longer each time; for 5 minutes if it does not heal by itself."""
    trips = breaker.trips + 1
    open_s = FATAL_OPEN_S if fatal else min(LONGEST_OPEN_S, OPEN_S * trips)
    until = now + open_s * rng.uniform(1 - JITTER, 1 + JITTER)
    return Breaker(State.OPEN, now, until, trips, now, reason, fatal)


def advanced(breaker: Breaker, seen: Seen, now: float, rng: Random) -> Breaker:
    """What time and probes make of it; a closed one opens by `verdict` only."""
    match breaker.state:
        case State.OPEN if breaker.until is None or now >= breaker.until:
            return replace(breaker, state=State.HALF_OPEN, since=now, until=None, reason="its time is over")
        case State.HALF_OPEN:
            good = sum(ending.good for ending in seen.endings)
            bad = len(seen.endings) - good
            if bad > max(1.0, 10 * (1 - 0.7 * seen.peers)):
                return opened(breaker, f"{bad} of {good + bad} probes failed", now, rng)
            if good >= max(3.0, 7 * seen.peers):
                reason = f"{good} of {good + bad} probes went well"
                return replace(breaker, state=State.CLOSED, since=now, calm_at=now + RAMP_S, reason=reason, fatal=False)
        case State.CLOSED if breaker.trips and breaker.calm_at is not None and now >= breaker.calm_at + CALM_S:
            # One that flaps is in use for minutes between two trips, but it does not do well.
            well = not seen.endings or success(seen.endings) >= WELL * seen.peers
            return replace(breaker, trips=breaker.trips - well, calm_at=now)
    return breaker


def may_open(open_ones: int, channels: int) -> bool:
    """Whether one more of a group may open: never more than half of them, this one counted."""
    return open_ones + 1 <= channels // 2


def taken_back(breaker: Breaker, now: float) -> Breaker:
    """Closed again, as if it had not tripped, for too many others did at the same time."""
    return Breaker(State.CLOSED, now, None, breaker.trips - 1, now, "too many of its peers were left at the same time")


def ramp(breaker: Breaker, now: float) -> float:
    """The share of its weight that a channel has: a tenth when it comes back, all of it a minute later."""
    if breaker.state is not State.CLOSED or breaker.since is None:
        return 1.0
    return min(1.0, RAMP_FROM + (1 - RAMP_FROM) * max(0.0, now - breaker.since) / RAMP_S)


def takes_codes(breaker: Breaker, now: float) -> bool:
    """Whether a half-open channel may be tried with a verification code though others are well."""
    return breaker.since is not None and now - breaker.since >= OTP_WAITS_S
