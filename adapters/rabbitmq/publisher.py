"""How does a message get into a queue for certain? Confirmed, never silently unroutable, repeated where need be.

A refusal may be the channel's and not the queue's: where RabbitMQ 3.10 takes the first message for a queue whose
leader's node has just died, that channel has it refused, and all that follow, until the node is back. So after a
refusal the next messages go over another channel.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, NoReturn
from uuid import uuid4

from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError

from adapters.ending import end
from adapters.outage import NotPreparedError, Outage
from adapters.rabbitmq.connection import BrokerError, broker_errors, cause, closing, keep_connected, lost, open_channel

if TYPE_CHECKING:
    from aiormq.abc import AbstractChannel, AbstractConnection
    from pamqp.commands import Basic

    from engine.ports import Clock, Telemetry

MAX_IN_FLIGHT = 256  #: the library's bookkeeping of confirms grows with them
CONFIRM_S = 10.0
AGAIN_AFTER_S = 0.1
RENEW_AFTER_S = 0.5  #: at the earliest, for a queue that is full refuses over every channel


class UnconfirmedError(BrokerError):
    """The broker did not confirm: the message may be in a queue or not."""


class RefusedError(BrokerError):
    """The broker answered that the message is in no queue."""


class Publisher:
    """A connection for publishing alone: a broker short of memory stops reading it; acknowledgements must not wait."""

    def __init__(self, url: str, prefix: str, clock: Clock, telemetry: Telemetry) -> None:
        self.outage = Outage("rabbitmq publish", clock, telemetry)
        self._url = url
        self._name = f"{prefix} publish"
        self._channel: AbstractChannel | None = None
        self._refused = False  #: something was, over this channel
        self._retiring: set[asyncio.Task[None]] = set()
        self._connected = asyncio.Event()
        self._in_flight = asyncio.Semaphore(MAX_IN_FLIGHT)
        run = uuid4().hex
        self._ids = (f"{run}-{number}" for number in itertools.count())
        self._running: asyncio.Task[NoReturn] | None = None

    async def open(self) -> None:
        """Start; the broker need not be there yet."""
        self._running = asyncio.create_task(keep_connected(self._url, self._name, self.outage, self._session))

    async def close(self) -> None:
        """Disconnect."""
        if self._running is not None:
            await end([self._running, *self._retiring])

    async def publish(self, exchange: str, routing_key: str, body: bytes, properties: Basic.Properties) -> None:
        """Returns once a queue has the message for certain, however long that takes; it may be there twice then."""
        troubled = False
        while True:
            try:
                await self._attempt(exchange, routing_key, body, properties)
            except ConnectionError as error:
                troubled = True
                await self.outage.wait(cause(error))
            else:
                break
        if troubled:  # others' success says nothing of a message that is refused
            self.outage.over()

    async def publish_within(
        self, timeout_s: float, exchange: str, routing_key: str, body: bytes, properties: Basic.Properties
    ) -> None:
        """Returns once a queue has the message for certain; where a connection ends it is sent again on the next.

        Raises:
            RefusedError: it is in no queue.
            UnconfirmedError: nobody can say; sending it again is all that helps.
        """
        attempts = 0
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    await self._connected.wait()
                    attempts += 1
                    try:
                        return await self._attempt(exchange, routing_key, body, properties)
                    except UnconfirmedError:
                        raise
                    except RefusedError:
                        if attempts == 1:
                            raise
                        break  # but an earlier attempt may have been taken
                    except ConnectionError:
                        await asyncio.sleep(AGAIN_AFTER_S)
        except TimeoutError:
            if not attempts:
                raise RefusedError("RabbitMQ could not be reached.") from None
        raise UnconfirmedError("RabbitMQ did not confirm in time.")

    async def _attempt(self, exchange: str, routing_key: str, body: bytes, properties: Basic.Properties) -> None:
        async with self._in_flight:
            await self._connected.wait()
            channel = self._channel
            assert channel
            properties.message_id = next(self._ids)  # the library matches returned messages by it
            with broker_errors():
                try:
                    async with asyncio.timeout(CONFIRM_S):
                        await channel.connection.ready()  # not while the broker is short of memory: it would pile up
                        await channel.basic_publish(
                            body, exchange=exchange, routing_key=routing_key, properties=properties, mandatory=True
                        )
                except PublishError:
                    lacking = f"RabbitMQ has no queue for {routing_key!r} of {exchange!r}: run `sms-engine init`."
                    raise RefusedError(lacking) from NotPreparedError(lacking)
                except ChannelNotFoundEntity:  # it ends the channel, so it may be the news of another's publish
                    lacking = "RabbitMQ has no such exchange: run `sms-engine init`."
                    raise UnconfirmedError(lacking) from NotPreparedError(lacking)
                except DeliveryError:
                    self._refused |= channel is self._channel
                    raise RefusedError(f"RabbitMQ takes no more for {routing_key!r} of {exchange!r}.") from None

    async def _session(self, connection: AbstractConnection) -> NoReturn:
        self._channel = await open_channel(connection, confirms=True)
        self._connected.set()
        self.outage.over()
        try:
            while True:
                self._refused = False
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(lost([closing(connection), self._channel.closing]), RENEW_AFTER_S)
                if self._refused:
                    retiring, self._channel = self._channel, await open_channel(connection, confirms=True)
                    task = asyncio.create_task(_retire(retiring))
                    self._retiring.add(task)
                    task.add_done_callback(self._retiring.discard)
        finally:
            self._connected.clear()


async def _retire(channel: AbstractChannel) -> None:
    await asyncio.sleep(CONFIRM_S)  # what was published over it is confirmed by then, or given up
    with contextlib.suppress(ConnectionError), broker_errors():
        await channel.close()
