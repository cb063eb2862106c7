"""How a simulated carrier treats messages: what is drawn for each, and when its delivery receipts go out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from random import Random


class Report(NamedTuple):
    """A delivery receipt that is to come."""

    after_s: float  #: from taking the message
    delivered: bool
    early: bool  #: it goes out before the submit is answered


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the carrier treats messages; shares are from 0 to 1 and drawn per message."""

    latency_s: float = 0.05  #: from submit to answer
    jitter: float = 0.5  #: share by which latency and receipt delay vary, up or down
    refused: float = 0.0
    fault: float = 0.0
    throttled: float = 0.0
    silent: float = 0.0  #: takes the message and never answers
    receipt_delay_s: float = 1.0  #: from taking the message to its delivery receipt
    undelivered: float = 0.0
    receipt_twice: float = 0.0
    receipt_early: float = 0.0  #: sends the receipt before it answers the submit
    receipt_late: float = 0.0
    receipt_late_s: float = 60.0  #: what a late receipt takes in addition
    receipt_never: float = 0.0

    def __post_init__(self) -> None:
        if sum(self.ill.values()) > 1 + 1e-9:
            raise ValueError(f"the shares {', '.join(self.ill)} add up to more than 1")

    @property
    def ill(self) -> dict[str, float]:
        """The shares of submits that are not answered with an id, by name."""
        return {"refused": self.refused, "fault": self.fault, "throttled": self.throttled, "silent": self.silent}

    def draw_fate(self, rng: Random) -> str:
        """What becomes of one submit: `accepted` or a name of `ill`."""
        drawn = rng.random()
        for fate, share in self.ill.items():
            drawn -= share
            if drawn < 0:
                return fate
        return "accepted"

    def draw_latency_s(self, rng: Random) -> float:
        """How long one answer takes."""
        return self._around(self.latency_s, rng)

    def draw_reports(self, latency_s: float, rng: Random) -> list[Report]:
        """The delivery receipts of one message that is answered after `latency_s`; the same one may come twice."""
        if _happens(self.receipt_never, rng):
            return []
        after_s = latency_s + self._around(self.receipt_delay_s, rng)
        early = _happens(self.receipt_early, rng)
        if early:
            after_s = 0.0
        elif _happens(self.receipt_late, rng):
            after_s += self.receipt_late_s
        report = Report(after_s, not _happens(self.undelivered, rng), early)
        return [report] * (2 if _happens(self.receipt_twice, rng) else 1)

    def _around(self, seconds: float, rng: Random) -> float:
        return seconds * (1 + self.jitter * rng.uniform(-1, 1))


def _happens(share: float, rng: Random) -> bool:
    return share > 0 and rng.random() < share
