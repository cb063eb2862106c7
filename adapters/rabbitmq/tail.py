"""Look on while receipts or replies are published, without taking any from those they are meant for."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from adapters.rabbitmq.connection import broker_errors, closing, connected, open_channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiormq.abc import DeliveredMessage

MAX_WAITING = 1000  #: bodies; a reader slower than that misses some, and nobody waits for it


async def follow(url: str, prefix: str, exchange: str, pattern: str) -> AsyncIterator[bytes]:
    """Bodies for accounts that match the pattern, from now on, through a queue that ends with us.

    Raises:
        ConnectionError: the broker is away, or `init` was not run.
    """
    arrived: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)

    async def receive(message: DeliveredMessage) -> None:
        with suppress(asyncio.QueueFull):
            arrived.put_nowait(message.body)

    async with connected(url, f"{prefix} onlooker") as connection:
        with broker_errors():
            channel = await open_channel(connection)
            queue = (await channel.queue_declare(exclusive=True, auto_delete=True)).queue or ""
            await channel.queue_bind(queue, exchange, pattern)
            await channel.basic_consume(queue, receive, no_ack=True)
        ended = closing(connection)
        while True:
            next_body = asyncio.ensure_future(arrived.get())
            await asyncio.wait([next_body, ended], return_when=asyncio.FIRST_COMPLETED)
            if not next_body.done():
                next_body.cancel()
                raise ConnectionError("the connection to RabbitMQ ended")
            yield next_body.result()
