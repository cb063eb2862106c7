"""Which channels may carry a message, and in which order are they tried?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from engine.message import Category

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from engine.message import Message

FLOOR = 0.02  #: of the total weight: every channel keeps enough traffic to show that it is well again
#: powers of how much slower, and how much dearer, a channel is than the best; codes are worth any price
HASTE = {Category.OTP: 1.0, Category.NOTIFICATION: 0.5, Category.PROMOTION: 0.5}
THRIFT = {Category.OTP: 0.0, Category.NOTIFICATION: 1.0, Category.PROMOTION: 2.0}
HEALTH_BEFORE_COST = 0.2
HALF_FULL = 0.5  #: up to here the load of a channel makes no difference


@dataclass(frozen=True, slots=True)
class Profile:
    """What an operator says of a channel."""

    name: str
    countries: frozenset[str] | None = None  #: None: all
    categories: frozenset[Category] | None = None  #: None: all
    accounts: frozenset[str] | None = None  #: None: all
    signatures: frozenset[str] | None = None  #: None: all, and messages without one
    operators: frozenset[str] | None = None  #: None: all, and numbers whose operator is not known
    weight: float = 1.0
    cost: float = 1.0  #: of a segment, in any unit that all channels share
    timeout_s: float = 8.0  #: after which a submit without an answer is of unknown outcome
    answers_queries: bool = False  #: whether the carrier can be asked what became of a message

    def carries(self, message: Message) -> bool:
        """Whether this channel may carry the message at all, well or not."""
        return (
            (self.countries is None or message.recipient.country in self.countries)
            and (self.categories is None or message.category in self.categories)
            and (self.accounts is None or message.job.account in self.accounts)
            and (self.signatures is None or message.job.signature in self.signatures)
            and (self.operators is None or message.operator in self.operators)
        )


class Candidate(NamedTuple):
    """A channel that may carry a message, as it stands at this moment."""

    name: str
    weight: float
    health: float  #: 0 to 1
    load: float  #: 0 idle to 1 full
    latency_s: float | None = None  #: what a submit is expected to take; None: it does not count
    cost: float = 1.0  #: of a segment, in any unit that all channels share
    probe: bool = False  #: it is only tried, with a permit
    wait_s: float = 0.0  #: until it may be used: its carrier asked for a pause


def plan(candidates: Sequence[Candidate], category: Category, rng: Random) -> list[str]:
    """The names of the candidates in the order to try them: weighted draws without replacement.

    One random draw, not the best score: shares stay predictable, nobody herds onto one channel, and a sick
    channel keeps its 2 %, which is how it is noticed to be well again.
    """
    if len(candidates) == 1:
        return [candidates[0].name]
    found = weights(candidates, category)
    floor = FLOOR * sum(found.values()) or 1.0
    # An exponential race: the order of arrival is a weighted draw without replacement.
    return sorted(found, key=lambda name: rng.expovariate(max(found[name], floor)))


def weights(candidates: Sequence[Candidate], category: Category) -> dict[str, float]:
    """The weight of each: that of the operator, by health, by latency and cost compared with the best, by room."""
    if not candidates:
        return {}
    fastest_s = min((c.latency_s for c in candidates if c.latency_s), default=0.0)
    healthiest = max(c.health for c in candidates)
    cheapest, dearest = min(c.cost for c in candidates), max(c.cost for c in candidates)
    found = {}
    for name, weight, health, load, latency_s, cost, _, _ in candidates:
        factors = health * room(load)
        if latency_s and latency_s > fastest_s:
            factors *= (fastest_s / latency_s) ** HASTE[category]
        # What is much less healthy gets no advantage of being cheap.
        price = cost if health >= healthiest - HEALTH_BEFORE_COST else dearest
        if price > cheapest:
            factors *= (cheapest / price) ** THRIFT[category]
        found[name] = max(0.0, weight) * factors
    return found


def room(load: float) -> float:
    """How much of its weight a channel keeps at a load: all of it to half full, then falling to 5 %."""
    return max(0.05, 1.0 - max(0.0, (load - HALF_FULL) / (1.0 - HALF_FULL)))
