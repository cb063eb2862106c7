"""People write back: from a carrier's webhook into the queue of replies, Postgres and the block list of promotions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import aiohttp
import asyncpg
import pytest
from aiohttp import web
from redis.asyncio import Redis

from adapters.wire_inbound import decode_replies
from engine.replies import Reply
from tests.carriers import serving
from tests.servers import PrivateRedis
from tests.stack import Installation, WorkerProcess, cli, installation, worker

SOON_S = 90.0  #: bound of a wait; nothing is asserted about the time it takes
NUMBER, OTHER = "+8613800000000", "+8613900000000"
SENDER = "10690001"


def settings(url: str) -> str:
    return f"""
unknown_grace_s = {{ otp = 10, notification = 10, promotion = 10 }}
visibility_timeout_s = {{ otp = 4, notification = 4, promotion = 4 }}

[[accounts]]
name = "default"

[[accounts]]
name = "bank"

[[signatures]]
name = "Acme"

[[signatures]]
name = "Bank"
account = "bank"

[[channels]]
name = "aggregator"
kind = "http"
url = "{url}"
timeout_s = 1
body = {{ to = "${{to}}", text = "${{text}}" }}

[channels.answer]
id_path = "id"

[channels.inbound]
sender_path = "from"
to_path = "to"
text_path = "text"
id_path = "id"
"""


@dataclass
class Running:
    """A worker on servers of its own, seen from outside."""

    installed: Installation
    worker: WorkerProcess
    channel: aio_pika.abc.AbstractChannel
    http: aiohttp.ClientSession
    taken: list[str]

    async def send(self, category: str, template: str, number: str = NUMBER, **fields: Any) -> dict[str, Any]:
        """Enqueue a message; answers the first receipt of it."""
        job = {"id": str(uuid4()), "to": number, "signature": "Acme", "template": template, **fields}
        exchange = await self.channel.get_exchange(f"{self.installed.prefix}.jobs", ensure=False)
        await exchange.publish(aio_pika.Message(json.dumps(job).encode(), delivery_mode=2), category)
        queue = await self.channel.get_queue(f"{self.installed.prefix}.callback", ensure=False)
        async with asyncio.timeout(SOON_S):
            while True:
                if message := await queue.get(fail=False, no_ack=True):
                    found: list[dict[str, Any]] = json.loads(message.body)
                    for receipt in found:
                        if receipt["job"] == job["id"]:
                            return receipt
                await asyncio.sleep(0.02)

    async def promote(self, number: str = NUMBER, **fields: Any) -> dict[str, Any]:
        return await self.send("promotion", "SMS_3001", number, **fields)

    async def code(self, number: str = NUMBER) -> dict[str, Any]:
        return await self.send("otp", "SMS_1001", number, params={"code": "1234"})

    async def recorded(self, receipt: dict[str, Any]) -> None:
        """Wait until a receipt stands in Postgres, so that a reply to it can be assigned at once."""
        async with self.installed.database() as database, asyncio.timeout(SOON_S):
            while not await database.fetchval("select count(*) from messages where job = $1", receipt["job"]):
                await asyncio.sleep(0.02)

    async def write(self, text: str, number: str = NUMBER, to: str = SENDER, id_: str | None = None) -> None:
        """Somebody writes to us; returns once the carrier was answered."""
        body = {"from": number, "to": to, "text": text, "id": id_ or uuid4().hex}
        async with self.http.post(f"{self.worker.url}/v1/inbound/aggregator", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def next_reply(self) -> Reply:
        """The next message of the queue for the business services."""
        queue = await self.channel.get_queue(f"{self.installed.prefix}.replies", ensure=False)
        async with asyncio.timeout(SOON_S):
            while (message := await queue.get(fail=False, no_ack=True)) is None:
                await asyncio.sleep(0.02)
        (reply,) = decode_replies(message.body)
        assert message.routing_key == reply.account
        return reply


@asynccontextmanager
async def running(amqp_url: str, redis_url: str, postgres_url: str, folder: Path) -> AsyncIterator[Running]:
    taken: list[str] = []

    async def take(request: web.Request) -> web.Response:
        taken.append((await request.json())["to"])
        return web.json_response({"id": uuid4().hex})

    async with serving(take) as url:
        path = folder / "sms.toml"
        path.write_text(settings(url), encoding="utf-8")
        async with (
            installation(amqp_url, redis_url, postgres_url, path) as installed,
            worker(installed.environment) as process,
            installed.broker() as channel,
            aiohttp.ClientSession() as http,
        ):
            await process.ready()
            yield Running(installed, process, channel, http, taken)


@pytest.fixture
async def here(amqp_url: str, redis_url: str, postgres_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(amqp_url, redis_url, postgres_url, tmp_path) as found:
        yield found


async def test_a_reply_comes_out_of_its_queue_and_stands_in_postgres_with_the_job_it_answers(here: Running) -> None:
    sent = await here.send(
        "notification", "SMS_2001", params={"order": "1", "day": "Monday"}, ref="order 1", extend="07"
    )
    assert sent["extend"] == "07"
    await here.recorded(sent)
    await here.write("你好", to=f"{SENDER}07", id_="m1")
    reply = await here.next_reply()
    assert (reply.account, str(reply.job), reply.ref, reply.extend) == ("default", sent["job"], "order 1", "07")
    assert (reply.sender, reply.to, reply.text) == (NUMBER, f"{SENDER}07", "你好")
    assert (reply.channel, reply.carrier_id) == ("aggregator", "m1")
    async with here.installed.database() as database:
        (row,) = await database.fetch("select * from inbound")
        assert (row["id"], row["job"], row["account"], row["text"]) == (reply.id, reply.job, "default", "你好")
        assert row["at"] == reply.at
    assert await here.worker.metric("sms_inbound_total") == 1
    assert "你好" not in str(here.worker.log)
    assert NUMBER[1:] not in str(here.worker.log)


async def test_an_opt_out_stops_promotions_of_its_account_alone_until_an_opt_in(here: Running) -> None:
    await here.recorded(await here.promote())
    await here.write("ＴＤ。")
    refused = await here.promote()
    assert (refused["state"], refused["final"], refused["code"], refused["attempts"]) == (
        "rejected",
        True,
        "BLOCKED",
        0,
    )
    assert (await here.code())["state"] == "submitted"
    assert (await here.promote(signature="Bank", account="bank"))["state"] == "submitted"
    assert (await here.promote(OTHER))["state"] == "submitted"
    await here.write("start")
    assert (await here.next_reply()).text == "ＴＤ。"
    assert (await here.next_reply()).text == "start"
    assert (await here.promote())["state"] == "submitted"


async def test_the_same_message_twice_is_one_row_and_one_id(here: Running) -> None:
    await here.recorded(await here.promote())
    for text in ("TD", "START", "TD"):  # the third is a repeat of the first, and comes late
        await here.write(text, id_=text)
    first, second, third = [await here.next_reply() for _ in range(3)]
    assert third == first != second
    async with here.installed.database() as database:
        assert await database.fetchval("select count(*) from inbound") == 2
    assert (await here.promote())["state"] == "submitted"


async def test_hostile_text_is_taken_and_passed_on(here: Running) -> None:
    for text in ("\x00TD\x00", "'); drop table inbound; --", "", "x" * 50_000, "\u202e\ufffe\U0010ffff"):
        await here.write(text)
        reply = await here.next_reply()
        assert (reply.account, reply.job) == ("default", None)
        assert reply.text == text[:40_000].replace("\x00", "\ufffd")


async def test_after_redis_forgot_everything_who_opted_out_still_gets_no_promotion(
    amqp_url: str, postgres_url: str, tmp_path: Path
) -> None:
    with PrivateRedis() as server:
        async with running(amqp_url, server.url, postgres_url, tmp_path) as here:
            await here.recorded(await here.promote())
            await here.write("退订")
            await here.next_reply()
            async with Redis.from_url(server.url) as admin:
                await admin.flushall()
            assert (await here.promote())["code"] == "BLOCKED"
            assert (await here.code())["state"] == "submitted"
            assert (await here.promote(OTHER))["state"] == "submitted"


@asynccontextmanager
async def postgres_away(here: Running, postgres_url: str) -> AsyncIterator[None]:
    """Meanwhile nobody gets a connection to the installation's database."""
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f'alter database "{here.installed.prefix}" with allow_connections false')
    await admin.fetch(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", here.installed.prefix
    )
    try:
        yield
    finally:
        await admin.execute(f'alter database "{here.installed.prefix}" with allow_connections true')
        await admin.close()


