"""What every channel promises the engine, over the simulated carrier and those that speak HTTP and SMPP."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from adapters.carriers.behaviour import Behaviour
from adapters.carriers.http import HttpChannel
from adapters.carriers.simulator import SimulatedChannel
from adapters.carriers.smpp.channel import SmppChannel
from adapters.carriers.smpp.dialect import Dialect
from adapters.carriers.smpp.login import Login, Mode
from adapters.clock import SystemClock
from adapters.http.server import HttpServer
from adapters.http.webhooks import Webhook, Webhooks
from adapters.telemetry.fanout import Fanout
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled
from engine.receipts import NotSent, State, receipt_for
from engine.record_receipt import StillInHand
from engine.routing import Profile
from tests.carriers import JsonCarrier, message, places
from tests.smsc import Carrier, Smsc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from engine import ports
    from engine.message import Message
    from engine.receipts import DeliveryReceipt, Receipt

PROFILE = Profile("alpha", timeout_s=5)
SHARES = {"refuse": "refused", "fault": "fault", "throttle": "throttled", "silent": "silent"}


class Inbox:
    """Takes delivery receipts, after refusing as many as told."""

    def __init__(self, refuse: int = 0) -> None:
        self.receipts: asyncio.Queue[DeliveryReceipt] = asyncio.Queue()
        self.refused = 0
        self._refuse = refuse

    async def __call__(self, dlr: DeliveryReceipt) -> None:
        if self.refused < self._refuse:
            self.refused += 1
            raise StillInHand
        self.receipts.put_nowait(dlr)


class Rig:
    """A channel and what its carrier really took."""

    def __init__(self, channel: ports.Channel, taken: Callable[[], list[Any]]) -> None:
        self.channel = channel
        self.taken = taken  #: carrier id and job of every message taken

    async def submit(self) -> Any:
        """One submit as the engine does it."""
        async with self.channel.place(message(), 30) as free:
            assert free
            return await self.channel.submit(message())


@asynccontextmanager
async def simulated(
    mode: str = "accept", *, latency_s: float = 0.0, early: bool = False, report: bool = True, window: int = 10
) -> AsyncIterator[Rig]:
    shares: dict[str, Any] = {SHARES[mode]: 1.0} if mode in SHARES else {}
    behaviour = Behaviour(
        latency_s=latency_s,
        receipt_delay_s=0.0,
        receipt_early=float(early),
        receipt_never=float(not report),
        **shares,
    )
    channel = SimulatedChannel(PROFILE, places(window), behaviour, SystemClock(), Random(1))
    yield Rig(channel, lambda: list(channel.taken))


@asynccontextmanager
async def over_http(
    mode: str = "accept", *, latency_s: float = 0.0, early: bool = False, report: bool = True, window: int = 10
) -> AsyncIterator[Rig]:
    async with JsonCarrier().running() as carrier:
        carrier.mode, carrier.latency_s, carrier.early, carrier.report = mode, latency_s, early, report
        channel = HttpChannel(PROFILE, places(window), carrier.describe(), SystemClock())
        server = HttpServer("127.0.0.1", 0, Webhooks({"alpha": Webhook(channel.read, channel.take)}).routes())
        await server.open()
        carrier.webhook = f"http://127.0.0.1:{server.port}/v1/receipts/alpha"
        yield Rig(channel, lambda: list(carrier.taken))
        await server.close()


@asynccontextmanager
async def over_smpp(
    mode: str = "accept", *, latency_s: float = 0.0, early: bool = False, report: bool = True, window: int = 10
) -> AsyncIterator[Rig]:
    async with Smsc().running() as smsc:
        carrier = smsc.script = Carrier(smsc, mode, latency_s, early=early, report=report)
        login = Login("127.0.0.1", smsc.port, "user", "secret")
        channel = SmppChannel(
            PROFILE,
            places(window),
            login,
            [Mode.TRANSCEIVER],
            Dialect(),
            clock=SystemClock(),
            telemetry=Fanout(),
            rng=Random(1),
        )
        yield Rig(channel, lambda: list(carrier.taken))
        carrier.stop()


@pytest.fixture(params=[simulated, over_http, over_smpp], ids=["simulator", "http", "smpp"])
def rig(request: pytest.FixtureRequest) -> Callable[..., AbstractAsyncContextManager[Rig]]:
    return request.param


@pytest.fixture(params=[simulated, over_http], ids=["simulator", "http"])
def askable_rig(request: pytest.FixtureRequest) -> Callable[..., AbstractAsyncContextManager[Rig]]:
    """Of a carrier that knows a message by our reference; over SMPP none does."""
    return request.param


async def test_an_accepted_message_has_the_id_the_carrier_knows_it_by(rig: Any) -> None:
    async with rig() as on:
        await on.channel.open(Inbox())
        outcome = await on.submit()
        assert outcome == Accepted(on.taken()[0][0])
        await on.channel.close()


async def test_two_messages_have_two_ids(rig: Any) -> None:
    async with rig() as on:
        await on.channel.open(Inbox())
        first, second = await on.submit(), await on.submit()
        assert first.carrier_id != second.carrier_id
        await on.channel.close()


@pytest.mark.parametrize(("mode", "kind"), [("refuse", Refused), ("fault", ChannelFault), ("throttle", Throttled)])
async def test_what_was_surely_not_sent_is_said_to_be_so(rig: Any, mode: str, kind: type) -> None:
    async with rig(mode) as on:
        await on.channel.open(Inbox())
        assert isinstance(await on.submit(), kind)
        assert on.taken() == []
        await on.channel.close()


async def test_a_silent_carrier_took_the_message_and_the_submit_can_be_given_up(rig: Any) -> None:
    async with rig("silent") as on:
        await on.channel.open(Inbox())
        submit = asyncio.create_task(on.submit())
        while not on.taken():
            await asyncio.sleep(0.005)
        assert not submit.done()
        submit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submit
        assert on.channel.load == 0
        await on.channel.close()


async def test_never_more_submits_are_unanswered_than_the_window_holds(rig: Any) -> None:
    async with rig(latency_s=0.02, window=3) as on:
        await on.channel.open(Inbox())
        under_way, most, loads = 0, 0, []

        async def submit() -> None:
            nonlocal under_way, most
            async with on.channel.place(message(), 30) as free:
                assert free
                under_way += 1
                most = max(most, under_way)
                loads.append(on.channel.load)
                await on.channel.submit(message())
                under_way -= 1

        await asyncio.gather(*(submit() for _ in range(12)))
        assert most == 3
        assert max(loads) == 1
        assert on.channel.load == 0
        assert len(on.taken()) == 12
        await on.channel.close()


async def test_a_full_window_has_no_place_within_the_time(rig: Any) -> None:
    async with rig(window=1) as on:
        await on.channel.open(Inbox())
        async with on.channel.place(message(), 30) as first, on.channel.place(message(), 0.01) as second:
            assert (first, second) == (True, False)
        async with on.channel.place(message(), 30) as free:
            assert free
        await on.channel.close()


async def test_a_delivery_receipt_names_the_message_and_the_channel(rig: Any) -> None:
    async with rig() as on:
        inbox = Inbox()
        await on.channel.open(inbox)
        outcome = await on.submit()
        dlr = await inbox.receipts.get()
        assert (dlr.channel, dlr.carrier_id, dlr.state, dlr.status) == (
            "alpha",
            outcome.carrier_id,
            State.DELIVERED,
            "DELIVRD",
        )
        assert dlr.at.tzinfo is not None
        await on.channel.close()


async def test_a_receipt_that_is_not_taken_comes_again_until_it_is(rig: Any) -> None:
    async with rig() as on:
        inbox = Inbox(refuse=2)
        await on.channel.open(inbox)
        outcome = await on.submit()
        dlr = await inbox.receipts.get()
        assert dlr.carrier_id == outcome.carrier_id
        assert inbox.refused == 2
        await on.channel.close()


async def test_a_receipt_may_come_before_the_submit_is_answered(rig: Any) -> None:
    async with rig(early=True, latency_s=0.0) as on:
        inbox = Inbox()
        await on.channel.open(inbox)
        outcome = await on.submit()
        assert inbox.receipts.get_nowait().carrier_id == outcome.carrier_id
        await on.channel.close()


def unknown(of: Message) -> Receipt:
    """The receipt of a message whose submit was not answered."""
    return receipt_for(of.job, State.UNKNOWN, SystemClock().now(), category=of.category, to=of.recipient.number)


async def test_a_message_that_was_taken_and_not_answered_is_found_by_our_reference(askable_rig: Any) -> None:
    async with askable_rig("silent", report=False) as on:
        await on.channel.open(Inbox())
        one = message()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await on.channel.submit(one)
        found = await on.channel.ask(unknown(one))
        assert (found.channel, found.carrier_id, found.state) == ("alpha", on.taken()[0][0], State.SUBMITTED)
        await on.channel.close()


async def test_a_message_that_never_came_was_surely_not_sent(askable_rig: Any) -> None:
    async with askable_rig() as on:
        await on.channel.open(Inbox())
        await on.submit()
        assert await on.channel.ask(unknown(message())) == NotSent()
        await on.channel.close()


async def test_closing_waits_for_the_answer_under_way(rig: Any) -> None:
    async with rig(latency_s=0.1, report=False) as on:
        await on.channel.open(Inbox())
        submit = asyncio.create_task(on.submit())
        while not on.taken():
            await asyncio.sleep(0.005)
        await on.channel.close()
        assert submit.done()
        assert isinstance(submit.result(), Accepted)


async def test_a_closed_channel_sends_nothing_and_leaves_nothing_running(rig: Any) -> None:
    async with rig() as on:
        before = asyncio.all_tasks()
        await on.channel.open(Inbox(refuse=1_000_000))
        await on.submit()
        await on.channel.close()
        taken = len(on.taken())
        assert isinstance(await on.channel.submit(message()), ChannelFault)
        assert len(on.taken()) == taken
        assert [task for task in asyncio.all_tasks() - before if "adapters/carriers" in repr(task)] == []
