"""Which channels may carry a message, and in which order are they tried?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from engine.message import Category, Message

FLOOR = 0.02  #: of the total weight: every channel keeps enough traffic to show that it is well again


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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A channel that may carry a message, as it stands at this moment."""

    name: str
    weight: float
    health: float  #: 0 to 1
    load: float  #: 0 idle to 1 full


def plan(candidates: Iterable[Candidate], rng: Random) -> list[str]:
    """The names of the candidates in the order to try them: weighted draws without replacement.

    One random draw, not the best score: shares stay predictable, nobody herds onto one channel, and a sick
    channel keeps its 2 %, which is how it is noticed to be well again.
    """
    weights = {c.name: max(0.0, c.weight) * c.health * room(c.load) for c in candidates}
    floor = FLOOR * sum(weights.values()) or 1.0
    weights = {name: max(weight, floor) for name, weight in weights.items()}
    # An exponential race: the order of arrival is a weighted draw without replacement.
    return sorted(weights, key=lambda name: rng.expovariate(weights[name]))


def room(load: float) -> float:
    """How much of its weight a channel keeps at a load: all of it to half full, then falling to 5 %."""
    return max(0.05, 1.0 - max(0.0, (load - 0.5) / 0.5))
