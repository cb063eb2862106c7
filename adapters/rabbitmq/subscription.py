"""One consumer of one queue: how does it start, how is it told from a dead one, how are its messages settled?"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from adapters.outage import NotPreparedError
from adapters.rabbitmq.acks import AckLine
from adapters.rabbitmq.connection import broker_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiormq.abc import AbstractChannel
    from pamqp.commands import Basic

    from adapters.rabbitmq.deliveries import Arrival, Deliveries

    Receive = Callable[[Arrival, "Subscription"], None]

ACK_AFTER_S = 0.005  #: acknowledgements of this long are sent together
ANSWER_S = 10.0
REACH_S = 1.0


class Subscription:
    """A consumer on a channel of its own, where delivery tags count up from 1."""

    def __init__(self, channel: AbstractChannel, queue: str, deliveries: Deliveries) -> None:
        self.queue = queue
        self.ended: asyncio.Future[None] = channel.create_future()  #: the library fails it when the channel ends
        self._channel = channel
        self._deliveries = deliveries
        self._tag = uuid4().hex  # a fresh one each time: 4.3 does not take a consumer's name twice
        self._line = AckLine()
        self._acknowledging: asyncio.Task[None] | None = None
        self._last_said = float("-inf")

    async def start(self, prefetch: int, receive: Receive) -> None:
        """Receive messages, at most so many unsettled at a time."""
        self._deliveries.expect(self._tag, lambda message: receive(message, self))
        self.ended.add_done_callback(lambda _: self._deliveries.forget(self._tag))
        self._channel.on_consumer_cancel_callbacks.add(self._cancelled)
        await self._channel.basic_qos(prefetch_count=prefetch)
        await self._channel.basic_consume(self.queue, _unused, consumer_tag=self._tag)

    async def present(self) -> bool:
        """Whether the broker knows of any consumer of the queue."""
        return bool((await self._channel.queue_declare(self.queue, passive=True, timeout=ANSWER_S)).consumer_count)

    async def stop(self) -> None:
        """Receive nothing more; what was received can still be settled."""
        with contextlib.suppress(ConnectionError), broker_errors():
            await self._channel.basic_cancel(self._tag, timeout=ANSWER_S)

    def settle(self, tag: int) -> None:
        """Acknowledge a message soon."""
        self._line.settle(tag)
        if self._acknowledging is None:
            self._acknowledging = asyncio.create_task(self._acknowledge())

    async def give_back(self, tag: int) -> None:
        """Have the broker hand a message to somebody else at once."""
        with contextlib.suppress(ConnectionError), broker_errors():
            await self._channel.basic_nack(tag, requeue=True)
            self._last_said = time.monotonic()
            self._line.skip(tag)  # not before: the mark would run over it and acknowledge it

    async def settled(self) -> None:
        """Wait until every acknowledgement so far has reached the queue, as far as that can be known."""
        while self._acknowledging is not None:
            await asyncio.wait([self._acknowledging])
        # The broker's channel hands a quorum queue 32 at a time, and forgets the others when it ends before that.
        await asyncio.sleep(self._last_said + REACH_S - time.monotonic())

    async def _acknowledge(self) -> None:
        try:
            # Where the channel is gone the broker hands the messages out again, and the ledger knows them.
            with contextlib.suppress(ConnectionError), broker_errors():
                while not self._line.complete:
                    await asyncio.sleep(ACK_AFTER_S)
                    due = self._line.due()
                    for tag, all_below in due:
                        await self._channel.basic_ack(tag, multiple=all_below, wait=tag == due[-1][0])
        finally:
            self._last_said = time.monotonic()
            self._acknowledging = None

    def _cancelled(self, _: Basic.Cancel) -> None:
        if not self.ended.done():
            deleted = f"RabbitMQ ended the consumer of {self.queue}: if the queue was deleted, run `sms-engine init`."
            self.ended.set_exception(NotPreparedError(deleted))


async def _unused(_: object) -> None:
    """The library asks for a callback; `Deliveries` is quicker."""
