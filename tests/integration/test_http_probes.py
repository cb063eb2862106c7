"""What schedulers, load balancers and Prometheus ask, and the server's own life."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from adapters.clock import SystemClock
from adapters.http.probes import Probes
from adapters.http.server import HttpServer
from adapters.outage import Outage
from tests.http_api import Api, Silence, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as running:
        yield running


async def test_the_process_is_alive(api: Api) -> None:
    assert await api.ask("GET", "/livez") == (200, {"alive": True})


async def test_it_is_ready_when_every_part_is_well_and_says_which_is_not(api: Api) -> None:
    parts = {"queue": "ok", "ledger": "ok", "store": "ok"}
    assert await api.ask("GET", "/readyz") == (200, {"ready": True, "parts": parts})
    api.well["ledger"] = False
    assert await api.ask("GET", "/readyz") == (503, {"ready": False, "parts": parts | {"ledger": "away"}})


async def test_an_outage_makes_it_unready() -> None:
    outage = Outage("redis", SystemClock(), Silence())
    await outage.wait(ConnectionError())
    probes = Probes({"ledger": outage}, CollectorRegistry())
    assert (await probes.ready(None)).status == 503  # type: ignore[arg-type]
    outage.over()
    assert (await probes.ready(None)).status == 200  # type: ignore[arg-type]


async def test_prometheus_is_served_its_text(api: Api) -> None:
    async with api.client.get(f"{api.url}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert "sms_tests_total 1.0" in await response.text()


async def test_a_closed_server_can_be_opened_on_its_port_again() -> None:
    server = HttpServer("127.0.0.1", 0, [])
    await server.open()
    again = HttpServer("127.0.0.1", server.port, [])
    await server.close()
    await again.open()
    await again.close()
