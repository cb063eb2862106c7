"""When may a message go over a channel whose rate is capped? One line of turns per channel, over all workers.

The rate is that of a token bucket, kept as one time (virtual scheduling, the generic cell rate algorithm of ITU-T
I.371): no span of time sees more than rate × span + burst segments. Urgency is kept by how far ahead a message may
reserve: a code as far as it can wait, all others only the next moments. So a code is never behind more than these
moments, however many promotions wait; and those who cannot reserve yet are told when to ask again, each at a time of
its own, at the rate of the channel: all who wait together ask no more often than the channel sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.message import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

#: How far ahead a message may reserve. It is told to ask again when half of that is left, so that it still has its
#: turn if it is late, or if others came between. Half of a notification's exceeds a promotion's: while notifications
#: wait they keep the line longer than promotions may reserve.
AHEAD_S: Mapping[Category, float] = {Category.NOTIFICATION: 0.3, Category.PROMOTION: 0.1}


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a channel may be used."""

    rate: float  #: segments a second
    burst: int = 1  #: segments that may go at once after a rest


@dataclass(frozen=True, slots=True)
class Turn:
    """The message has its turn, and nobody else has it."""

    wait_s: float  #: until it comes


@dataclass(frozen=True, slots=True)
class Later:
    """The message is to ask again then; if it does not, the channel may idle for its moment."""

    wait_s: float


Answer = Turn | Later | None  #: None: neither is possible within the time


@dataclass(frozen=True, slots=True)
class Line:
    """How far the turns of a channel are given away; seconds of any clock that all who ask share."""

    free_at: float = 0.0  #: when the channel would have its whole burst again
    asked_until: float = 0.0  #: when the last of those of this category who were told to ask again does so


def ask(
    line: Line, now: float, pace: Pace, segments: int, ahead_s: float, within_s: float, *, again: bool
) -> tuple[Line, Answer]:
    """The line after a message has asked for a turn, and what it is told.

    `within_s` is how long it can wait in all, `again` that its time to ask again has come. A message of more segments
    than the burst waits for the whole burst, and those after it wait the longer.
    """
    takes_s = segments / pace.rate
    spared_s = (pace.burst - min(segments, pace.burst)) / pace.rate
    free_at = max(now, line.free_at)
    turn_at = max(now, free_at - spared_s)
    if turn_at - now <= min(ahead_s, within_s) and (again or line.asked_until <= now):
        return Line(free_at + takes_s, line.asked_until), Turn(turn_at - now)
    ask_at = max(line.asked_until, turn_at - ahead_s / 2)
    if ahead_s >= within_s or ask_at + ahead_s - now > within_s:
        return line, None
    return Line(line.free_at, ask_at + takes_s), Later(ask_at - now)
