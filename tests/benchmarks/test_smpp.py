"""Messages through SMPP to a carrier that others wrote, with delivery receipts on: every one ends, all are matched.

`tests/run --smpp 100000`. The whole engine on real servers: a producer fills the queue over AMQP, one worker process
delivers, the carrier is the npm package `smpp` in a process of its own, which answers ids in decimal and reports on
them in hexadecimal, and a consumer reads the callback queue. All of it shares the machine. Then a tenth as many come at
half the rate that was reached, for latencies without a backlog. The figures are printed; the counts gate.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aio_pika
import pytest

from tests.peers.node_server import NodeServer, node_server
from tests.stack import Installation, installation, notification, worker
from tests.suite import SMPP_MESSAGES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

FEW = 2000  #: messages, unless tests/run --smpp says how many
BODY = 100  #: jobs in one message to the broker
STALLED_S = 120.0  #: without any progress; nothing else is asserted about time
SETTINGS = """
[[channels]]
name = "foreign"
kind = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "user"
password = "secret"
sender = "1069"
window = 100
binds = 4
"""


@dataclass
class Callback:
    """What the business is told, from the callback queue."""

    submitted: dict[str, datetime] = field(default_factory=dict)  #: when the carrier had answered, by job
    final: dict[str, tuple[str, datetime]] = field(default_factory=dict)  #: state and when, by job
    last_at: float = 0.0  #: monotonic, of the newest final receipt

    async def listen(self, channel: aio_pika.abc.AbstractChannel, prefix: str) -> None:
        await channel.set_qos(prefetch_count=500)
        queue = await channel.get_queue(f"{prefix}.callback", ensure=False)
        await queue.consume(self._take)

    async def all_final(self, jobs: Sequence[str]) -> None:
        """Wait until each of the jobs is, as long as there is progress."""
        before, since = -1, time.monotonic()
        while missing := sum(job not in self.final for job in jobs):
            if missing != before:
                before, since = missing, time.monotonic()
            assert time.monotonic() - since < STALLED_S, f"{missing} messages have no final receipt"
            await asyncio.sleep(0.2)

    async def _take(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        for receipt in json.loads(message.body):
            job = receipt["job"]
            if receipt["final"]:
                self.final[job] = (receipt["state"], datetime.fromisoformat(receipt["at"]))
                self.last_at = time.monotonic()
            if receipt.get("submitted_at"):
                self.submitted.setdefault(job, datetime.fromisoformat(receipt["submitted_at"]))
        await message.ack()


@pytest.fixture
async def carrier() -> AsyncIterator[NodeServer]:
    async with node_server(show=False, notation="hex", delay_ms=50) as server:
        yield server


@pytest.fixture
async def installed(
    amqp_url: str, redis_url: str, postgres_url: str, tmp_path: Path, carrier: NodeServer
) -> AsyncIterator[Installation]:
    settings = tmp_path / "sms.toml"
    settings.write_text(SETTINGS.format(port=carrier.port), encoding="utf-8")
    async with installation(amqp_url, redis_url, postgres_url, settings) as found:
        yield found


@pytest.mark.timeout(3600)
async def test_every_message_through_a_foreign_carrier_ends_delivered_and_every_receipt_is_matched(
    installed: Installation, carrier: NodeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    count = int(os.environ.get(SMPP_MESSAGES, FEW))
    flood = [notification(position) for position in range(count)]
    paced = [notification(count + position) for position in range(count // 10)]
    callback = Callback()
    async with worker(installed.environment) as running, installed.broker() as channel, installed.broker() as listener:
        await running.ready()
        await callback.listen(listener, installed.prefix)
        began = time.monotonic()
        enqueued = await _publish(channel, installed.prefix, flood)
        await callback.all_final([job["id"] for job in flood])
        throughput = count / (callback.last_at - began)
        enqueued |= await _publish(channel, installed.prefix, paced, at_rate=throughput / 2)
        await callback.all_final([job["id"] for job in paced])
        with capsys.disabled():
            print(_told(flood, paced, enqueued, callback, throughput))

        jobs = [*flood, *paced]
        assert Counter(state for state, _ in callback.final.values()) == {"delivered": len(jobs)}
        counts = await carrier.counts()
        assert counts["accepted"] == len(jobs)  # none twice
        assert counts["receipts_acknowledged"] == len(jobs)
        assert await running.metric("sms_delivery_receipts_total", matched="no") == 0
        await _all_recorded(installed, len(jobs))
        assert await running.stop() == 0
    async with installed.database() as database:
        rows = await database.fetch("select state, final, count(*) from messages group by state, final")
        assert [tuple(row) for row in rows] == [("delivered", True, len(jobs))]
        assert await database.fetchval("select count(*) from delivery_receipts where job is null") == 0


async def _all_recorded(installed: Installation, count: int) -> None:
    """Wait until the recorder has caught up: what is on the callback queue may not be in the database yet."""
    async with installed.database() as database, asyncio.timeout(STALLED_S):
        while await database.fetchval("select count(*) from messages where final") < count:
            await asyncio.sleep(0.1)


async def _publish(
    channel: aio_pika.abc.AbstractChannel, prefix: str, jobs: Sequence[dict[str, Any]], at_rate: float | None = None
) -> dict[str, datetime]:
    """Enqueue the jobs as any client would, so many a second or as fast as the broker confirms them; when each was."""
    exchange = await channel.get_exchange(f"{prefix}.jobs", ensure=False)
    size = BODY if at_rate is None else max(1, int(at_rate / 100))
    enqueued: dict[str, datetime] = {}
    began = time.monotonic()
    for start in range(0, len(jobs), size):
        if at_rate is not None:
            await asyncio.sleep(max(0.0, start / at_rate - (time.monotonic() - began)))
        some = jobs[start : start + size]
        enqueued |= dict.fromkeys((job["id"] for job in some), datetime.now(UTC))
        message = aio_pika.Message(
            json.dumps(some).encode(),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=uuid4().hex,
        )
        await exchange.publish(message, "notification", timeout=60)
    return enqueued


def _told(
    flood: Sequence[Any], paced: Sequence[Any], enqueued: dict[str, datetime], callback: Callback, throughput: float
) -> str:
    def line(what: str, took: list[timedelta]) -> str:
        ordered = sorted(each.total_seconds() for each in took)
        at = {share: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)}
        return f"  {what:<38}" + "  ".join(f"p{share * 100:g} {value:.3f} s" for share, value in at.items())

    def after(jobs: Sequence[Any]) -> list[str]:
        ids = [job["id"] for job in jobs]
        return [
            line("from enqueue to the carrier's answer", [callback.submitted[job] - enqueued[job] for job in ids]),
            line("from enqueue to the final receipt", [callback.final[job][1] - enqueued[job] for job in ids]),
        ]

    return "\n".join(
        [
            "",
            f"{len(flood):,} messages at once: {throughput:,.0f} a second from enqueue to the last final receipt",
            *after(flood),
            f"{len(paced):,} more at {throughput / 2:,.0f} a second",
            *after(paced),
        ]
    )
