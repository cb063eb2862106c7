"""Are messages delivered? Told of those sent at the same time, once that is so long ago that an answer is due.

Whoever counts delivery receipts as they come counts the fast ones first, and a slow day looks like a bad one. So
messages are counted by the ten seconds in which they were sent, and enter the rate together at age D; what has no
receipt by then is late, and that is a failure. The worker that submits counts the message, the one that hears counts
the receipt; each keeps a few numbers per ten seconds, and their sums are right.
"""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING

from engine.decay import Tally, noted
from engine.receipts import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SLOT_S = 10
SLOW_S, FAST_S = 600.0, 20.0  #: half-lives: to score by, and to notice a collapse by
DUE_S, DUE_LEAST_S, DUE_MOST_S = 300.0, 60.0, 900.0  #: D: without experience, and its bounds
DUE_FACTOR = 1.5  #: times the delay that 90 % of receipts keep
NUMBER_S, NUMBERS = 3600.0, 10_000  #: a number's failures count once an hour; so many numbers are remembered

#: Normalised codes that tell of the recipient or the message, and nothing of the channel.
NOT_THE_CHANNEL = frozenset({"ABSENT", "NUMBER_UNKNOWN", "NUMBER_INVALID", "BARRED", "BLOCKED", "INBOX_FULL"})


def due_s(p90_delay_s: float, receipts: float) -> float:
    """How old a message must be for its receipt to be due (D), in seconds; whole slots, so that all fold together."""
    if receipts < 50:
        return DUE_S
    return min(DUE_MOST_S, max(DUE_LEAST_S, SLOT_S * math.ceil(DUE_FACTOR * p90_delay_s / SLOT_S)))


def told_slot(wall_s: float) -> int:
    """Changes in the middle of each slot, when all workers have folded the last one and told the others.

    Only then do the sums hold: one worker counts a message, another its receipt.
    """
    return int((wall_s - SLOT_S / 2) // SLOT_S)


class Cohorts:
    """What one worker knows of messages that are not due yet, and its part of the rates of those that were.

    Keys are those of the channels and their groups. Slots are ten seconds of the wall clock, for the times of
    submits travel between workers.
    """

    def __init__(self) -> None:
        self.slow: dict[str, Tally] = {}
        self.fast: dict[str, Tally] = {}
        self._slots: dict[str, dict[int, list[int]]] = defaultdict(dict)  # by channel or group: [good, total]
        self._failed: OrderedDict[str, float] = OrderedDict()

    def sent(self, keys: Iterable[str], wall_s: float) -> None:
        """A carrier took a message just now."""
        for key in keys:
            self._slot(key, wall_s)[1] += 1

    def heard(
        self, keys: Iterable[str], sent_s: float, wall_s: float, due_s: float, state: State, code: str | None, to: str
    ) -> None:
        """The final word on a message that was sent at `sent_s`; too late, it changes nothing any more."""
        if wall_s - sent_s > due_s:
            return
        if state is State.DELIVERED:
            good, total = 1, 0
        elif code in NOT_THE_CHANNEL or self._failed_before(to, wall_s):
            good, total = 0, -1
        else:
            return
        for key in keys:
            slot = self._slot(key, sent_s)
            slot[0] += good
            slot[1] += total

    def fold(self, due: Callable[[str], float], wall_s: float, now: float) -> None:
        """Let what is due enter the rates; `due` tells D of a channel."""
        for key, slots in list(self._slots.items()):
            last = (wall_s - due(key.split("|")[0])) // SLOT_S - 1
            for slot in [slot for slot in slots if slot <= last]:
                good, total = slots.pop(slot)
                self.slow[key] = noted(self.slow.get(key, Tally(at=now)), good, total, now, SLOW_S)
                self.fast[key] = noted(self.fast.get(key, Tally(at=now)), good, total, now, FAST_S)
            if not slots:
                del self._slots[key]

    def _slot(self, key: str, sent_s: float) -> list[int]:
        return self._slots[key].setdefault(int(sent_s // SLOT_S), [0, 0])

    def _failed_before(self, to: str, wall_s: float) -> bool:
        before = self._failed.pop(to, None)
        self._failed[to] = wall_s
        if len(self._failed) > NUMBERS:
            self._failed.popitem(last=False)
        return before is not None and wall_s - before < NUMBER_S
