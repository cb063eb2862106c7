"""One of two channels gets sick under eight workers: killed, slow, or well and dead by turns.

Judged by the carrier's own log: what it was asked, and what it took.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.faults.jobs import some_jobs

if TYPE_CHECKING:
    from tests.faults.conftest import Row
    from tests.faults.lab import Lab

RATE = 40.0


async def send(lab: Lab, seconds: float, category: str = "notification") -> None:
    """Messages at an even pace, each to another number."""
    count = round(RATE * seconds)
    await lab.send(some_jobs(count, lab.rng, categories={category: 1.0}, numbers=count), rate=RATE, most=1)


def calls(lab: Lab, channel: str, since: int = 0) -> list[dict[str, Any]]:
    lines = [line for line in lab.carrier.lines() if line["kind"] == "call"]
    return [line for line in lines[since:] if line["channel"] == channel]


def asked(lab: Lab) -> int:
    """How often the carrier was asked so far, over both channels."""
    return sum(line["kind"] == "call" for line in lab.carrier.lines())


async def decided(lab: Lab, new: str) -> list[Any]:
    """When the workers decided so about alpha's breaker, as it is written down."""
    connection = await asyncpg.connect(lab.database_url)
    try:
        sql = "select at from channel_events where channel = 'alpha' and what = 'breaker' and new = $1 order by at"
        return [row["at"] for row in await connection.fetch(sql, new)]
    finally:
        await connection.close()


@pytest.mark.fault("carrier: one of two killed, 8 workers")
async def test_a_killed_channel_is_left_at_the_price_of_30_submits(row: Row) -> None:
    async with row.lab(workers=8) as lab:
        await lab.start()
        await send(lab, 8)
        before = asked(lab)
        with lab.fault():
            await lab.carrier.behave("alpha", answers={"unavailable": 1})
            await send(lab, 15)
        findings = await row.holds(lab)
        failed = [line for line in calls(lab, "alpha", before) if line["answer"] == "unavailable"]
        assert len(await decided(lab, "open")) == 1
        assert len(failed) <= 30
        assert findings.unknown == 0
        assert lab.states() == {"delivered": findings.jobs}


@pytest.mark.fault("carrier: one of two slow, 8 workers")
async def test_traffic_leaves_a_channel_that_became_slow(row: Row) -> None:
    async with row.lab(workers=8) as lab:
        await lab.start()
        await send(lab, 5, "otp")
        with lab.fault():
            await lab.carrier.behave("alpha", latency_s=0.7)
            await send(lab, 10, "otp")
            before = asked(lab)
            await send(lab, 10, "otp")
        await row.holds(lab)
        alpha, beta = (len(calls(lab, name, before)) for name in ("alpha", "beta"))
        assert alpha < 0.3 * (alpha + beta)
        assert await decided(lab, "open") == [], "slow is not dead"


@pytest.mark.fault("carrier: one of two flapping, 8 workers")
async def test_a_flapping_channel_costs_few_submits_and_loses_nothing(row: Row) -> None:
    async with row.lab(workers=8) as lab:
        await lab.start()
        await send(lab, 4)
        with lab.fault():
            for _ in range(6):
                await lab.carrier.behave("alpha", answers={"unavailable": 1})
                await send(lab, 4)
                await lab.carrier.behave("alpha", answers={"accept": 1})
                await send(lab, 4)
                await asyncio.sleep(0)
        findings = await row.holds(lab)
        failed = [line for line in calls(lab, "alpha") if line["answer"] == "unavailable"]
        assert len(failed) < 0.05 * findings.jobs
        assert findings.unknown == 0
        assert lab.states() == {"delivered": findings.jobs}
