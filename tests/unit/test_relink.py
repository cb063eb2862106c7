"""Whatever forgot which message a carrier means is told it again, and no delivery receipt stays without effect."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.memory.correlator import MemoryCorrelator
from adapters.memory.message_store import MemoryMessageStore
from engine import relink as module
from engine.correlation import Correlation
from engine.evidence import Evidence
from engine.receipts import State, receipt_for
from engine.record_receipt import RecordReceipt
from engine.relink import AWAITED, Relink
from tests.unit.test_deliver import NUMBER, World


class Forgetful:
    """What stands after a loss: the store knows what was submitted, the correlator and the ledger know nothing."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = MemoryMessageStore()
        self.correlator = MemoryCorrelator(world.clock)
        correlation = Correlation(self.correlator)
        self.record = RecordReceipt(
            correlation, world.ledger, self.store, world, self, world.clock, world, world.health
        )
        self.relink = Relink(self.correlator, correlation, self.store, self.record, world.clock, self.caught_up)

    async def put(self, evidence: Evidence) -> None:
        await self.store.keep([evidence])

    async def caught_up(self) -> None: ...


async def forgetful(count: int) -> Forgetful:
    """So many messages a carrier took, under the ids 0, 1, …, and everything but the store has forgotten them."""
    after = Forgetful(World())
    about = [after.world.job() for _ in range(count)]
    now = after.world.clock.now()
    sent = [receipt_for(job, State.SUBMITTED, now, category=job.category, to=NUMBER) for job in about]
    taken = [r._replace(channel="alpha", carrier_id=str(nth), submitted_at=now) for nth, r in enumerate(sent)]
    await after.store.merge(taken)
    return after


async def test_a_delivery_receipt_after_a_loss_finds_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    after = await forgetful(5)
    await after.relink.relink()
    for position in range(5):
        await after.record(after.world.dlr()._replace(carrier_id=str(position)))
    assert after.world.states == [(State.DELIVERED, True)] * 5


async def test_one_that_came_before_the_links_were_back_is_used_then() -> None:
    after = await forgetful(1)
    await after.record(after.world.dlr()._replace(carrier_id="0"))
    assert after.world.states == []
    await after.relink.relink()
    assert after.world.states == [(State.DELIVERED, True)]


async def test_what_no_delivery_receipt_can_come_of_any_more_is_left_alone() -> None:
    after = await forgetful(1)
    after.world.clock.go((AWAITED + timedelta(minutes=1)).total_seconds())
    await after.relink.relink()
    await after.record(after.world.dlr()._replace(carrier_id="0"))
    assert after.world.states == []
