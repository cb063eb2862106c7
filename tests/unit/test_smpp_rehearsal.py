"""Our client against our carrier to rehearse with: what is said of a submit, judged by what the carrier really took."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from adapters.carriers.smpp.bind import Backoff
from adapters.carriers.smpp.channel import SmppChannel
from adapters.carriers.smpp.dialect import Dialect
from adapters.carriers.smpp.login import Login, Mode
from adapters.carriers.smsc.behaviour import WireBehaviour
from adapters.carriers.smsc.carrier import Carrier
from adapters.carriers.smsc.smpp_server import SmppServer
from adapters.clock import SystemClock
from adapters.telemetry.fanout import Fanout
from engine.message import Recipient
from engine.outcomes import Accepted, ChannelFault, Throttled, Unanswered
from engine.receipts import DeliveryReceipt
from engine.routing import Profile
from tests.carriers import message, places

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.outcomes import Outcome

MESSAGES = 100  #: as many as the carrier shows


@asynccontextmanager
async def rehearsal(modes: list[Mode], **behaviour: Any) -> AsyncIterator[tuple[SmppChannel, Carrier, list[Any]]]:
    carrier = Carrier(None, Random(7))
    carrier.behave(WireBehaviour(latency_s=0.0, receipt_delay_s=0.0, **behaviour))
    server = SmppServer(carrier, "127.0.0.1", 0, {"user": "secret"})
    await server.open()
    channel = SmppChannel(
        Profile("alpha"),
        places(5),
        Login("127.0.0.1", server.port, "user", "secret"),
        modes,
        Dialect(sender="1069"),
        clock=SystemClock(),
        telemetry=Fanout(),
        rng=Random(1),
        backoff=Backoff(first_s=0.001, max_s=0.01),
    )
    told: list[Any] = []

    async def tell(news: Any) -> None:
        told.append(news)

    await channel.open(tell)
    yield channel, carrier, told
    await channel.close()
    await server.close()


async def submit(channel: SmppChannel, nth: int) -> Outcome:
    one = message()._replace(recipient=Recipient(f"+861380000{nth:04}", "CN"))
    async with channel.place(one, 30) as free:
        assert free
        return await channel.submit(one)


async def until_told(told: list[Any], ids: set[str]) -> None:
    async with asyncio.timeout(30):
        while not ids <= {news.carrier_id for news in told if isinstance(news, DeliveryReceipt)}:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("modes", [[Mode.TRANSCEIVER] * 2, [Mode.TRANSMITTER, Mode.RECEIVER]], ids=["trx", "tx+rx"])
@pytest.mark.parametrize("by", ["close", "unbind", "mid_pdu"])
async def test_whatever_ends_the_links_no_word_on_a_submit_is_wrong_and_every_receipt_comes(
    by: str, modes: list[Mode]
) -> None:
    async with rehearsal(modes, disconnect_after=7, disconnect_by=by) as (channel, carrier, told):
        outcomes = await asyncio.gather(*(submit(channel, nth) for nth in range(MESSAGES)))
        taken = {entry.to[-4:]: carrier_id for carrier_id, entry in carrier.shown}
        for nth, outcome in enumerate(outcomes):
            match outcome:
                case Accepted(carrier_id):
                    assert taken[f"{nth:04}"] == carrier_id
                case ChannelFault():
                    assert f"{nth:04}" not in taken
                case _:
                    assert isinstance(outcome, Unanswered)
        accepted = {outcome.carrier_id for outcome in outcomes if isinstance(outcome, Accepted)}
        assert len(accepted) > MESSAGES / 10
        if by == "unbind":  # taking leave in good order leaves nothing open
            assert not [outcome for outcome in outcomes if isinstance(outcome, Unanswered)]
        await until_told(told, accepted)


async def test_a_full_queue_and_a_kept_rate_are_throttles_and_nothing_more_is_taken() -> None:
    async with rehearsal([Mode.TRANSCEIVER], throttled=0.5) as (channel, carrier, told):
        outcomes = await asyncio.gather(*(submit(channel, nth) for nth in range(MESSAGES)))
        accepted = {outcome.carrier_id for outcome in outcomes if isinstance(outcome, Accepted)}
        assert {type(outcome) for outcome in outcomes} == {Accepted, Throttled}
        assert accepted == {carrier_id for carrier_id, _ in carrier.shown}
        await until_told(told, accepted)
