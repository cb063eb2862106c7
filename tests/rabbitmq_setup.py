"""A private installation on the broker, a wire that can be cut, and jobs and receipts to send through both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, TypeVar
from uuid import uuid4

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from yarl import URL

from adapters.clock import SystemClock
from adapters.rabbitmq.connection import connected, open_channel
from adapters.rabbitmq.intake import RabbitJobIntake
from adapters.rabbitmq.job_queue import RabbitJobQueue
from adapters.rabbitmq.publisher import Publisher
from adapters.rabbitmq.receipt_feed import RabbitReceiptFeed
from adapters.rabbitmq.topology import Names, declare
from adapters.wire_receipts import decode_receipts
from engine.events import Event
from engine.message import Category, Job
from engine.receipts import Receipt, State, receipt_for

E = TypeVar("E")

#: of whatever ought to come at once
SOON_S = 20.0
PERSISTENT = 2


def job(category: Category = Category.OTP, **fields: Any) -> Job:
    now = SystemClock().now()
    return Job(uuid4(), "+8613800000000", category, now, text="hello")._replace(**fields)


def receipt(account: str = "default", **fields: Any) -> Receipt:
    about = job(account=account)
    submitted = receipt_for(about, State.SUBMITTED, about.enqueued_at, category=about.category, to=about.to)
    return submitted._replace(**fields)


class Heard(list[Event]):
    """Telemetry that keeps what it hears, and can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def emit(self, event: Event) -> None:
        self.append(event)
        self._news.set()

    async def first(self, kind: type[E], **fields: object) -> E:
        """The first event of a kind with these fields, waiting for it."""
        async with asyncio.timeout(SOON_S):
            while True:
                self._news.clear()
                for event in self:
                    if isinstance(event, kind) and all(getattr(event, name) == fields[name] for name in fields):
                        return event
                await self._news.wait()


@dataclass
class Installation:
    """The exchanges and queues of one test."""

    url: str
    prefix: str
    channel: AbstractChannel  #: the test's own, with confirms
    clock: SystemClock = field(default_factory=SystemClock)
    heard: Heard = field(default_factory=Heard)

    @property
    def names(self) -> Names:
        return Names(self.prefix)

    async def publish(self, body: bytes, routing_key: str = "otp", exchange: str = "", **properties: Any) -> None:
        """As any producer might."""
        about = Basic.Properties(**{"content_type": "application/json", "delivery_mode": PERSISTENT, **properties})
        exchange = exchange or self.names.jobs
        await self.channel.basic_publish(
            body, exchange=exchange, routing_key=routing_key, properties=about, mandatory=True
        )

    async def next_in(self, queue: str) -> DeliveredMessage:
        """The next message of a queue, taken from it, waiting for one."""
        async with asyncio.timeout(SOON_S):
            while (message := await self.channel.basic_get(queue, no_ack=True)).delivery_tag is None:
                await asyncio.sleep(0.02)
        return message

    async def look_at_next_in(self, queue: str) -> None:
        """Take the next message of a queue, waiting for one, and give it back."""
        async with asyncio.timeout(SOON_S):
            while (message := await self.channel.basic_get(queue)).delivery_tag is None:
                await asyncio.sleep(0.02)
        await self.channel.basic_reject(message.delivery_tag, requeue=True)

    async def count(self, queue: str) -> int:
        """How many messages wait in a queue."""
        return (await self.channel.queue_declare(queue, passive=True)).message_count or 0

    async def counted(self, queue: str, count: int) -> None:
        """Wait until that many wait in a queue."""
        async with asyncio.timeout(SOON_S):
            while await self.count(queue) != count:
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def publisher(self, url: str | None = None) -> AsyncIterator[Publisher]:
        publisher = Publisher(url or self.url, self.prefix, self.clock, self.heard)
        await publisher.open()
        try:
            yield publisher
        finally:
            await publisher.close()

    @asynccontextmanager
    async def job_queue(
        self, url: str | None = None, *, publisher_url: str | None = None, **prefetch: int
    ) -> AsyncIterator[RabbitJobQueue]:
        """A worker's queue; by default it takes every category, 20 messages at a time."""
        counts = {Category(name): count for name, count in prefetch.items()} or dict.fromkeys(Category, 20)
        async with self.publisher(publisher_url) as publisher:
            queue = RabbitJobQueue(url or self.url, self.prefix, counts, publisher, self.clock, self.heard)
            await queue.open()
            try:
                yield queue
            finally:
                await queue.close()

    @asynccontextmanager
    async def feed(self, url: str | None = None) -> AsyncIterator[RabbitReceiptFeed[Receipt]]:
        async with self.publisher() as publisher:
            feed = RabbitReceiptFeed(
                url or self.url, self.prefix, self.names.record, decode_receipts, publisher, self.clock, self.heard
            )
            await feed.open()
            try:
                yield feed
            finally:
                await feed.close()

    @asynccontextmanager
    async def intake(self, url: str | None = None, **options: float) -> AsyncIterator[RabbitJobIntake]:
        async with self.publisher(url) as publisher:
            yield RabbitJobIntake(publisher, self.prefix, **options)


@asynccontextmanager
async def installation(url: str) -> AsyncIterator[Installation]:
    """Everything `init` declares, under a prefix of its own, and gone afterwards."""
    prefix = f"test-{token_hex(5)}"
    async with connected(url, prefix) as connection:
        await declare(await open_channel(connection), prefix)
        here = Installation(url, prefix, await open_channel(connection, confirms=True))
        try:
            yield here
        finally:
            cleaner = await open_channel(connection)
            for queue in here.names.queues:
                await cleaner.queue_delete(queue)
            for exchange in here.names.exchanges:
                await cleaner.exchange_delete(exchange)


class Wire:
    """A TCP proxy to the broker: what it connects can be cut, or held up without a word."""

    def __init__(self, url: str) -> None:
        self._server = URL(url)
        self._flowing: dict[asyncio.StreamWriter, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self.connections = 0  #: made so far
        self.port = 0

    @property
    def url(self) -> str:
        return str(self._server.with_host("127.0.0.1").with_port(self.port))

    async def up(self) -> None:
        """Take connections, always on the same port."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def down(self) -> None:
        """Take no more connections, and cut those there are."""
        assert self._listener
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        for pipe in list(self._flowing):
            pipe.transport.abort()

    def hold(self) -> None:
        """Pass nothing on over the connections there are, as a network that swallows packets."""
        for flowing in self._flowing.values():
            flowing.clear()

    async def close(self) -> None:
        self.down()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there_reader, there_writer = await asyncio.open_connection(self._server.host, self._server.port)
        for source, target in ((reader, there_writer), (there_reader, writer)):
            flowing = self._flowing[target] = asyncio.Event()
            flowing.set()
            task = asyncio.create_task(self._pass_on(source, target, flowing))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        try:
            while data := await source.read(65536):
                await flowing.wait()
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()
            del self._flowing[target]


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    between = Wire(url)
    await between.up()
    try:
        yield between
    finally:
        await between.close()
