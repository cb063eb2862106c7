"""What is decided about the channels, once for all workers: each decision has a version, and the first of two wins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from engine.breaker import Breaker
from engine.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.events import ChannelChanged


EVERY = "*"  #: all channels together


@dataclass(frozen=True, slots=True)
class Collapse:
    """Whether a channel's delivery receipts have collapsed; it keeps a tenth of its weight then."""

    since: float | None = None  #: monotonic seconds

    TIMES = ("since",)


@dataclass(frozen=True, slots=True)
class Mark:
    """The score that was told last, in steps of ten; what is between is not worth a word."""

    score: float = 0.98**4
    at: float | None = None  #: monotonic seconds

    TIMES = ("at",)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong with all channels together; empty if nothing."""

    reason: str = ""

    TIMES = ()


Decision = Breaker | Throttle | Collapse | Mark | Alarm
D = TypeVar("D", Breaker, Throttle, Collapse, Mark, Alarm)
KINDS: Mapping[str, type[Decision]] = {
    kind.__name__.lower(): kind for kind in (Breaker, Throttle, Collapse, Mark, Alarm)
}


class Versioned(NamedTuple):
    """A decision as it is shared."""

    version: int
    decision: Decision


class Stands(NamedTuple):
    """A decision as the others know it."""

    versioned: Versioned
    ours: bool  #: whether it is what this worker proposed


@dataclass(slots=True)
class Pending:
    """A decision of this worker's that the others have not heard of."""

    base: int  #: the version it was made upon
    events: list[ChannelChanged] = field(default_factory=list)  #: told once it stands


def key(channel: str, kind: type[Decision]) -> str:
    """The name a decision is shared under."""
    return f"{channel}|{kind.__name__.lower()}"


def kind_of(key: str) -> type[Decision] | None:
    """What kind of decision is shared under a name."""
    return KINDS.get(key.rpartition("|")[2])


def moved(decision: Decision, by_s: float) -> Decision:
    """The same with all times so much later."""
    times = {name: getattr(decision, name) for name in decision.TIMES}
    return replace(decision, **{name: at + by_s for name, at in times.items() if at is not None})


class Standings:
    """The decisions as this worker knows them, its own at once."""

    def __init__(self) -> None:
        self._known: dict[str, Versioned] = {}
        self._pending: dict[str, Pending] = {}

    def get(self, channel: str, kind: type[D]) -> D:
        """The decision that stands, or that nothing was decided."""
        found = self._known.get(key(channel, kind))
        return found.decision if found and isinstance(found.decision, kind) else kind()

    def version(self, channel: str, kind: type[Decision]) -> int:
        """The version of the decision that stands; 0 of none."""
        found = self._known.get(key(channel, kind))
        return found.version if found else 0

    def put(self, channel: str, decision: Decision, event: ChannelChanged | None) -> None:
        """Decide; the event is told once it is clear that this decision is the one that stands."""
        name = key(channel, type(decision))
        version = self._known[name].version if name in self._known else 0
        pending = self._pending.setdefault(name, Pending(version))
        if event:
            pending.events.append(event)
        self._known[name] = Versioned(pending.base + 1, decision)

    def proposals(self) -> dict[str, Versioned]:
        """What the others have to be told, each with the version it shall get."""
        return {name: self._known[name] for name in self._pending}

    def settle(self, proposed: Mapping[str, Versioned], stands: Mapping[str, Stands]) -> list[ChannelChanged]:
        """Take over what stands for all; answers what to tell.

        What was decided here since the proposal is proposed again if the proposal stood, and is void if it did not.
        """
        told: list[ChannelChanged] = []
        for name, (versioned, ours) in stands.items():
            pending = self._pending.pop(name, None)
            if not (pending and ours and name in proposed):
                self._known[name] = versioned
                continue
            told += pending.events
            version, latest = versioned.version, self._known[name].decision
            if latest is not proposed[name].decision:
                self._pending[name] = Pending(version)
                version += 1
            self._known[name] = Versioned(version, latest)
        return told

    def alone(self) -> list[ChannelChanged]:
        """What to tell of decisions that nobody else can be asked about."""
        return [event for pending in self._pending.values() for event in _taken(pending)]


def _taken(pending: Pending) -> list[ChannelChanged]:
    events, pending.events = pending.events, []
    return events
