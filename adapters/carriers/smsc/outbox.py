"""What a carrier has for one account: kept until somebody is there to take it, and sent again until it was taken."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections import Counter

    from adapters.carriers.smsc.messages import Item

AGAIN_S = 0.5  #: after it was not taken


class Receiver(Protocol):
    """One way to the account, such as a bind; it says `taken` or `not_taken` of each item it was given."""

    @property
    def room(self) -> bool:
        """Whether it takes one more now."""
        ...

    def send(self, item: Item) -> None:
        """Send it."""
        ...


class Outbox:
    """The items of one account, spread over its receivers in turn."""

    def __init__(self, counts: Counter[str]) -> None:
        self.held = 0  #: items on their way: waiting, or sent and not yet taken
        self._counts = counts
        self._waiting: deque[Item] = deque()
        self._receivers: deque[Receiver] = deque()

    def put(self, item: Item) -> None:
        """Send it as soon as possible."""
        self.held += 1
        self._waiting.append(item)
        self.pump()

    def add(self, receiver: Receiver) -> None:
        """Send to it too from now on."""
        self._receivers.append(receiver)
        self.pump()

    def remove(self, receiver: Receiver, untaken: list[Item]) -> None:
        """Send no more to it; what it had and did not take goes to the others, in the same order."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)
        self._waiting.extendleft(reversed(untaken))
        self.pump()

    def taken(self, items: int = 1) -> None:
        """So many items were taken."""
        self.held -= items
        self._counts["taken"] += items
        self.pump()

    def not_taken(self, item: Item) -> None:
        """An item was refused, or not answered in time."""
        self._counts["not_taken"] += 1
        asyncio.get_running_loop().call_later(AGAIN_S, self._again, item)

    def pump(self) -> None:
        """Send what waits, as far as there is room."""
        waiting, receivers = self._waiting, self._receivers
        full = 0
        while waiting and full < len(receivers):
            receiver = receivers[0]
            receivers.rotate(-1)
            if receiver.room:
                full = 0
                receiver.send(waiting.popleft())
            else:
                full += 1

    def _again(self, item: Item) -> None:
        self._waiting.appendleft(item)
        self.pump()
