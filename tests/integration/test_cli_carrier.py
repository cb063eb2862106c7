"""`sms-engine carrier` as a person and a test meet it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp

from adapters.carriers.smpp.commands import Status
from tests.carrier_process import CarrierProcess, carrier_process
from tests.smpp_client import SmppClient, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUICK = {"latency_s": 0.0, "receipt_delay_s": 0.0}


async def until(carrier: CarrierProcess, truth: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while not truth(stats := await carrier.stats()):
            await asyncio.sleep(0.02)
        return stats


async def test_it_says_where_it_listens_and_what_to_configure_and_ends_when_asked(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with carrier_process("--log", str(log), "--login", "me:mine") as carrier:
        await carrier.behave(**QUICK)
        async with SmppClient.bound(carrier.smpp_port, login="me", password="mine") as client:
            answer = await client.ask(text())
            await client.deliver()
            await until(carrier, lambda stats: stats.get("taken") == 1)
        code, said = await carrier.end()
        assert code == 0
        assert f"127.0.0.1:{carrier.smpp_port}" in said
        assert f'port = {carrier.smpp_port}\n  system_id = "me"\n  password = "mine"' in said
        assert "1 accepted · 1 receipts taken" in said
        assert "Traceback" not in said
        assert [json.loads(line)["id"] for line in log.read_text().splitlines()] == [answer.body.message_id]


async def test_a_script_plays_until_somebody_changes_the_behaviour(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text('repeat = true\n[[phases]]\nname = "ill"\nfor_s = 0.05\nthrottled = 1.0\n', encoding="utf-8")
    async with carrier_process("--script", str(script)) as carrier:
        assert (await carrier.stats())["phase"] == "ill"
        assert (await carrier.ask("GET", "/behaviour"))["throttled"] == 1.0
        told = await carrier.ask("PUT", "/behaviour", QUICK)
        assert (told["throttled"], told["latency_s"]) == (0.0, 0.0)
        await asyncio.sleep(0.2)
        assert (await carrier.ask("GET", "/behaviour")) == told
        assert (await carrier.stats())["phase"] == "by hand"


async def test_its_control_refuses_what_makes_no_sense() -> None:
    async with carrier_process() as carrier:
        before = await carrier.ask("GET", "/behaviour")
        assert "latencies is no behaviour" in (await carrier.ask("PATCH", "/behaviour", {"latencies": 1}))["error"]
        assert "error" in await carrier.ask("PATCH", "/behaviour", [])
        assert "error" in await carrier.ask("POST", "/inbound", {"text": "TD"})
        stranger = {"account": "nobody", "sender": "1", "to": "2", "text": "TD"}
        assert "account is none of user, http" in (await carrier.ask("POST", "/inbound", stranger))["error"]
        assert await carrier.ask("GET", "/behaviour") == before


async def test_a_test_may_write_as_a_phone_look_at_what_came_and_hang_up() -> None:
    async with carrier_process() as carrier, SmppClient.bound(carrier.smpp_port) as client:
        await carrier.behave(**QUICK)
        sent = await carrier.ask("POST", "/inbound", {"sender": "8613800001234", "to": "1069", "text": "TD"})
        assert sent["message_id"]
        assert (await client.deliver()).short_message == b"TD"
        answer = await client.ask(text("hello", registered_delivery=0))
        (seen,) = await carrier.submits()
        assert (seen["message_id"], seen["text"], seen["to"]) == (answer.body.message_id, "hello", "8613800001234")
        assert await carrier.ask("POST", "/disconnect") == {"disconnected": 1}
        assert await client.rest() == b""


async def test_both_protocols_share_one_behaviour() -> None:
    async with carrier_process() as carrier, SmppClient.bound(carrier.smpp_port) as client:
        await carrier.behave(**QUICK, throttled=1.0)
        assert (await client.ask(text())).status == Status.ESME_RTHROTTLED
        url = f"http://127.0.0.1:{carrier.http_port}/v2/messages"
        message = {"recipient": "1", "message": "x"}
        async with aiohttp.ClientSession() as session, session.post(url, json=message) as answer:
            assert answer.status == 429
        assert (await carrier.stats())["throttled"] == 2
