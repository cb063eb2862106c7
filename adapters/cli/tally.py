"""What the demo counts while it listens to the engine's events: throughput, shares, latencies, receipts by state."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.events import Reported, Submitted
from engine.outcomes import Accepted
from engine.receipts import State

if TYPE_CHECKING:
    from uuid import UUID

    from engine.events import Event
    from engine.ports import Clock

RECENT_S = 3.0  #: the span that rates and shares are told of
PROMPT_S = 5.0  #: from enqueue to a carrier's yes; the product promises 95% within it, and 99% delivered


@dataclass(slots=True)
class ChannelTally:
    """The submits of one channel."""

    accepted: int = 0
    refused: int = 0  #: refused, faulty or throttled: surely not sent
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=500))
    recent: deque[float] = field(default_factory=deque)  #: times of accepted submits


class Tally:
    """A telemetry listener that remembers what the demo shows."""

    def __init__(self, clock: Clock, expected: int) -> None:
        """`expected` is how many messages will be enqueued."""
        self._clock = clock
        self._expected = expected
        self.finished = asyncio.Event()  #: set once every message has a final receipt
        self.channels: dict[str, ChannelTally] = {}
        self.latest: dict[UUID, State] = {}
        self.codes: Counter[str] = Counter()
        self.submit_ages_s: dict[str, list[float]] = {}
        self.finals: deque[float] = deque()
        self.final = 0

    def emit(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, Submitted):
            self._submitted(event)
        elif isinstance(event, Reported) and not event.repeated:
            self._reported(event)

    def per_second(self) -> float:
        """Final receipts a second, of late."""
        return _recent(self.finals, self._clock.monotonic()) / RECENT_S

    def shares(self) -> dict[str, float]:
        """The part of recent accepted submits that each channel had, 0 to 1."""
        now = self._clock.monotonic()
        counts = {name: _recent(channel.recent, now) for name, channel in self.channels.items()}
        total = sum(counts.values()) or 1
        return {name: count / total for name, count in counts.items()}

    def states(self) -> Counter[State]:
        """How many jobs stand in each state."""
        return Counter(self.latest.values())

    def kept(self) -> tuple[int, float, float]:
        """How many messages were not rejected, and of those the parts that were delivered, and accepted in time."""
        states = self.states()
        sent = states.total() - states[State.REJECTED] or 1
        in_time = sum(age <= PROMPT_S for ages in self.submit_ages_s.values() for age in ages)
        return sent, states[State.DELIVERED] / sent, in_time / sent

    def _submitted(self, event: Submitted) -> None:
        channel = self.channels.setdefault(event.channel, ChannelTally())
        if isinstance(event.outcome, Accepted):
            channel.accepted += 1
            channel.recent.append(self._clock.monotonic())
            channel.latencies_s.append(event.latency_s)
        else:
            channel.refused += 1

    def _reported(self, event: Reported) -> None:
        receipt = event.receipt
        self.latest[receipt.job] = receipt.state
        if receipt.code:
            self.codes[receipt.code] += 1
        if receipt.state is State.SUBMITTED:
            self.submit_ages_s.setdefault(receipt.category, []).append(event.age_s)
        if receipt.final:
            self.final += 1
            self.finals.append(self._clock.monotonic())
            if self.final >= self._expected:
                self.finished.set()


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _recent(times: deque[float], now: float) -> int:
    while times and times[0] < now - RECENT_S:
        times.popleft()
    return len(times)
