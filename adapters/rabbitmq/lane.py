"""Where do the jobs of one category wait here? As bodies, of which one at a time is read: the others stay bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from adapters.rabbitmq.deliveries import Arrival
    from adapters.rabbitmq.headers import Slip
    from adapters.rabbitmq.subscription import Subscription
    from engine.ports import Delivery


@dataclass(slots=True, eq=False)
class Body:
    """A message as it came; it is acknowledged when the last of its jobs is done with."""

    subscription: Subscription
    tag: int
    slip: Slip
    received_at: datetime
    unsettled: set[int] = field(default_factory=lambda: {0})  #: jobs; the first stands for them until it is read
    taken: bool = False  #: whether any of its jobs was

    def settle(self, index: int) -> None:
        """Note that a job is done with; noting it again changes nothing."""
        if index in self.unsettled:
            self.unsettled.remove(index)
            if not self.unsettled:
                self.subscription.settle(self.tag)


class Lane:
    """A queue of jobs in this process, in the order of their bodies and within those."""

    def __init__(self, read: Callable[[Body, Arrival], Sequence[Delivery]]) -> None:
        """`read` answers the jobs of a body, perhaps none; their handles are `(body, index)`."""
        self._read = read
        self._unread: deque[tuple[Body, Arrival]] = deque()
        self._ready: asyncio.Queue[Delivery | None] = asyncio.Queue()
        self._closed = False

    def put(self, body: Body, message: Arrival) -> None:
        """Let a body wait."""
        self._unread.append((body, message))
        self._read_on()

    async def take(self) -> Delivery | None:
        """The next job, waiting for one; None once closed."""
        delivery = await self._ready.get()
        if delivery is None or self._closed:
            self._ready.put_nowait(delivery)  # for the next who asks, and for those who give back
            return None
        origin(delivery)[0].taken = True
        self._read_on()
        return delivery

    def close(self) -> None:
        """Hand out nothing more."""
        self._closed = True
        self._ready.put_nowait(None)

    def empty(self) -> tuple[list[Body], list[Delivery]]:
        """Take everything out that nobody took: bodies that were not read, and jobs of those that were."""
        bodies = [body for body, _ in self._unread]
        self._unread.clear()
        deliveries: list[Delivery] = []
        while not self._ready.empty():
            if delivery := self._ready.get_nowait():
                deliveries.append(delivery)
        if self._closed:
            self._ready.put_nowait(None)
        return bodies, deliveries

    def _read_on(self) -> None:
        while self._unread and self._ready.empty() and not self._closed:
            for delivery in self._read(*self._unread.popleft()):
                self._ready.put_nowait(delivery)


def origin(delivery: Delivery) -> tuple[Body, int]:
    """The body a job came in, and its place there."""
    handle = delivery.handle
    assert isinstance(handle, tuple)
    return handle
