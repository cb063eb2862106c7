"""Which deliveries of a channel are done with, said to the broker in as few words as possible?"""

from __future__ import annotations


class AckLine:
    """A low-water mark below which everything is acknowledged at once, and single acknowledgements above it.

    Delivery tags of a channel count up from 1 without a gap, so one slow message holds up the mark but nobody else:
    what the mark did not reach by the time after next is said on its own.
    """

    def __init__(self) -> None:
        self._mark = 0  #: up to here every tag is answered
        self._settled: set[int] = set()  #: above the mark, not yet said
        self._passed_over: set[int] = set()  #: those of them that were not said the last time either
        self._answered: set[int] = set()  #: above the mark, said one by one

    def settle(self, tag: int) -> None:
        """Note that a message is done with; noting it again changes nothing."""
        if tag > self._mark and tag not in self._answered:  # the broker ends a channel that says a tag twice
            self._settled.add(tag)

    def skip(self, tag: int) -> None:
        """Note that a message was answered in another way."""
        self._answered.add(tag)

    @property
    def complete(self) -> bool:
        """Whether everything settled was said."""
        return not self._settled

    def due(self) -> list[tuple[int, bool]]:
        """The acknowledgements to send now, as (tag, everything below too)."""
        newest = 0  # of the tags not said before: the broker does not know the others any more
        while True:
            tag = self._mark + 1
            if tag in self._settled:
                self._settled.remove(tag)
                newest = tag
            elif tag in self._answered:
                self._answered.remove(tag)
            else:
                break
            self._mark = tag
        singles = sorted(self._settled & self._passed_over)
        self._answered.update(singles)
        self._settled.difference_update(singles)
        self._passed_over = self._settled.copy()
        return [(newest, True)] * bool(newest) + [(tag, False) for tag in singles]
