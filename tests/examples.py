"""The examples of carriers in `config/carriers`, as they stand, but for where the carrier listens."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.bootstrap import channels
from adapters.bootstrap.http_carrier import webhooks
from adapters.carriers.http import HttpChannel
from adapters.clock import SystemClock
from adapters.http.server import HttpServer
from adapters.telemetry.fanout import Fanout
from config.channels import HttpSettings
from config.load import load
from tests.carriers import NoRateCap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from engine.inbound import InboundMessage
    from engine.receipts import DeliveryReceipt

FOLDER = Path(__file__).parents[1] / "config" / "carriers"


class Example:
    """A channel out of an example, open, and the address where its webhooks are served."""

    def __init__(self, channel: HttpChannel, server: str, told: list[DeliveryReceipt | InboundMessage]) -> None:
        self.channel = channel
        self.server = server
        self.told = told  #: what the carrier brought


@asynccontextmanager
async def example(name: str, real: str, stand_in: str, environment: Mapping[str, str]) -> AsyncIterator[Example]:
    """The example of that name, with the address of the carrier's stand-in instead of its real one."""
    settings = load({"config": str(FOLDER / f"{name}.example.toml")}, {})
    described = next(channel for channel in settings.channels if isinstance(channel, HttpSettings))
    assert described.url.startswith(real)
    moved: dict[str, object] = {"url": described.url.replace(real, stand_in), "rate": None}
    if described.query:
        assert described.query.url.startswith(real)
        moved["query"] = described.query.model_copy(update={"url": described.query.url.replace(real, stand_in)})
    described = described.model_copy(update=moved)
    settings = settings.model_copy(update={"channels": [described]})
    channel = channels.build(settings, NoRateCap(), SystemClock(), Fanout(), environment)[name]
    assert isinstance(channel, HttpChannel)
    server = HttpServer("127.0.0.1", 0, webhooks(settings, {name: channel}, environment).routes())
    await server.open()
    told: list[DeliveryReceipt | InboundMessage] = []

    async def tell(news: DeliveryReceipt | InboundMessage) -> None:
        told.append(news)

    await channel.open(tell)
    try:
        yield Example(channel, f"http://127.0.0.1:{server.port}", told)
    finally:
        await channel.close()
        await server.close()
