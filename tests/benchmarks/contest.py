"""The same messages for everybody: from a full queue through a carrier to the receipt and its row."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aio_pika
import asyncpg

from adapters.rabbitmq.producer import uuid7
from tests.benchmarks.usage import Usage, rss_mib
from tests.stack import ROOT, Installation, WorkerProcess, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

LATENCY_S = 0.01  #: of every carrier
AT_ONCE = 200  #: confirms awaited by a producer
WARM = 0.1  #: of the messages, before anything is counted
LOOK_EVERY_S = 0.1
STALLED_S = 120.0  #: without any progress; nothing else is asserted about time
QUORUM = {"x-queue-type": "quorum"}
SETTINGS = """
[[channels]]
name = "one"
kind = "simulator"
latency_s = {latency_s}
window = 1000
{receipts}
"""
SILENT, REPORTING = "receipt_never = 1.0", "receipt_delay_s = 0.2"


class Result(NamedTuple):
    """What one run took."""

    rate: float  #: messages a second
    cpu_us: dict[str, float]  #: of CPU per message: `own`, and each server's
    rss_mib: float = 0.0


def settings(folder: Path, *, receipts: bool = False, more: str = "") -> Path:
    """A settings file with one simulated carrier, with delivery receipts or without."""
    path = folder / f"sms-{uuid4().hex[:6]}.toml"
    text = SETTINGS.format(latency_s=LATENCY_S, receipts=REPORTING if receipts else SILENT)
    path.write_text(text + more, encoding="utf-8")
    return path


def code(position: int) -> dict[str, Any]:
    """A verification code to a number of its own."""
    job = {"id": str(uuid7()), "to": f"+86138{position:08}", "signature": "Acme", "template": "SMS_1001"}
    return {**job, "params": {"code": f"{position:06}"}, "ref": f"login-{position}"}


def promotion(position: int) -> dict[str, Any]:
    """One of a campaign."""
    return {"id": str(uuid7()), "to": f"+86139{position:08}", "signature": "Acme", "template": "SMS_3001"}


def bodies(jobs: Sequence[dict[str, Any]], size: int) -> list[bytes]:
    """Single objects, or arrays of so many."""
    if size == 1:
        return [json.dumps(job).encode() for job in jobs]
    return [json.dumps(jobs[start : start + size]).encode() for start in range(0, len(jobs), size)]


async def publish(channel: aio_pika.abc.AbstractChannel, exchange: str, key: str, some: Sequence[bytes]) -> None:
    """As any client would: persistent and confirmed, many at a time."""
    target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    for start in range(0, len(some), AT_ONCE):
        messages = [aio_pika.Message(body, delivery_mode=2) for body in some[start : start + AT_ONCE]]
        await asyncio.gather(*(target.publish(message, key, timeout=60) for message in messages))


@asynccontextmanager
async def ready_worker(installed: Installation, *flags: str) -> AsyncIterator[WorkerProcess]:
    """A worker that takes jobs, and has drained afterwards."""
    async with worker(installed.environment, *flags) as running:
        await running.ready()
        yield running
        assert await running.stop() == 0


async def engine(installed: Installation, count: int, *, array: int = 1, processes: int = 1, each: int = 1) -> Result:
    """The engine at full speed; each message ends in so many receipts, in the callback queue and in Postgres."""
    async with installed.broker() as channel, installed.database() as database:
        await publish(channel, f"{installed.prefix}.jobs", "otp", bodies([code(n) for n in range(count)], array))
        async with ready_worker(installed, "--processes", str(processes)) as running:
            result = await timed(database, running.process.pid, count, each)
        told = await receipts(channel, installed.prefix)
        rows = await database.fetchval("select count(*) from messages")
    assert len(told) == rows == count, f"{count} messages: {len(told)} told of on the callback queue, {rows} rows"
    assert set(told.values()) == {each}, "a receipt is missing or came twice"
    return result


async def timed(database: asyncpg.Connection, pid: int, count: int, each: int = 1) -> Result:
    """Wait for every receipt's row; what is counted begins with a tenth of them."""
    began: tuple[int, float, Usage] | None = None
    rows, since = 0, time.monotonic()
    while True:
        before, rows = rows, await database.fetchval("select count(*) from receipts")
        now = time.monotonic()
        since = now if rows != before else since
        assert now - since < STALLED_S, f"{count * each - rows} receipts are missing"
        if began is None and rows >= WARM * count * each:
            began = rows, now, Usage.of(pid)
        if rows >= count * each:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    assert began
    messages = max(1, (rows - began[0]) // each)
    used = Usage.of(pid).per_message_us(began[2], messages)
    return Result(messages / max(now - began[1], LOOK_EVERY_S), used, rss_mib(pid))


async def receipts(channel: aio_pika.abc.AbstractChannel, prefix: str) -> dict[str, int]:
    """How many distinct receipts the callback queue holds of each job."""
    found: dict[str, set[str]] = {}
    queue = await channel.get_queue(f"{prefix}.callback", ensure=False)
    while (message := await queue.get(fail=False)) is not None:
        for receipt in json.loads(message.body):
            found.setdefault(receipt["job"], set()).add(receipt["id"])
        await message.ack()
    return {job: len(ids) for job, ids in found.items()}


async def yardstick(kind: str, urls: tuple[str, str, str], count: int, *, array: int = 1) -> Result:
    """`bare` or `naive` (`yardsticks.py`) at full speed, on queues and a database of its own."""
    name = f"y{uuid4().hex[:12]}"
    amqp_url, redis_url, postgres_url = urls
    database = urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    admin = await asyncpg.connect(postgres_url)
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        try:
            await admin.execute(f'create database "{name}"')
            for queue in (name, f"{name}.callback"):
                await channel.declare_queue(queue, durable=True, arguments=QUORUM)
            await publish(channel, "", name, bodies([code(n) for n in range(count)], array))
            before = Usage.of()
            told = await _run_yardstick(kind, name, count, (amqp_url, redis_url, database))
            servers = Usage.of().per_message_us(before, count)
            return Result(told["rate"], {**servers, "own": told["cpu_us"]})
        finally:
            for queue in (name, f"{name}.callback"):
                await channel.queue_delete(queue)
            await admin.execute(f'drop database if exists "{name}" (force)')
            await admin.close()


async def _run_yardstick(kind: str, queue: str, count: int, urls: tuple[str, str, str]) -> dict[str, float]:
    words = [kind, queue, f"{queue}.callback", str(count), str(LATENCY_S), *urls]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.yardsticks", *words,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), STALLED_S)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    told: dict[str, float] = json.loads(said)
    return told
