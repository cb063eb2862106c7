"""Another service enqueues over plain AMQP; receipts come out of the callback queue and stand in Postgres."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aio_pika
import pytest

from adapters.rabbitmq.topology import Names
from tests.stack import Installation, installation, notification, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

SETTINGS = """
[[channels]]
name = "alpha"
kind = "simulator"
latency_s = 0.005
receipt_delay_s = 0.2
receipt_early = 0.05
receipt_twice = 0.05
window = 500

[[channels]]
name = "beta"
kind = "simulator"
latency_s = 0.01
receipt_delay_s = 0.1
window = 500
"""
JOBS = 10_000
FINAL_S = 100.0  #: bound of a wait; nothing is asserted about the time it takes


@pytest.fixture
async def installed(amqp_url: str, redis_url: str, postgres_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    settings = tmp_path / "sms.toml"
    settings.write_text(SETTINGS, encoding="utf-8")
    async with installation(amqp_url, redis_url, postgres_url, settings) as found:
        yield found


def otp(number: str = "+8613800000000", **fields: Any) -> dict[str, Any]:
    base = {"id": str(uuid4()), "to": number, "signature": "Acme", "template": "SMS_1001", "params": {"code": "1234"}}
    return {**base, **fields}


async def publish(channel: aio_pika.abc.AbstractChannel, prefix: str, key: str, bodies: Iterable[bytes]) -> None:
    """As any AMQP client would: persistent, mandatory, confirmed."""
    exchange = await channel.get_exchange(f"{prefix}.jobs", ensure=False)
    slots = asyncio.Semaphore(200)

    async def one(body: bytes) -> None:
        async with slots:
            message = aio_pika.Message(
                body,
                content_type="application/json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                message_id=uuid4().hex,
            )
            await exchange.publish(message, key, timeout=60)

    async with asyncio.TaskGroup() as group:
        for body in bodies:
            group.create_task(one(body))


class Callback:
    """A business service on the callback queue; it keeps every receipt by job."""

    def __init__(self) -> None:
        self.receipts: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._news = asyncio.Event()

    async def listen(self, channel: aio_pika.abc.AbstractChannel, prefix: str) -> None:
        await channel.set_qos(prefetch_count=200)
        queue = await channel.get_queue(f"{prefix}.callback", ensure=False)

        async def on_message(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            for receipt in json.loads(message.body):
                self.receipts[receipt["job"]].append(receipt)
            await message.ack()
            self._news.set()

        await queue.consume(on_message)

    async def state(self, job: str, state: str) -> dict[str, Any]:
        """The first receipt of a job in a state, waiting for it."""
        async with asyncio.timeout(FINAL_S):
            while True:
                if found := next((receipt for receipt in self.receipts[job] if receipt["state"] == state), None):
                    return found
                self._news.clear()
                await self._news.wait()

    async def finals(self, jobs: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The final receipt of each of these jobs, waiting for them all."""
        wanted = set(jobs)
        async with asyncio.timeout(FINAL_S):
            while True:
                found = {job: r for job in wanted for r in self.receipts.get(job, ()) if r["final"]}
                if len(found) == len(wanted):
                    return found
                self._news.clear()
                await self._news.wait()


async def drained(channel: aio_pika.abc.AbstractChannel, prefix: str) -> None:
    """Wait until every queue but the callback is empty, with nothing under way."""
    async with asyncio.timeout(FINAL_S):
        for name in Names(prefix).queues:
            while (await channel.declare_queue(name, passive=True)).declaration_result.message_count:
                await asyncio.sleep(0.05)


