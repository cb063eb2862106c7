"""A worker's consumers of one queue: how do they start, how are they told from dead ones, how are messages settled?

More is asked for by one more consumer beside those that are there. To end one whose messages are in hand and begin
another would do as well, were it not for nodes of a cluster that crash: a quorum queue has what their consumers held
handed out again, but what is held by one that had ended stays with it until the node is back (seen on 3.10).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from adapters.outage import NotPreparedError
from adapters.rabbitmq.acks import AckLine
from adapters.rabbitmq.connection import broker_errors
from adapters.rabbitmq.prefetch import Prefetch

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiormq.abc import AbstractChannel
    from pamqp.commands import Basic

    from adapters.rabbitmq.deliveries import Arrival, Deliveries

    Receive = Callable[[Arrival, "Subscription"], None]

ACK_AFTER_S = 0.01  #: acknowledgements of this long are sent together
ANSWER_S = 10.0
REACH_S = 1.0


class Subscription:
    """Consumers on a channel of their own, where delivery tags count up from 1."""

    def __init__(self, channel: AbstractChannel, queue: str, deliveries: Deliveries, most: int, enough: int) -> None:
        """`most` messages, or `enough` bytes, are asked for; never are more than `prefetch.ROOM` bytes unsettled."""
        self.queue = queue
        self.ended: asyncio.Future[None] = channel.create_future()  #: the library fails it when the channel ends
        self._channel = channel
        self._deliveries = deliveries
        self._prefetch = Prefetch(most, enough)
        self._receive: Receive
        self._consumers: list[str] = []
        self._past: list[str] = []  #: of whom something may still arrive
        self._line = AckLine()
        self._acknowledging: asyncio.Task[None] | None = None
        self._last_said = float("-inf")
        self._excess: list[int] = []  #: tags of what has to go back
        self._resizing: asyncio.Task[None] | None = None
        self._stopped = False

    async def start(self, receive: Receive) -> None:
        """Receive messages."""
        self._receive = receive
        self._channel.on_consumer_cancel_callbacks.add(self._cancelled)
        self.ended.add_done_callback(self._forget)
        await self._consume()

    async def present(self) -> bool:
        """Whether the broker knows of any consumer of the queue; while we ask for more it need not."""
        told = await self._channel.queue_declare(self.queue, passive=True, timeout=ANSWER_S)
        return self._resizing is not None or bool(told.consumer_count)

    async def stop(self) -> None:
        """Receive nothing more; what was received can still be settled."""
        self._stopped = True
        with contextlib.suppress(ConnectionError), broker_errors():
            if self._resizing is not None:
                await asyncio.wait([self._resizing])
            await self._end_consumers()

    def settle(self, tag: int) -> None:
        """Acknowledge a message soon."""
        self._prefetch.release(tag)
        self._line.settle(tag)
        if self._acknowledging is None:
            self._acknowledging = asyncio.create_task(self._acknowledge())

    async def give_back(self, tag: int) -> None:
        """Have the broker hand a message to somebody else at once."""
        with contextlib.suppress(ConnectionError), broker_errors():
            await self._channel.basic_nack(tag, requeue=True)
            self._prefetch.release(tag)
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

    async def _consume(self) -> None:
        # A fresh name each time: 4.3 does not take a consumer's name twice, and 3.10 may end the channel over it.
        self._consumers.append(name := uuid4().hex)
        self._deliveries.expect(name, self._arrived)
        await self._channel.basic_qos(prefetch_count=self._prefetch.asked)
        await self._channel.basic_consume(self.queue, _unused, consumer_tag=name)

    async def _end_consumers(self) -> None:
        self._forget_ended()
        self._past, self._consumers = self._consumers, []
        for name in self._past:
            await self._channel.basic_cancel(name, timeout=ANSWER_S)

    def _forget_ended(self) -> None:
        for name in self._past:
            self._deliveries.forget(name)

    def _arrived(self, message: Arrival) -> None:
        if not self._prefetch.admit(message.tag, message.size):
            self._excess.append(message.tag)
        else:
            self._receive(message, self)
        if self._resizing is None and self._is_unfit():
            self._resizing = asyncio.create_task(self._resize())

    def _is_unfit(self) -> bool:
        return not self._stopped and (bool(self._excess) or self._prefetch.too_few)

    async def _resize(self) -> None:
        """Have the broker send more at a time, or fewer, which it does for a new consumer only."""
        try:
            # Where the channel is gone the consumers are built again anyway.
            with contextlib.suppress(ConnectionError), broker_errors():
                while self._is_unfit():
                    if self._excess:
                        await self._begin_small()
                    else:
                        self._prefetch.grow()
                        await self._consume()
        finally:
            self._resizing = None

    async def _begin_small(self) -> None:
        await self._end_consumers()
        self._prefetch.shrink()
        while self._excess or not (self._prefetch.roomy or self._stopped):
            while self._excess:  # not while a consumer is there: they would come again at once
                await self.give_back(self._excess.pop(0))
            await asyncio.sleep(ACK_AFTER_S)
        if not self._stopped:
            await self._consume()

    def _forget(self, _: object) -> None:
        self._past += self._consumers
        self._forget_ended()

    def _cancelled(self, _: Basic.Cancel) -> None:
        if not self.ended.done():
            deleted = f"RabbitMQ ended the consumer of {self.queue}: if the queue was deleted, run `sms-engine init`."
            self.ended.set_exception(NotPreparedError(deleted))


async def _unused(_: object) -> None:
    """The library asks for a callback; `Deliveries` is quicker."""
