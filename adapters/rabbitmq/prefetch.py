"""How many messages may be held at once? The broker counts them, while our memory minds their bytes.

A few at first, and soon more if they turn out to be small; but no more than are enough, for the other workers get
nothing of what one of them holds. What arrives when there is no room any more goes back to its
queue, and only a few are asked for again: those always fit. It takes more small messages to come to a larger count than
there can be in front of a large one for long, so none goes back `topology.DELIVERY_LIMIT` times.
"""

from __future__ import annotations

from adapters.wire import MAX_BODY_BYTES

ROOM = 16 * 1024 * 1024  #: bytes unsettled, per queue; one message larger than that is held alone
LARGEST = MAX_BODY_BYTES + 128 * 1024  #: a body and a frame of properties
FEW = ROOM // 2 // LARGEST  #: which always fit beside what may still be there when they are asked for
MOST = ROOM // 2  #: bytes that it is any use to have at hand
FACTOR = 4


class Prefetch:
    """The count for one queue, and what is held of it."""

    def __init__(self, most: int, enough: int = MOST) -> None:
        """`most` messages, or as many as come to `enough` bytes, though never less than `FEW`."""
        self.count = min(most, FEW)  #: that may be unsettled
        self.asked = self.count  #: of these, what a new consumer asks for beside those that are there
        self._most = most
        self._enough = enough
        self._expected = ROOM // 2  #: bytes of so many
        self._held = 0
        self._sizes: dict[int, int] = {}  #: by delivery tag
        self._seen, self._seen_bytes, self._largest = 0, 0, LARGEST

    @property
    def roomy(self) -> bool:
        """Whether `count` more may be asked for besides what is held."""
        return not self._held or self._held + self._expected <= ROOM

    @property
    def too_few(self) -> bool:
        """Whether more may be asked for, for those of late were small."""
        if self.count == self._most or self._seen < self.asked or self._held > ROOM // 2:
            return False
        return self._seen_bytes * self._more <= self._seen * self._enough

    @property
    def _more(self) -> int:
        return min(self._most, FACTOR * self.count)

    def admit(self, tag: int, size: int) -> bool:
        """Hold a message that arrived, or answer that it has to go back."""
        if self._seen >= 2 * self.count:
            self._look_anew()
        self._seen, self._seen_bytes, self._largest = self._seen + 1, self._seen_bytes + size, max(self._largest, size)
        if self._held and self._held + size > ROOM:
            return False
        self._held += size
        self._sizes[tag] = size
        return True

    def release(self, tag: int) -> None:
        """It is held no longer."""
        self._held -= self._sizes.pop(tag, 0)

    def shrink(self) -> None:
        """Begin again with so few that they fit, whatever they are, when there is no consumer any more."""
        self.count = self.asked = max(1, min(self._most, ROOM // 2 // self._largest))
        self._expected = self.count * self._largest
        self._look_anew()

    def grow(self) -> None:
        """Ask for more."""
        self.asked = self._more - self.count
        self.count = self._more
        self._look_anew()

    def _look_anew(self) -> None:
        self._seen, self._seen_bytes, self._largest = 0, 0, LARGEST
