"""How long does a message take while so many come each second? They come in open loop: nobody waits for the engine."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import aio_pika

from tests.benchmarks.contest import STALLED_S, bodies, code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.stack import Installation

TICK_S = 0.005  #: between two looks at who is due


class Latencies(NamedTuple):
    """From publishing to the carrier's answer, in milliseconds."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, took_s: Sequence[float]) -> Latencies:
        ordered = sorted(took_s)
        return cls(*(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)))


async def codes(installed: Installation, rate: float, for_s: float, first: int = 0) -> Latencies:
    """Send codes at a rate, to numbers from `first` on, to workers that run; how long each took to be submitted."""
    jobs = [code(first + n) for n in range(max(1, round(rate * for_s)))]
    async with installed.broker(confirms=False) as channel:
        published = await _publish(channel, f"{installed.prefix}.jobs", jobs, rate)
    submitted = await _submitted(installed, jobs)
    return Latencies.of([(submitted[job] - at).total_seconds() for job, at in published.items()])


async def _publish(
    channel: aio_pika.abc.AbstractChannel, exchange: str, jobs: Sequence[dict[str, Any]], rate: float
) -> dict[str, datetime]:
    """Each when it is due; when each was published, by job.

    Without confirms, for the producer shares the machine with those it measures; what got lost is waited for in vain.
    """
    target = await channel.get_exchange(exchange, ensure=False)
    published: dict[str, datetime] = {}
    began = time.monotonic()
    for position, (job, body) in enumerate(zip(jobs, bodies(jobs, 1), strict=True)):
        while (early_s := began + position / rate - time.monotonic()) > 0:
            await asyncio.sleep(max(TICK_S, early_s))
        published[job["id"]] = datetime.now(UTC)
        await target.publish(aio_pika.Message(body, delivery_mode=2), "otp", mandatory=False)
    await channel.get_exchange(exchange)  # once it answers, the broker has had them all
    return published


async def _submitted(installed: Installation, jobs: Sequence[dict[str, Any]]) -> dict[str, datetime]:
    ids = [job["id"] for job in jobs]
    found: dict[str, datetime] = {}
    async with installed.database() as database, asyncio.timeout(STALLED_S):
        while len(found) < len(ids):
            rows = await database.fetch(
                "select job, submitted_at from messages where job = any($1) and submitted_at is not null", ids
            )
            found = {str(row["job"]): row["submitted_at"] for row in rows}
            await asyncio.sleep(0.2)
    return found
