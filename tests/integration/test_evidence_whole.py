"""A carrier that writes its ids one way in its answers and another way in its receipts, seen from outside."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from tests.stack import Installation, cli, installation, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATIENCE_S = 60.0
SETTINGS = """
[[channels]]
name = "alpha"
kind = "http"
url = "http://127.0.0.1:{port}/messages"
body = {{ to = "${{to}}", text = "${{text}}" }}
[channels.answer]
id_path = "id"
[channels.receipts]
states = {{ DELIVRD = "delivered", UNDELIV = "undelivered", ENROUTE = "submitted" }}
"""


class Carrier:
    """Accepts everything, as 0000A1B0, 0000A1B1, …"""

    def __init__(self) -> None:
        self._numbers = itertools.count(0xA1B0)

    async def submit(self, request: web.Request) -> web.Response:
        return web.json_response({"id": f"{next(self._numbers):08X}"})


@pytest.fixture
async def installed(amqp_url: str, redis_url: str, postgres_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    app = web.Application()
    app.router.add_post("/messages", Carrier().submit)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    settings = tmp_path / "sms.toml"
    settings.write_text(SETTINGS.format(port=runner.addresses[0][1]), encoding="utf-8")
    async with installation(amqp_url, redis_url, postgres_url, settings) as found:
        yield found
    await runner.cleanup()


async def test_receipts_are_matched_in_decimal_and_whatever_changes_nothing_is_kept(installed: Installation) -> None:
    job = str(uuid4())
    body = {"id": job, "to": "+8613800000000", "signature": "Acme", "template": "SMS_1001", "params": {"code": "1234"}}
    async with worker(installed.environment) as running, aiohttp.ClientSession() as http:
        await running.ready()

        async def report(carrier_id: object, status: str) -> None:
            url = f"{running.url}/v1/receipts/alpha"
            async with http.post(url, json={"id": carrier_id, "status": status}) as answer:
                assert answer.status == 200, await answer.text()

        async def stands(state: str) -> dict[str, Any]:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    async with http.get(f"{running.url}/v1/jobs/{job}") as answer:
                        if answer.status == 200 and (receipt := await answer.json())["state"] == state:
                            return dict(receipt)
                    await asyncio.sleep(0.05)

        async with http.post(f"{running.url}/v1/jobs", json={**body, "category": "otp"}) as answer:
            assert answer.status == 202, await answer.text()
        await stands("submitted")
        await report(0xA1B0, "ENROUTE")
        await report(987654321, "DELIVRD")
        await report(0xA1B0, "DELIVRD")
        assert (await stands("delivered"))["carrier_id"] == "0000A1B0"
        await report(0xA1B0, "UNDELIV")
        async with installed.database() as database, asyncio.timeout(PATIENCE_S):
            while (await database.fetchval("select count(*) from delivery_receipts")) < 3:
                await asyncio.sleep(0.05)
            rows = await database.fetch("select * from delivery_receipts order by received_at")
        found = [(row["carrier_id"], row["status"], row["job"] and str(row["job"]), row["rule"]) for row in rows]
        assert found == [
            (str(0xA1B0), "ENROUTE", job, "hex_to_decimal"),
            ("987654321", "DELIVRD", None, None),
            (str(0xA1B0), "UNDELIV", job, "hex_to_decimal"),
        ]
        assert await running.metric("sms_recorded_total") >= 5
        code, said = await cli(installed.environment, "job", job)
        assert code == 0, said
        steps = [line.split("  ", 1)[1].split(",")[0] for line in said.splitlines() if "  " in line]
        assert steps == [
            "enqueued: otp",
            "submitted",
            "alpha reported submitted",
            "delivered (final)",
            "alpha reported undelivered",
        ]
