"""Is it all of them? Where every channel does badly, or most of what could be sent cannot, somebody has to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.health import SICK
from engine.standing import Alarm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.sightings import Reading
    from engine.terms import Terms

PANIC = 0.5  #: of the configured rate
SEEN = 20.0  #: submits of late by which a channel can be called sick


def alarm(reading: Reading, terms: Mapping[str, Terms], usable: Mapping[str, float]) -> Alarm:
    """The alarm that should stand; `usable` is the share of each channel that messages may go over, 0 to 1.

    Nothing follows from it but that it is told: no sick channel is flooded because the others are sick too. What has
    no way waits, and open channels are only probed.
    """
    if terms and all(reading.submits(name).total >= SEEN and reading.score(name) < SICK for name in terms):
        return Alarm("every channel does badly: the cause is probably common to them")
    capped = all(each.cap for each in terms.values())
    whole = {name: (each.cap if capped else None) or each.profile.weight for name, each in terms.items()}
    available = sum(whole[name] * usable[name] * reading.ready(name) for name in terms)
    if available < PANIC * sum(whole.values()):
        return Alarm("less than half of the configured rate is available: messages wait")
    return Alarm()
