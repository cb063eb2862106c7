"""A worker with no server configured: jobs over HTTP, a carrier from its settings file, receipts over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web

from tests.stack import WorkerProcess, worker

FINAL_S = 60.0


class Carrier:
    """A small aggregator: takes messages as JSON and posts a delivery receipt to the webhook of the engine."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.webhook = ""
        self.refuses = False
        self.reports: set[asyncio.Task[None]] = set()

    async def submit(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.refuses:
            return web.json_response({"error": {"code": "E21", "message": "no such number"}}, status=400)
        self.taken.append({**body, "authorization": request.headers.get("Authorization")})
        carrier_id = f"m{len(self.taken)}"
        self.reports.add(asyncio.create_task(self._report(carrier_id)))
        return web.json_response({"data": {"id": carrier_id}})

    async def _report(self, carrier_id: str) -> None:
        async with aiohttp.ClientSession() as http:
            answer = await http.post(self.webhook, json={"message_id": carrier_id, "status": "DELIVRD"})
            assert answer.status == 200


@asynccontextmanager
async def carrier_at(carrier: Carrier) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/send", carrier.submit)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/send"
    finally:
        await asyncio.gather(*carrier.reports)
        await runner.cleanup()


def settings(url: str) -> str:
    return f"""
[[channels]]
name = "aggregator"
kind = "http"
url = "{url}"
headers = {{ Authorization = "Bearer hunter2" }}
body = {{ recipient = "${{to}}", message = "${{text}}", reference = "${{job}}" }}
webhook_token = "t0ken"

[channels.answer]
id_path = "data.id"
code_path = "error.code"
reason_path = "error.message"

[channels.receipts]
id_path = "message_id"
states = {{ DELIVRD = "delivered", UNDELIV = "undelivered" }}
"""


async def final(http: aiohttp.ClientSession, running: WorkerProcess, job: str) -> dict[str, Any]:
    async with asyncio.timeout(FINAL_S):
        while True:
            async with http.get(f"{running.url}/v1/jobs/{job}") as answer:
                receipt: dict[str, Any] = await answer.json()
                if answer.status == 200 and receipt["final"]:
                    return receipt
                assert answer.status in (200, 404)
            await asyncio.sleep(0.02)


def otp(number: str) -> dict[str, Any]:
    return {"id": str(uuid4()), "to": number, "signature": "Acme", "template": "SMS_1001", "params": {"code": "1234"}}


async def test_a_job_goes_over_http_through_a_carrier_to_its_final_receipt(tmp_path: Path) -> None:
    carrier = Carrier()
    async with carrier_at(carrier) as url:
        path = tmp_path / "sms.toml"
        path.write_text(settings(url), encoding="utf-8")
        async with worker({"SMS_CONFIG": str(path)}) as running, aiohttp.ClientSession() as http:
            await running.ready()
            carrier.webhook = f"{running.url}/v1/receipts/aggregator?token=t0ken"
            job = otp("+8613800000000")
            async with http.post(f"{running.url}/v1/jobs", json=job) as answer:
                assert answer.status == 202
                assert (await answer.json()) == {"ids": [job["id"]]}
            receipt = await final(http, running, job["id"])
            assert (receipt["state"], receipt["channel"], receipt["carrier_id"]) == ("delivered", "aggregator", "m1")
            assert carrier.taken == [
                {
                    "recipient": "+8613800000000",
                    "message": "【Acme】Your code is 1234. It is valid for 5 minutes.",
                    "reference": job["id"],
                    "authorization": "Bearer hunter2",
                }
            ]

            carrier.refuses = True
            refused = otp("+8613900000000")
            async with http.post(f"{running.url}/v1/jobs", json=[refused]) as answer:
                assert answer.status == 202
            receipt = await final(http, running, refused["id"])
            assert (receipt["state"], receipt["code"], receipt["reason"]) == ("failed", "E21", "no such number")

            async with http.post(f"{running.url}/v1/jobs", json=[job, {"id": "x"}]) as answer:
                assert answer.status == 400
                assert [error["index"] for error in (await answer.json())["errors"]] == [1]
            assert len(carrier.taken) == 1
            assert await running.stop() == 0
            told = str(running.log)
            assert "embedded" in told
            assert "13800000000" not in told
            assert "hunter2" not in told
