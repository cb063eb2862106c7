"""The last moments of a channel, as one worker saw them; those of several workers are read together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

ENDINGS, ENDINGS_S = 20, 3600.0  #: so many, and not older
SPAN_S, SPANS_S = 3.0, 30.0
USED_S, LEAST_USED_S = 6.0, 1.0  #: over which the rate in use is averaged, at most and at least
LATENCY_TAU_S = 10.0
FIRST_LATENCY_S = 1.0  #: of a channel nobody has used
FAULT_LATENCY_S = 5.0  #: what a fault counts as at least: failing fast must not look like being fast


class Beat(NamedTuple):
    """One submit that ended."""

    at: float
    good: bool | None  #: None where it says nothing about the channel: refused messages, throttles
    latency_s: float
    segments: int


class Ending(NamedTuple):
    """One submit that said something about the channel."""

    at: float
    good: bool


class Span(NamedTuple):
    """The submits of three seconds."""

    at: float  #: when it began
    good: int
    bad: int
    sent: int  #: with those that say nothing about the channel
    segments: int  #: of all of them


@dataclass(frozen=True, slots=True)
class Pulse:
    """Times are monotonic seconds."""

    endings: tuple[Ending, ...] = ()  #: oldest first
    spans: tuple[Span, ...] = ()  #: oldest first
    latency_s: float = FIRST_LATENCY_S
    latency_at: float | None = None


def after(pulse: Pulse, beats: Sequence[Beat]) -> Pulse:
    """After some more submits, oldest first."""
    endings, spans = list(pulse.endings), list(pulse.spans)
    peak_s, peak_at = pulse.latency_s, pulse.latency_at
    for at, good, took_s, segments in beats:
        if not spans or at - spans[-1].at >= SPAN_S:
            spans = [*(span for span in spans if at - span.at < SPANS_S), Span(at, 0, 0, 0, 0)]
        began, well, ill, sent, cost = spans[-1]
        spans[-1] = Span(began, well + (good is True), ill + (good is False), sent + 1, cost + segments)
        if good is not None:
            endings.append(Ending(at, good))
            peak_s = _peak(peak_s, peak_at, took_s if good else max(took_s, FAULT_LATENCY_S), at)
            peak_at = at
    return Pulse(tuple(endings[-ENDINGS:]), tuple(spans), peak_s, peak_at)


def _peak(peak_s: float, peak_at: float | None, latency_s: float, now: float) -> float:
    """PeakEWMA as Finagle defines it: up at once, down with a time constant of 10 s."""
    if peak_at is None or latency_s > peak_s:
        return latency_s
    kept = math.exp((peak_at - now) / LATENCY_TAU_S)
    return peak_s * kept + latency_s * (1 - kept)


def latency_s(own: Pulse, others: Sequence[Pulse], usual_s: float, now: float) -> float:
    """What a submit is expected to take: of this worker's view and that of all together the worse.

    Where nothing was seen of late it is what the channel usually takes, so that a fault is not held against it for
    ever.
    """
    together_s, weight = 0.0, 0.0
    for pulse in (own, *others):
        volume = sum(span.sent for span in pulse.spans if now - span.at < SPANS_S)
        together_s += volume * _calmed(pulse, usual_s, now)
        weight += volume
    mean_s = together_s / weight if weight else usual_s
    return max(mean_s, _calmed(own, usual_s, now))


def _calmed(pulse: Pulse, usual_s: float, now: float) -> float:
    if pulse.latency_at is None:
        return usual_s
    return usual_s + (pulse.latency_s - usual_s) * math.exp(min(0.0, pulse.latency_at - now) / LATENCY_TAU_S)


def last(pulses: Sequence[Pulse], now: float, since: float | None = None) -> list[Ending]:
    """The last endings of all workers together, oldest first; those after `since` only."""
    after = now - ENDINGS_S if since is None else max(since, now - ENDINGS_S)
    return sorted(e for pulse in pulses for e in pulse.endings if e.at > after)[-ENDINGS:]


def recent(pulses: Sequence[Pulse], now: float, since: float | None = None) -> tuple[int, int]:
    """How many submits were good and bad within 30 s, after `since`."""
    after = now - SPANS_S if since is None else max(since, now - SPANS_S)
    spans = [span for pulse in pulses for span in pulse.spans if span.at > after]
    return sum(span.good for span in spans), sum(span.bad for span in spans)


def used_rate(pulses: Sequence[Pulse], now: float) -> float:
    """Segments a second of late, of all workers together."""
    rate = 0.0
    for pulse in pulses:
        if spans := [span for span in pulse.spans if now - span.at < USED_S]:
            rate += sum(span.segments for span in spans) / max(LEAST_USED_S, now - spans[0].at)
    return rate


def traffic(pulses: Sequence[Pulse], now: float) -> int:
    """Submits within 30 s, of all workers together."""
    return sum(span.sent for pulse in pulses for span in pulse.spans if now - span.at < SPANS_S)


def shifted(pulse: Pulse, by_s: float) -> Pulse:
    """The same with all times so much later."""
    return Pulse(
        endings=tuple(Ending(ending.at + by_s, ending.good) for ending in pulse.endings),
        spans=tuple(span._replace(at=span.at + by_s) for span in pulse.spans),
        latency_s=pulse.latency_s,
        latency_at=None if pulse.latency_at is None else pulse.latency_at + by_s,
    )
