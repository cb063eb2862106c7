"""What people would write instead, as a competent user writes it. `contest.py` runs it, as a process of its own.

`bare` only consumes, publishes one message and acknowledges: no limits, no record, no carrier. `naive` composes
aio-pika, `limits` and asyncpg, one message at a time: the limits of codes, a text from a template, a carrier that takes
as long as the engine's, two rows in one transaction, a receipt, the acknowledgement. Both handle many messages at once,
on uvloop and quorum queues, with confirms. Neither has a lease, a fence, failover, or health.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from datetime import UTC, datetime
from string import Template
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import aio_pika
import asyncpg
import uvloop
from limits import parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PREFETCH = 600  #: as the engine's for single jobs
AT_ONCE = 400  #: messages under way, as in config/default.toml
WARM = 0.1  #: of the messages, before anything is counted
TEXT = Template("【Acme】Your code is ${code}. It is valid for 5 minutes.")
PER_NUMBER_AND_SIGNATURE = [parse(text) for text in ("1/minute", "5/hour", "10/day")]
PER_NUMBER = parse("40/day")
TABLES = """
create table naive_messages (
    job uuid primary key, account text, recipient text, signature text, template text, category text, ref text,
    state text, final boolean, channel text, carrier_id text, segments int, attempts int, submitted_at timestamptz);
create table naive_receipts (id uuid primary key, job uuid, state text, final boolean, at timestamptz, raw jsonb);
"""
INSERT_MESSAGE = """
insert into naive_messages values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) on conflict do nothing
"""
INSERT_RECEIPT = "insert into naive_receipts values ($1, $2, $3, $4, $5, $6) on conflict do nothing"


class Count:
    """Messages done, and what they took from the first tenth on."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._began: tuple[int, float, float] | None = None
        self.all_done = asyncio.Event()

    def add(self, messages: int = 1) -> None:
        self._done += messages
        if self._began is None and self._done >= WARM * self._total:
            self._began = self._done, time.monotonic(), _cpu_s()
        if self._done >= self._total:
            self.all_done.set()

    def told(self) -> dict[str, float]:
        assert self._began
        done, at, cpu_s = self._began
        counted = self._total - done
        return {"rate": counted / (time.monotonic() - at), "cpu_us": (_cpu_s() - cpu_s) / counted * 1e6}


class Naive:
    """Handles one job after the other, as the documentation of each library shows it."""

    def __init__(self, count: Count, exchange: aio_pika.abc.AbstractExchange, callback: str, latency_s: float) -> None:
        self._count = count
        self._exchange = exchange
        self._callback = callback
        self._latency_s = latency_s
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def open(self, redis_url: str, postgres_url: str) -> None:
        storage = RedisStorage(f"async+{redis_url}", implementation="redispy", max_connections=2 * AT_ONCE)
        self._limiter = MovingWindowRateLimiter(storage)
        self._pool = await asyncpg.create_pool(postgres_url, min_size=4, max_size=10)
        await self._pool.execute(TABLES)

    async def handle(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        body = json.loads(message.body)
        await asyncio.gather(*map(self._deliver, body if isinstance(body, list) else [body]))
        await message.ack()

    async def _deliver(self, job: dict[str, Any]) -> None:
        async with self._at_once:
            for limit in PER_NUMBER_AND_SIGNATURE:
                if not await self._limiter.hit(limit, self._callback, job["to"], job["signature"]):
                    raise RuntimeError("a number came twice")
            if not await self._limiter.hit(PER_NUMBER, self._callback, job["to"]):
                raise RuntimeError("a number came too often")
            assert TEXT.substitute(job["params"])
            await asyncio.sleep(self._latency_s)  # the carrier
            now = datetime.now(UTC)
            receipt = {
                "id": str(uuid4()), "job": job["id"], "account": "default", "to": job["to"], "category": "otp",
                "signature": job["signature"], "template": job["template"], "ref": job["ref"], "state": "submitted",
                "final": False, "channel": "one", "carrier_id": uuid4().hex, "attempts": 1, "segments": 1,
                "at": now.isoformat(), "submitted_at": now.isoformat(),
            }  # fmt: skip
            await self._record(receipt, now)
            body = json.dumps(receipt).encode()
            await self._exchange.publish(aio_pika.Message(body, delivery_mode=2), self._callback)
        self._count.add()

    async def _record(self, r: dict[str, Any], now: datetime) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                INSERT_MESSAGE, UUID(r["job"]), r["account"], r["to"], r["signature"], r["template"], r["category"],
                r["ref"], r["state"], r["final"], r["channel"], r["carrier_id"], 1, 1, now,
            )  # fmt: skip
            await connection.execute(
                INSERT_RECEIPT, UUID(r["id"]), UUID(r["job"]), r["state"], r["final"], now, json.dumps(r)
            )


async def main(kind: str, queue: str, callback: str, total: int, latency_s: float, urls: list[str]) -> None:
    """Handle everything in the queue and tell what it took."""
    amqp_url, redis_url, postgres_url = urls
    consuming, publishing = await aio_pika.connect_robust(amqp_url), await aio_pika.connect_robust(amqp_url)
    async with consuming, publishing:
        channel = await consuming.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        confirmed = await publishing.channel(publisher_confirms=True, on_return_raises=True)
        count = Count(total)
        handle: Callable[[aio_pika.abc.AbstractIncomingMessage], Awaitable[None]]
        if kind == "naive":
            naive = Naive(count, confirmed.default_exchange, callback, latency_s)
            await naive.open(redis_url, postgres_url)
            handle = naive.handle
        else:

            async def handle(message: aio_pika.abc.AbstractIncomingMessage) -> None:
                again = aio_pika.Message(message.body, delivery_mode=2)
                await confirmed.default_exchange.publish(again, callback)
                await message.ack()
                count.add()

        await (await channel.get_queue(queue, ensure=False)).consume(handle)
        await count.all_done.wait()
        print(json.dumps(count.told()), flush=True)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    what, source, target, messages, latency, *servers = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(what, source, target, int(messages), float(latency), servers))
