"""What was put aside, for a person: looked at without changing it, and put back where it came from."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.rabbitmq import headers
from adapters.rabbitmq.connection import BrokerError, broker_errors, connected, open_channel
from adapters.rabbitmq.headers import Slip
from adapters.rabbitmq.topology import Names
from engine.message import Category

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from aiormq.abc import AbstractChannel, DeliveredMessage

CONFIRM_S = 30.0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was put aside."""

    body: bytes
    reason: str
    received_at: str  #: RFC 3339; nothing where the broker put it aside
    came_from: str  #: a category, or a queue
    message: DeliveredMessage

    @property
    def enqueued_at(self) -> datetime | None:
        """Since when it waits, where that is known."""
        return headers.read(self.message.header.properties).enqueued_at


class DeadLetters:
    """The queue of dead letters, from its oldest on; whatever is not removed is back in it, in order, afterwards."""

    def __init__(self, reading: AbstractChannel, publishing: AbstractChannel, names: Names) -> None:
        self._reading = reading
        self._publishing = publishing
        self._names = names

    async def count(self) -> int:
        """How many there are."""
        with broker_errors():
            return (await self._reading.queue_declare(self._names.dead, passive=True)).message_count or 0

    async def read(self, limit: int) -> AsyncIterator[DeadLetter]:
        """The oldest ones, each once, as many as there are now but not more than that."""
        for _ in range(min(limit, await self.count())):
            with broker_errors():
                message = await self._reading.basic_get(self._names.dead)
            if message.delivery_tag is None:
                return
            yield _read(message)

    async def redrive(self, letter: DeadLetter) -> bool:
        """Put a message back to where it came from, and remove it once that is confirmed; False if that is unknown."""
        names = self._names
        properties = headers.of_jobs(Slip(letter.enqueued_at))
        if letter.came_from in tuple(Category):
            exchange, routing_key = names.jobs, letter.came_from
        elif letter.came_from in (names.callback, names.record, names.arrived, names.replies):
            exchange, routing_key, properties = "", letter.came_from, headers.of_receipts()
        else:
            return False
        assert letter.message.delivery_tag is not None
        with broker_errors():
            async with asyncio.timeout(CONFIRM_S):
                await self._publishing.basic_publish(
                    letter.body, exchange=exchange, routing_key=routing_key, properties=properties, mandatory=True
                )
            await self._reading.basic_ack(letter.message.delivery_tag)
        return True


@asynccontextmanager
async def dead_letters(url: str, prefix: str) -> AsyncIterator[DeadLetters]:
    """Open the queue of dead letters.

    Raises:
        ConnectionError: the broker is away, has no such queue, or did not confirm.
    """
    async with connected(url, f"{prefix} dead letters") as connection:
        with broker_errors():
            reading, publishing = await open_channel(connection), await open_channel(connection, confirms=True)
        try:
            yield DeadLetters(reading, publishing, Names(prefix))
        except TimeoutError:
            raise BrokerError("RabbitMQ did not confirm in time") from None


def _read(message: DeliveredMessage) -> DeadLetter:
    properties = message.header.properties
    found = properties.headers or {}
    queue = headers.last_queue(properties)
    return DeadLetter(
        body=message.body,
        reason=str(found.get("x-reason") or found.get("x-first-death-reason") or "unknown"),
        received_at=str(found.get("x-received-at") or ""),
        came_from=str(found.get("x-routing-key") or queue),
        message=message,
    )