async def test_while_postgres_is_away_the_carrier_is_answered_and_promotions_to_who_may_have_opted_out_wait(
    here: Running, postgres_url: str
) -> None:
    await here.recorded(await here.promote())
    async with postgres_away(here, postgres_url):
        await here.write("T")
        assert (await here.promote(OTHER))["state"] == "submitted"
        waiting = asyncio.create_task(here.promote())
        await asyncio.sleep(1)
        assert not waiting.done()
    assert (await waiting)["code"] == "BLOCKED"
    assert (await here.next_reply()).text == "T"
    assert here.taken.count(NUMBER) == 1


async def test_an_operator_blocks_a_number_and_lifts_what_it_opted_out_of(here: Running) -> None:
    environment = here.installed.environment
    assert await cli(environment, "blocks", "ls") == (0, "")
    assert (await cli(environment, "blocks", "add", "138 0000 0000"))[0] == 0
    assert (await here.promote())["code"] == "BLOCKED"
    assert (await here.promote(signature="Bank", account="bank"))["code"] == "BLOCKED"
    assert (await here.code())["state"] == "submitted"
    assert (await cli(environment, "blocks", "remove", NUMBER))[0] == 0
    await here.recorded(await here.promote())
    await here.write("TD")
    await here.next_reply()
    code, said = await cli(environment, "blocks", "ls")
    assert (code, said.split()[:2], said.split()[-1]) == (0, [NUMBER, "default"], "TD")
    assert (await cli(environment, "blocks", "remove", NUMBER, "--account", "bank"))[0] == 0
    assert (await here.promote())["code"] == "BLOCKED"
    assert (await cli(environment, "blocks", "remove", NUMBER))[0] == 0
    assert (await here.promote())["state"] == "submitted"
    assert (await cli(environment, "blocks", "add", "12"))[0] == 2


async def test_the_newest_replies_are_shown_one_a_line(here: Running) -> None:
    for text in ("one", "two", "three"):
        await here.write(text)
        await here.next_reply()
    code, said = await cli(here.installed.environment, "replies", "--last", "2")
    assert code == 0
    assert [json.loads(line)["text"] for line in said.splitlines()] == ["two", "three"]
