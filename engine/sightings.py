"""What workers saw of the channels: kept by each, told to the others, read together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from engine import health, pulse
from engine.cohort import FAST_S, SLOW_S, due_s
from engine.decay import Spread, Tally, faded, quantile, together
from engine.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.pulse import Ending

GROUPS = 300  #: that one worker keeps; beyond, those with the least traffic are forgotten
LITTLE = 0.05  #: a group that faded below is forgotten


@dataclass(slots=True)
class Sightings:
    """What one worker saw. Times are monotonic seconds; keys are channels and groups (`health.keys`)."""

    pulses: dict[str, Pulse] = field(default_factory=dict)  #: by channel
    submits: dict[str, Tally] = field(default_factory=dict)
    receipts: dict[str, Tally] = field(default_factory=dict)  #: delivery receipts of messages that were due
    receipts_lately: dict[str, Tally] = field(default_factory=dict)
    latencies: dict[str, Spread] = field(default_factory=dict)  #: by channel, of good submits
    delays: dict[str, Spread] = field(default_factory=dict)  #: by channel, from submit to delivery receipt
    ready: dict[str, bool] = field(default_factory=dict)  #: by channel, whether the worker is connected

    def forget(self, now: float) -> None:
        """Let go of what hardly matters any more."""
        for tallies, half_life_s in (
            (self.submits, health.HALF_LIFE_S),
            (self.receipts, SLOW_S),
            (self.receipts_lately, FAST_S),
        ):
            weight = {key: abs(faded(tally, now, half_life_s).total) for key, tally in tallies.items()}
            light = [key for key in weight if weight[key] < LITTLE]
            for key in light + sorted(set(weight) - set(light), key=lambda key: -weight[key])[GROUPS:]:
                del tallies[key]


def shifted(seen: Sightings, by_s: float) -> Sightings:
    """The same with all times so much later: monotonic clocks of two processes begin at different moments."""

    def tallies(old: Mapping[str, Tally]) -> dict[str, Tally]:
        return {key: Tally(tally.good, tally.total, tally.at + by_s) for key, tally in old.items()}

    def spreads(old: Mapping[str, Spread]) -> dict[str, Spread]:
        return {key: Spread(spread.counts, spread.at + by_s) for key, spread in old.items()}

    return Sightings(
        pulses={name: pulse.shifted(old, by_s) for name, old in seen.pulses.items()},
        submits=tallies(seen.submits),
        receipts=tallies(seen.receipts),
        receipts_lately=tallies(seen.receipts_lately),
        latencies=spreads(seen.latencies),
        delays=spreads(seen.delays),
        ready=seen.ready,
    )


class Told:
    """What the other workers told, added up once so that it is quick to read."""

    def __init__(self, parts: Sequence[Sightings] = (), now: float = 0.0) -> None:
        self.pulses: dict[str, list[Pulse]] = defaultdict(list)
        for part in parts:
            for name, one in part.pulses.items():
                self.pulses[name].append(one)
        self.submits = _summed([part.submits for part in parts], now, health.HALF_LIFE_S)
        self.receipts = _summed([part.receipts for part in parts], now, SLOW_S)
        self.receipts_lately = _summed([part.receipts_lately for part in parts], now, FAST_S)
        self.latencies = _gathered(part.latencies for part in parts)
        self.delays = _gathered(part.delays for part in parts)
        self.ready = [part.ready for part in parts]


class Receipts:
    """The delivery receipts of all workers, as of a moment at which the sums hold (`cohort.told_slot`)."""

    def __init__(self, own: Sightings | None = None, told: Told | None = None, now: float = 0.0) -> None:
        self.slow = _summed([own.receipts, told.receipts], now, SLOW_S) if own and told else {}
        self.lately = _summed([own.receipts_lately, told.receipts_lately], now, FAST_S) if own and told else {}


class Reading:
    """All that is known of the channels at one moment."""

    def __init__(self, channels: Sequence[str], own: Sightings, told: Told, receipts: Receipts, now: float) -> None:
        self.now = now
        self._receipts = receipts
        self._channels = channels
        self._own = own
        self._told = told
        self._latencies: dict[str, float] = {}
        self._used: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._endings: dict[tuple[str, float | None], list[Ending]] = {}

    def pulses(self, channel: str) -> list[Pulse]:
        """Every worker's, our own first."""
        return [self._own.pulses.get(channel, Pulse()), *self._told.pulses.get(channel, ())]

    def endings(self, channel: str, since: float | None = None) -> list[Ending]:
        """The last 20 submits that say something of the channel, oldest first."""
        if (channel, since) not in self._endings:
            self._endings[channel, since] = pulse.last(self.pulses(channel), self.now, since)
        return self._endings[channel, since]

    def submits(self, key: str) -> Tally:
        """How many submits, and how many a carrier took."""
        parts = [part[key] for part in (self._own.submits, self._told.submits) if key in part]
        return together(parts, self.now, health.HALF_LIFE_S)

    def receipts(self, key: str) -> Tally:
        """How many messages were due, and how many of them delivered."""
        return faded(self._receipts.slow.get(key, Tally(at=self.now)), self.now, SLOW_S)

    def receipts_lately(self, key: str) -> Tally:
        """The same, of the last minute."""
        return faded(self._receipts.lately.get(key, Tally(at=self.now)), self.now, FAST_S)

    @cached_property
    def fleet_rate(self) -> float:
        """The share of submits that carriers take, over all channels."""
        return health.fleet_rate([self.submits(channel) for channel in self._channels])

    def submit_rate(self, channel: str) -> float:
        """The share of submits that the carrier takes."""
        return health.submit_rate(self.submits, self.fleet_rate, (channel,))

    def quality(self, channel: str, country: str = "") -> float:
        """How its delivery receipts compare, 0 to 1."""
        return health.receipt_quality(self.receipts, self._channels, channel, country)

    def score(self, channel: str, country: str = "", category: str = "") -> float:
        """Health from 0 to 1, of a kind of message or altogether."""
        names = health.keys(channel, country, category) if country else (channel,)
        rate = health.submit_rate(self.submits, self.fleet_rate, names)
        return health.score(rate, self.quality(channel, country))

    def latency_s(self, channel: str) -> float:
        """What a submit is expected to take."""
        if channel not in self._latencies:
            own, *others = self.pulses(channel)
            usual_s, seen = quantile(self._spreads(self._own.latencies, self._told.latencies, channel), 0.5)
            usual_s = usual_s if seen else pulse.FIRST_LATENCY_S
            self._latencies[channel] = pulse.latency_s(own, others, usual_s, self.now)
        return self._latencies[channel]

    def used_rate(self, channel: str) -> float:
        """Segments a second of late."""
        if channel not in self._used:
            self._used[channel] = pulse.used_rate(self.pulses(channel), self.now)
        return self._used[channel]

    def traffic(self, channel: str) -> int:
        """Submits within 30 s."""
        return pulse.traffic(self.pulses(channel), self.now)

    def ready(self, channel: str) -> bool:
        """Whether any worker is connected, as far as anybody has looked."""
        looked = [ready[channel] for ready in (self._own.ready, *self._told.ready) if channel in ready]
        return any(looked) or not looked

    def due_s(self, channel: str) -> float:
        """How old a message must be for its delivery receipt to be due."""
        if channel not in self._due:
            self._due[channel] = due_s(*quantile(self._spreads(self._own.delays, self._told.delays, channel), 0.9))
        return self._due[channel]

    def _spreads(
        self, own: Mapping[str, Spread], told: Mapping[str, Sequence[Spread]], channel: str
    ) -> Sequence[Spread]:
        return [*([own[channel]] if channel in own else []), *told.get(channel, ())]


def _summed(parts: Sequence[Mapping[str, Tally]], now: float, half_life_s: float) -> dict[str, Tally]:
    found = {key for part in parts for key in part}
    return {key: together([part[key] for part in parts if key in part], now, half_life_s) for key in found}


def _gathered(parts: Iterable[Mapping[str, Spread]]) -> dict[str, list[Spread]]:
    found: dict[str, list[Spread]] = defaultdict(list)
    for part in parts:
        for name, spread in part.items():
            found[name].append(spread)
    return found