async def test_ten_thousand_jobs_each_end_in_a_receipt_and_one_row_and_are_never_sent_again(
    installed: Installation,
) -> None:
    jobs = [notification(position) for position in range(JOBS)]
    singles, rest = jobs[: JOBS // 2], jobs[JOBS // 2 :]
    arrays = [rest[start : start + 50] for start in range(0, len(rest), 50)]
    bodies = [json.dumps(body).encode() for body in (*singles, *arrays)]
    callback = Callback()
    prefix = installed.prefix
    async with worker(installed.environment) as running, installed.broker() as channel, installed.broker() as listener:
        await running.ready()
        await callback.listen(listener, prefix)
        await publish(channel, prefix, "notification", bodies)
        finals = await callback.finals(job["id"] for job in jobs)

        assert Counter(receipt["state"] for receipt in finals.values()) == {"delivered": JOBS}
        assert all(finals[job["id"]]["ref"] == job["ref"] for job in jobs)
        assert await running.metric("sms_submits_total") == JOBS
        await drained(channel, prefix)

        await publish(channel, prefix, "notification", bodies)
        await drained(channel, prefix)
        async with asyncio.timeout(FINAL_S):
            while await running.metric("sms_repeats_total") < JOBS:
                await asyncio.sleep(0.05)
        assert await running.metric("sms_submits_total") == JOBS
        assert await running.stop() == 0

    async with installed.database() as database:
        async with asyncio.timeout(FINAL_S):
            rows = await database.fetch("select job, state, final, recipient from messages")
        assert Counter(str(row["job"]) for row in rows) == Counter(job["id"] for job in jobs)
        assert {(row["state"], row["final"]) for row in rows} == {("delivered", True)}
        stored = await database.fetch("select raw ->> 'id' as id from receipts")
        assert len({row["id"] for row in stored}) == len(stored)


async def test_a_second_otp_within_a_minute_is_rejected_while_another_number_passes(installed: Installation) -> None:
    first, second, other = otp(), otp(), otp("+8613900000000")
    callback = Callback()
    async with worker(installed.environment) as running, installed.broker() as channel:
        await running.ready()
        await callback.listen(channel, installed.prefix)
        for job in (first, second, other):
            await publish(channel, installed.prefix, "otp", [json.dumps(job).encode()])
            await callback.finals([job["id"]])
        finals = await callback.finals([first["id"], second["id"], other["id"]])
    assert finals[first["id"]]["state"] == "delivered"
    assert finals[other["id"]]["state"] == "delivered"
    refused = finals[second["id"]]
    assert (refused["state"], refused["attempts"]) == ("rejected", 0)
    assert refused["code"] == "LIMIT_OTP_PER_NUMBER_AND_SIGNATURE"
    assert "2026" not in refused["reason"] or refused["reason"].endswith("Z.")


async def test_wrong_jobs_are_rejected_and_undecodable_bodies_put_aside_whole(installed: Installation) -> None:
    wrong = {
        "NUMBER_INVALID": otp("12"),
        "TEMPLATE_UNKNOWN": otp(template="NONE"),
        "PARAM_MISSING": otp(params={}),
        "SIGNATURE_UNKNOWN": otp(signature="Bank"),
    }
    garbage = [b"\xff\xfe not json", b"[]", b'[{"id": "no uuid", "to": "x"}]', json.dumps([otp()] * 501).encode()]
    good = otp("+8613700000000")
    callback = Callback()
    async with worker(installed.environment) as running, installed.broker() as channel:
        await running.ready()
        await callback.listen(channel, installed.prefix)
        bodies = [json.dumps(list(wrong.values())).encode(), *garbage, json.dumps(good).encode()]
        await publish(channel, installed.prefix, "otp", bodies)
        finals = await callback.finals([good["id"], *(job["id"] for job in wrong.values())])
        dead = await channel.get_queue(f"{installed.prefix}.dead", ensure=False)
        found = {}
        async with asyncio.timeout(FINAL_S):
            while len(found) < len(garbage):
                if message := await dead.get(fail=False):
                    found[message.body] = message.headers
                    await message.ack()
                else:
                    await asyncio.sleep(0.05)
    assert {code: finals[job["id"]]["code"] for code, job in wrong.items()} == {code: code for code in wrong}
    assert all(finals[job["id"]]["state"] == "rejected" for job in wrong.values())
    assert finals[good["id"]]["state"] == "delivered"
    assert set(found) == set(garbage)
    assert all(headers["x-reason"] and headers["x-received-at"] for headers in found.values())
