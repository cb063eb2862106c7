"""Submits that ended a moment ago: to note one costs next to nothing, and all are counted together when read."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from engine import pulse
from engine.decay import Spread, Tally, noted
from engine.health import HALF_LIFE_S, keys
from engine.outcomes import Accepted, ChannelFault, Unanswered
from engine.pulse import Beat, Pulse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.cohort import Cohorts
    from engine.message import Message
    from engine.outcomes import Outcome
    from engine.sightings import Sightings


class Fresh:
    """What a worker has seen and not counted yet."""

    def __init__(self) -> None:
        self._beats: defaultdict[tuple[str, str, str], list[Beat]] = defaultdict(list)  # by `keys` of a kind

    def note(self, channel: str, message: Message, outcome: Outcome, latency_s: float, now: float) -> bool | None:
        """A submit ended. Whether that speaks for or against the channel; refused messages and throttles do neither."""
        taken, failed = isinstance(outcome, Accepted), isinstance(outcome, ChannelFault | Unanswered)
        good = taken if taken or failed else None
        kind = channel, message.recipient.country, message.category
        self._beats[kind].append(Beat(now, good, latency_s, message.segments))
        return good

    def count(self, seen: Sightings, cohorts: Cohorts, wall_ahead_s: float) -> None:
        """Add everything to what was seen; `wall_ahead_s` is by how much the wall clock is ahead of the monotonic."""
        fresh, self._beats = self._beats, defaultdict(list)
        by_channel: dict[str, list[Beat]] = {}
        for kind, beats in fresh.items():
            names = keys(*kind)
            by_channel.setdefault(kind[0], []).extend(beats)
            _count(seen.submits, names, beats)
            for beat in beats:
                if beat.good:
                    cohorts.sent(names, beat.at + wall_ahead_s)
        for channel, beats in by_channel.items():
            beats.sort(key=_at)
            seen.pulses[channel] = pulse.after(seen.pulses.get(channel, Pulse()), beats)
            usual = seen.latencies.setdefault(channel, Spread(at=beats[0].at))
            for beat in beats:
                if beat.good:
                    usual.note(beat.latency_s, beat.at)


def _count(submits: dict[str, Tally], names: Sequence[str], beats: Sequence[Beat]) -> None:
    said = [beat.good for beat in beats if beat.good is not None]
    now = beats[-1].at
    for name in names if said else ():
        submits[name] = noted(submits.get(name, Tally(at=now)), float(sum(said)), float(len(said)), now, HALF_LIFE_S)


def _at(beat: Beat) -> float:
    return beat.at
