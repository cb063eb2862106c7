"""The simulated carrier behaves as configured, and remembers what it took."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from adapters.carriers import simulator
from adapters.carriers.behaviour import Behaviour
from adapters.carriers.simulator import SimulatedChannel
from adapters.clock import SystemClock
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled
from engine.receipts import State, receipt_for
from engine.routing import Profile
from tests.carriers import message, places

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.receipts import DeliveryReceipt


@asynccontextmanager
async def channel_with(inbox: list[DeliveryReceipt] | None = None, **behaviour: Any) -> AsyncIterator[SimulatedChannel]:
    quick = {"latency_s": 0.0, "receipt_delay_s": 0.0} | behaviour
    channel = SimulatedChannel(Profile("alpha"), places(), Behaviour(**quick), SystemClock(), Random(7))

    async def take(dlr: DeliveryReceipt) -> None:
        if inbox is not None:
            inbox.append(dlr)

    await channel.open(take)
    yield channel
    await channel.close()


async def settled(channel: SimulatedChannel, receipts: int) -> None:
    while channel.counts["receipts"] < receipts:
        await asyncio.sleep(0.001)


async def test_outcomes_come_in_the_configured_shares() -> None:
    async with channel_with(refused=0.2, fault=0.1, throttled=0.1) as channel:
        outcomes = await asyncio.gather(*(channel.submit(message()) for _ in range(2000)))
        shares = {
            kind: sum(isinstance(o, kind) for o in outcomes) / 2000 for kind in (Refused, ChannelFault, Throttled)
        }
        assert shares[Refused] == pytest.approx(0.2, abs=0.04)
        assert shares[ChannelFault] == pytest.approx(0.1, abs=0.03)
        assert shares[Throttled] == pytest.approx(0.1, abs=0.03)
        assert channel.counts["accepted"] == len(channel.taken) == sum(isinstance(o, Accepted) for o in outcomes)


async def test_it_remembers_each_message_it_took_under_its_own_id() -> None:
    async with channel_with() as channel:
        one = message()
        ids = [await channel.submit(one) for _ in range(3)]
        assert [taken.job for taken in channel.taken] == [one.job.id] * 3
        assert [Accepted(taken.carrier_id) for taken in channel.taken] == ids
        assert len(set(ids)) == 3


async def test_its_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "REMEMBERED", 5)
    async with channel_with(receipt_never=1.0) as channel:
        for _ in range(7):
            await channel.submit(message())
        assert len(channel.taken) == 5
        assert channel.counts["taken"] == 7


async def test_two_carriers_never_share_an_id() -> None:
    async with channel_with() as one, channel_with() as other:
        assert await one.submit(message()) != await other.submit(message())


async def test_a_silent_submit_counts_as_taken_and_is_reported_on() -> None:
    inbox: list[DeliveryReceipt] = []
    async with channel_with(inbox, silent=1.0) as channel:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await channel.submit(message())
        await settled(channel, 1)
        assert [dlr.carrier_id for dlr in inbox] == [channel.taken[0].carrier_id]


async def test_a_dead_carrier_refuses_connections_until_it_recovers() -> None:
    async with channel_with() as channel:
        channel.die()
        assert isinstance(await channel.submit(message()), ChannelFault)
        assert not channel.taken
        channel.recover()
        assert isinstance(await channel.submit(message()), Accepted)


async def test_a_receipt_follows_the_answer() -> None:
    inbox: list[DeliveryReceipt] = []
    async with channel_with(inbox, latency_s=0.02) as channel:
        await channel.submit(message())
        assert inbox == []
        await settled(channel, 1)
        assert [dlr.state for dlr in inbox] == [State.DELIVERED]


async def test_an_early_receipt_precedes_the_answer() -> None:
    inbox: list[DeliveryReceipt] = []
    async with channel_with(inbox, receipt_early=1.0) as channel:
        accepted = await channel.submit(message())
        assert [Accepted(dlr.carrier_id) for dlr in inbox] == [accepted]


async def test_a_message_may_be_undelivered() -> None:
    inbox: list[DeliveryReceipt] = []
    async with channel_with(inbox, undelivered=1.0) as channel:
        await channel.submit(message())
        await settled(channel, 1)
        assert [(dlr.state, dlr.code) for dlr in inbox] == [(State.UNDELIVERED, "UNDELIV")]


async def test_a_receipt_may_come_twice() -> None:
    inbox: list[DeliveryReceipt] = []
    async with channel_with(inbox, receipt_twice=1.0) as channel:
        await channel.submit(message())
        await settled(channel, 2)
        assert inbox[0].carrier_id == inbox[1].carrier_id


async def test_a_receipt_may_never_come_or_come_late() -> None:
    inbox: list[DeliveryReceipt] = []
    never = channel_with(inbox, receipt_never=1.0)
    late = channel_with(inbox, receipt_late=1.0, receipt_late_s=3600.0)
    prompt = channel_with(inbox)
    async with never as one, late as other, prompt as third:
        await one.submit(message())
        await other.submit(message())
        last = await third.submit(message())
        await settled(third, 1)
        await asyncio.sleep(0.01)
        assert [Accepted(dlr.carrier_id) for dlr in inbox] == [last]


async def test_before_it_is_open_it_takes_nothing() -> None:
    channel = SimulatedChannel(Profile("alpha"), places(), Behaviour(), SystemClock(), Random(7))
    assert isinstance(await channel.submit(message()), ChannelFault)
    assert not channel.taken


async def test_of_what_was_before_it_opened_it_knows_nothing() -> None:
    one = message()
    before = receipt_for(
        one.job, State.UNKNOWN, SystemClock().now() - timedelta(seconds=1), category=one.category, to=one.job.to
    )
    async with channel_with() as channel:
        assert await channel.ask(before) is None
        await channel.submit(one)
        assert await channel.ask(before) is not None


def test_shares_beyond_all_messages_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 1"):
        Behaviour(refused=0.6, silent=0.5)
    Behaviour(refused=0.1, fault=0.2, throttled=0.7)
