"""What should be decided about the channels at this moment? Nothing of it is done here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from engine import breaker, health, pulse, throttle
from engine.breaker import Breaker, Seen, State
from engine.standing import Collapse, Mark
from engine.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from engine.routing import Profile
    from engine.sightings import Reading
    from engine.standing import Decision, Standings

COLLAPSED = 0.5  #: of the peers' receipts
LOW_S = 10.0  #: between the two looks that see it
RECOVERED_BY = 10.0  #: receipts due of late by which a channel shows that it reports again
STEP = 0.1  #: of the score, which is worth a word
STEP_EVERY_S = 10.0


class Change(NamedTuple):
    """A decision, and in words what it changes; without words it is not worth telling."""

    channel: str
    decision: Decision
    old: str = ""
    new: str = ""
    reason: str = ""


@dataclass(slots=True)
class Judge:
    """Looks at all channels; it remembers since when receipts look bad, for that must last a while."""

    profiles: Mapping[str, Profile]
    rng: Random
    _low_since: dict[str, float]
    _groups: set[frozenset[str]]

    def __init__(self, profiles: Mapping[str, Profile], rng: Random) -> None:
        self.profiles, self.rng, self._low_since = profiles, rng, {}
        self._groups = _groups(profiles)

    def look(self, reading: Reading, standings: Standings) -> Iterator[Change]:
        """What should change, each change with all before it made."""
        for channel in self.profiles:
            yield from self._breaker(channel, reading, standings)
            yield from _throttle(channel, reading, standings)
            yield from self._receipts(channel, reading, standings)
            yield from _score(channel, reading, standings)

    def _breaker(self, channel: str, reading: Reading, standings: Standings) -> Iterator[Change]:
        old = standings.get(channel, Breaker)
        good, bad = pulse.recent(reading.pulses(channel), reading.now, old.since)
        others = [reading.endings(name) for name in self.profiles if name != channel]
        seen = Seen(reading.endings(channel, old.since), good, bad, breaker.peers(others))
        new = breaker.advanced(old, seen, reading.now, self.rng)
        if new.state is State.CLOSED and (why := breaker.verdict(seen)) and self._may_open(channel, standings):
            new = breaker.opened(new, why, reading.now, self.rng)
        if new.state is State.OPEN and self._one_too_many(channel, standings):
            new = breaker.taken_back(new, reading.now)
        if new.state is not old.state:
            yield Change(channel, new, old.state, new.state, new.reason)
        elif new != old:
            yield Change(channel, new)

    def _may_open(self, channel: str, standings: Standings) -> bool:
        """Whether half of the channels would be left wherever others could carry what this one carries."""
        groups = [group for group in self._groups if channel in group and len(group) > 1]
        return bool(groups) and all(
            breaker.may_open(sum(standings.get(name, Breaker).state is not State.CLOSED for name in group), len(group))
            for group in groups
        )

    def _one_too_many(self, channel: str, standings: Standings) -> bool:
        """Whether workers that could not know of each other left more than half of a group, this one last."""
        mine = standings.get(channel, Breaker)
        if mine.state is not State.OPEN or mine.fatal or mine.since is None:
            return False
        for group in (group for group in self._groups if channel in group and len(group) > 1):
            left = {name: standings.get(name, Breaker) for name in group}
            tripped = [
                (b.since or 0.0, name) for name, b in left.items() if b.state is not State.CLOSED and not b.fatal
            ]
            if len(tripped) > len(group) // 2 and max(tripped)[1] == channel:
                return True
        return False

    def _receipts(self, channel: str, reading: Reading, standings: Standings) -> Iterator[Change]:
        old, lately = standings.get(channel, Collapse), reading.receipts_lately(channel)
        if old.since is None:
            if self._quality(channel, reading) > COLLAPSED:
                self._low_since.pop(channel, None)
            elif reading.now - self._low_since.setdefault(channel, reading.now) >= LOW_S:
                reason = f"{lately.rate:.0%} of the messages due of late are delivered"
                yield Change(channel, Collapse(reading.now), "as the others", "collapsed", reason)
        elif self._recovered(channel, old.since, reading):
            self._low_since.pop(channel, None)
            yield Change(channel, Collapse(), "collapsed", "as the others", "its receipts come again")

    def _quality(self, channel: str, reading: Reading) -> float:
        """By the last minute where it says enough, so that a collapse shows within a minute and not within ten."""
        lately = reading.receipts_lately
        if lately(channel).total >= health.OWN_RATE:
            return health.receipt_quality(lately, list(self.profiles), channel)
        return reading.quality(channel)

    def _recovered(self, channel: str, since: float, reading: Reading) -> bool:
        lately = reading.receipts_lately(channel)
        if lately.total >= RECOVERED_BY:
            others = [reading.receipts(name).rate for name in self.profiles if name != channel]
            return lately.rate > COLLAPSED * max(others, default=0.0)
        return reading.now - since >= 600.0 and reading.quality(channel) > COLLAPSED


def _throttle(channel: str, reading: Reading, standings: Standings) -> Iterator[Change]:
    old = standings.get(channel, Throttle)
    if throttle.over(old, reading.now):
        yield Change(channel, Throttle(), f"{old.rate:.0f}/s", "full rate", "it was not throttled any more")


def _score(channel: str, reading: Reading, standings: Standings) -> Iterator[Change]:
    old, score = standings.get(channel, Mark), reading.score(channel)
    if abs(score - old.score) >= STEP and (old.at is None or reading.now - old.at >= STEP_EVERY_S):
        rate, quality = reading.submit_rate(channel), reading.quality(channel)
        reason = f"{rate:.0%} of submits taken, receipts {quality:.0%} of the others'"
        yield Change(channel, Mark(score, reading.now), f"{old.score * 100:.0f}", f"{score * 100:.0f}", reason)


def _groups(profiles: Mapping[str, Profile]) -> set[frozenset[str]]:
    """The channels that can stand in for each other: those of each country and category."""
    countries = {country for profile in profiles.values() for country in profile.countries or ()} | {None}
    categories = {category for profile in profiles.values() for category in profile.categories or ()} | {None}
    return {
        frozenset(
            name
            for name, profile in profiles.items()
            if (profile.countries is None or country in profile.countries)
            and (profile.categories is None or category in profile.categories)
        )
        for country in countries
        for category in categories
    }
