"""How does what was published for the record come to the recorder? (the port `ReceiptFeed`)"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from adapters import wire
from adapters.outage import Outage
from adapters.rabbitmq.consumer import Consumer
from adapters.rabbitmq.detours import Detours
from adapters.rabbitmq.topology import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapters.rabbitmq.deliveries import Arrival
    from adapters.rabbitmq.publisher import Publisher
    from adapters.rabbitmq.subscription import Subscription
    from engine.ports import Clock, Telemetry

R = TypeVar("R")

PREFETCH = 100  #: messages, each of 1 to 500 receipts
MAX_BATCH = 500  #: receipts, or one message's more: larger ones cost no less each, and hold up everything else longer


@dataclass(frozen=True, slots=True)
class RabbitReceiptBatch(Generic[R]):
    """The receipts of some messages, and where to acknowledge them."""

    receipts: Sequence[R]
    origins: Sequence[tuple[Subscription, int]]

    async def settle(self) -> None:
        """They are stored; those of a connection that ended come again all the same."""
        for subscription, tag in self.origins:
            subscription.settle(tag)


class RabbitReceiptFeed(Generic[R]):
    """A queue of the recorder's own."""

    def __init__(
        self,
        url: str,
        prefix: str,
        queue: str,
        decode: Callable[[bytes], list[R]],
        publisher: Publisher,
        clock: Clock,
        telemetry: Telemetry,
        *,
        every_s: float = 0.0,
    ) -> None:
        """`decode` reads a body or raises `wire.BadBodyError`; the publisher puts such a body aside.

        A batch that is not full is followed by the next after `every_s` at the earliest, so that there is more in it.
        """
        self.outage = Outage(f"rabbitmq {queue.removeprefix(f'{prefix}.')}", clock, telemetry)
        self._decode = decode
        self._detours = Detours(publisher, Names(prefix), clock, telemetry)
        self._consumer = Consumer(
            url, prefix, {queue: PREFETCH}, self._receive, forget=self._forget, outage=self.outage
        )
        self._every_s = every_s
        self._next_at = float("-inf")
        #: not decoded yet, for that takes several times the room
        self._arrived: asyncio.Queue[tuple[Arrival, Subscription] | None] = asyncio.Queue()
        self._stopping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start; the broker need not be there yet."""
        self._consumer.open()

    async def next_batch(self) -> RabbitReceiptBatch[R] | None:
        """Everything at hand up to some 500 receipts, waiting for one; None once `close_intake` was called."""
        await asyncio.sleep(self._next_at - time.monotonic())
        receipts: list[R] = []
        origins: list[tuple[Subscription, int]] = []
        while not receipts or (len(receipts) < MAX_BATCH and not self._arrived.empty()):
            arrived = await self._arrived.get()
            if arrived is None or self._stopping is not None:
                self._arrived.put_nowait(None)
                return None
            message, subscription = arrived
            try:
                receipts += self._decode(message.body)
            except wire.BadBodyError as error:
                self._consumer.start(self._put_aside(message, str(error), subscription, message.tag))
            else:
                origins.append((subscription, message.tag))
        self._next_at = time.monotonic() + (self._every_s if len(receipts) < MAX_BATCH else 0.0)
        return RabbitReceiptBatch(receipts, origins)

    def close_intake(self) -> None:
        """Hand out nothing more."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._consumer.stop())
            self._arrived.put_nowait(None)

    async def close(self) -> None:
        """Disconnect once every settled batch is acknowledged; the rest goes back to the queue."""
        self.close_intake()
        assert self._stopping
        await self._stopping
        await self._consumer.close()

    def _receive(self, message: Arrival, subscription: Subscription) -> None:
        self._arrived.put_nowait((message, subscription))

    async def _put_aside(self, message: Arrival, reason: str, subscription: Subscription, tag: int) -> None:
        properties, routing_key = message.properties, message.routing_key
        await self._detours.bury(message.body, properties, subscription.queue, routing_key, reason)
        subscription.settle(tag)

    def _forget(self) -> None:
        while not self._arrived.empty():
            self._arrived.get_nowait()
        if self._stopping is not None:
            self._arrived.put_nowait(None)
