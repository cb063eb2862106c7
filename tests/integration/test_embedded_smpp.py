"""A worker with no server configured, and a carrier that speaks SMPP: from a job to its final receipt."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from adapters.carriers.smpp.commands import Command
from adapters.carriers.smpp.message_bodies import DeliverSm
from tests.smsc import Carrier, Smsc
from tests.stack import WorkerProcess, worker

FINAL_S = 60.0


def settings(smsc: Smsc) -> str:
    return f"""
[[channels]]
name = "operator"
kind = "smpp"
host = "127.0.0.1"
port = {smsc.port}
system_id = "user"
password = "hunter2"
sender = "10690000"
binds = 2
window = 10
"""


async def final(http: aiohttp.ClientSession, running: WorkerProcess, job: str) -> dict[str, Any]:
    async with asyncio.timeout(FINAL_S):
        while True:
            async with http.get(f"{running.url}/v1/jobs/{job}") as answer:
                receipt: dict[str, Any] = await answer.json()
                if answer.status == 200 and receipt["final"]:
                    return receipt
            await asyncio.sleep(0.02)


async def test_jobs_go_over_smpp_to_their_final_receipts_and_the_worker_takes_leave(tmp_path: Path) -> None:
    async with Smsc().running() as smsc:
        carrier = smsc.script = Carrier(smsc, "accept", 0.0, early=False, report=True)
        path = tmp_path / "sms.toml"
        path.write_text(settings(smsc), encoding="utf-8")
        async with worker({"SMS_CONFIG": str(path)}) as running, aiohttp.ClientSession() as http:
            await running.ready()
            jobs = [
                {"id": str(uuid4()), "to": f"+86138000000{nth:02}", "signature": "Acme", "template": "SMS_1001",
                 "params": {"code": "1234"}, "extend": "77"}
                for nth in range(20)
            ]  # fmt: skip
            async with http.post(f"{running.url}/v1/jobs", json=jobs) as answer:
                assert answer.status == 202
            receipts = [await final(http, running, job["id"]) for job in jobs]
            assert {(receipt["state"], receipt["channel"]) for receipt in receipts} == {("delivered", "operator")}
            assert {receipt["carrier_id"] for receipt in receipts} == {carrier_id for carrier_id, _ in carrier.taken}
            bodies: list[Any] = [pdu.body for link in smsc.links for pdu in link.only(Command.SUBMIT_SM)]
            assert {body.source_addr for body in bodies} == {"1069000077"}
            assert len(bodies) == 20
            assert await running.metric("sms_binds") == 2
            smsc.link.send(DeliverSm(source_addr="8613800000000", destination_addr="1069000077", short_message=b"hi"))
            await smsc.until(lambda: len(smsc.link.only(Command.DELIVER_SM_RESP)) > 0)
            assert await running.stop() == 0
            assert [len(link.only(Command.UNBIND)) for link in smsc.links] == [1, 1]
            told = str(running.log)
            assert "a bind is up" in told
            assert "hunter2" not in told
            assert "138000000" not in told
        carrier.stop()


async def test_a_process_that_does_not_deliver_makes_no_bind(tmp_path: Path) -> None:
    async with Smsc().running() as smsc:
        path = tmp_path / "sms.toml"
        path.write_text(settings(smsc), encoding="utf-8")
        async with worker({"SMS_CONFIG": str(path)}, "--role", "api") as running:
            await running.ready()
            assert await running.stop() == 0
        assert smsc.links == []
