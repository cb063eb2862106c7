"""The HTTP server for tests: over real sockets, with everything behind it in a few lines."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import aiohttp
from prometheus_client import CollectorRegistry, Counter

from adapters.clock import SystemClock
from adapters.http.jobs import Jobs
from adapters.http.probes import Probes
from adapters.http.server import HttpServer
from adapters.http.webhooks import Webhook, Webhooks
from adapters.outage import Outage
from engine.compose import Directory, Template
from engine.message import Category, Job
from engine.receipts import DeliveryReceipt, Receipt, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from engine.inbound import InboundMessage

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "s3cret-Überraschung"


class Intake:
    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.away = False

    async def put(self, jobs: Sequence[Job]) -> None:
        if self.away:
            raise ConnectionError("amqp://guest:guest@broker is away")
        self.jobs += jobs


class Store:
    def __init__(self) -> None:
        self.receipts: dict[UUID, Receipt] = {}
        self.hangs = False

    async def merge(self, receipts: Sequence[Receipt]) -> None:
        self.receipts |= {receipt.job: receipt for receipt in receipts}

    async def latest(self, job: UUID) -> Receipt | None:
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        return self.receipts.get(job)


class Carrier:
    """Reads a posted list of ids; takes each unless told what to raise."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.raises: Exception | None = None

    def read(self, body: bytes) -> list[DeliveryReceipt]:
        try:
            ids: list[str] = json.loads(body)
        except ValueError:
            raise ValueError("the body is no JSON") from None
        return [DeliveryReceipt("alpha", carrier_id, State.DELIVERED, NOW) for carrier_id in ids]

    async def take(self, dlr: DeliveryReceipt | InboundMessage) -> None:
        assert isinstance(dlr, DeliveryReceipt)
        if self.raises is not None and dlr.carrier_id == "last":
            raise self.raises
        self.taken.append(dlr.carrier_id)


@dataclass
class Api:
    """A running server with everything behind it, and one client."""

    url: str
    client: aiohttp.ClientSession
    intake: Intake = field(default_factory=Intake)
    store: Store = field(default_factory=Store)
    carrier: Carrier = field(default_factory=Carrier)
    well: dict[str, bool] = field(default_factory=lambda: {"queue": True, "ledger": True})

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.client.request(method, self.url + path, **options) as response:
            assert response.content_type == "application/json"
            return response.status, await response.json()

    async def post_jobs(self, body: Any, path: str = "/v1/jobs", **options: Any) -> tuple[int, Any]:
        return await self.ask(
            "POST", path, data=io.BytesIO(body) if isinstance(body, bytes) else json.dumps(body), **options
        )


@asynccontextmanager
async def serving(
    *, api_token: str | None = None, webhook_token: str | None = None, **webhook: Any
) -> AsyncIterator[Api]:
    directory = Directory(frozenset(), {"OTP_1": Template("OTP_1", Category.OTP, "${code}")}, frozenset())
    registry = CollectorRegistry()
    Counter("sms_tests", "How often this ran", registry=registry).inc()
    async with aiohttp.ClientSession() as client:
        api = Api("", client)
        parts: dict[str, Outage | Callable[[], bool]] = {name: _part(api, name) for name in api.well}
        parts["store"] = Outage("postgres", SystemClock(), Silence())
        way_in = Webhook(api.carrier.read, api.carrier.take, webhook_token, **webhook)
        routes = [
            *Jobs(api.intake, api.store, directory, SystemClock(), api_token).routes(),
            *Webhooks({"alpha": way_in}, {"beta": way_in}).routes(),
            *Probes(parts, registry).routes(),
        ]
        server = HttpServer("127.0.0.1", 0, routes)
        await server.open()
        api.url = f"http://127.0.0.1:{server.port}"
        yield api
        await server.close()


def _part(api: Api, name: str) -> Callable[[], bool]:
    return lambda: api.well[name]


class Silence:
    def emit(self, event: object) -> None:
        pass


def job(**fields: Any) -> dict[str, Any]:
    """A job as a producer writes it."""
    return {"id": str(uuid4()), "to": "+8613800001234", **fields}
