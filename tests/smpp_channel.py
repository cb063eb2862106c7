"""A channel of ours to somebody's SMPP server, built from settings as in the service."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from adapters.bootstrap import channels
from adapters.carriers.smpp.channel import SmppChannel
from adapters.clock import SystemClock
from config.channels import SmppSettings
from config.load import load
from tests.carriers import NoRateCap, message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from engine.message import Message
    from engine.outcomes import Outcome

PATIENCE_S = 60.0


class Ours:
    """The open channel, and what it told."""

    def __init__(self, channel: SmppChannel) -> None:
        self.channel = channel
        self.news: list[Any] = []  #: delivery receipts and inbound messages
        self.events: list[Any] = []
        self.refusals = 0  #: how many of the next news are not kept

    def emit(self, event: Any) -> None:
        self.events.append(event)

    async def tell(self, news: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise ConnectionError("not just now")
        self.news.append(news)

    async def submit(self, one: Message | None = None) -> Outcome:
        """Submit a message when there is room."""
        one = one or message()
        async with self.channel.place(one, PATIENCE_S) as free:
            assert free
            return await self.channel.submit(one)

    async def until(self, truth: Callable[[], object]) -> None:
        """Wait for something to become true."""
        await until(truth)


async def until(truth: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not truth():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def ours(port: int, **settings: Any) -> AsyncIterator[Ours]:
    """A channel bound to a server on a loopback port as user:secret, unless it is said otherwise."""
    told = {"kind": "smpp", "name": "alpha", "host": "127.0.0.1", "port": port, "sender": "1069"}
    login = {"system_id": "user", "password": "secret"}
    configured = load({"channels": [{**told, **login, **settings}]})
    assert isinstance(configured.channels[0], SmppSettings)
    relay = _Relay()
    channel = channels.build(configured, NoRateCap(), SystemClock(), relay)["alpha"]
    assert isinstance(channel, SmppChannel)
    relay.to = here = Ours(channel)
    await channel.open(here.tell)
    try:
        yield here
    finally:
        await channel.close()


class _Relay:
    """Telemetry that is known before who listens to it."""

    def __init__(self) -> None:
        self.to: Ours | None = None

    def emit(self, event: Any) -> None:
        if self.to is not None:
            self.to.emit(event)
