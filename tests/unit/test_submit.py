"""Handing one message to a channel: failover where surely nothing was sent, and never elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from random import Random
from uuid import uuid4

import pytest

from adapters.clock import SystemClock
from engine import ports
from engine.claims import Claim, Granted
from engine.events import Event, Submitted
from engine.inbound import InboundMessage
from engine.message import Category, Job, Message, Recipient
from engine.outcomes import Accepted, ChannelFault, Outcome, Refused, Throttled, Unanswered
from engine.receipts import DeliveryReceipt, Receipt, State
from engine.routing import Candidate, Profile
from engine.submit import NotNow, Submit

MESSAGE = Message(
    Job(uuid4(), "+8613800000000", Category.OTP, datetime.now(UTC), ref="r1"),
    Recipient("+8613800000000", "CN"),
    Category.OTP,
    "text",
    2,
)
CLOCK = SystemClock()
REFUSED = Refused("BAD_NUMBER", "The carrier does not know the number.")


class ScriptedChannel:
    """Answers every submit with what it was told to, and remembers that it was asked."""

    def __init__(self, name: str, says: Outcome | Exception | None, *, room: bool = True) -> None:
        self.profile = Profile(name, timeout_s=0.05)
        self.ready = True
        self.load = 0.0
        self.submits = 0
        self.rates: list[float] = []  #: it was to keep
        self._says = says
        self._room = room

    @asynccontextmanager
    async def place(self, message: Message, within_s: float, rate: float = inf) -> AsyncIterator[bool]:
        self.rates.append(rate)
        yield self._room

    async def submit(self, message: Message) -> Outcome:
        self.submits += 1
        if isinstance(self._says, Exception):
            raise self._says
        if self._says is None:
            await asyncio.Event().wait()
        assert self._says is not None
        return self._says

    async def open(self, tell: Callable[[DeliveryReceipt | InboundMessage], Awaitable[None]]) -> None: ...
    async def close(self) -> None: ...


class Notes:
    """Health board and telemetry at once: it writes down what it hears; the first channel is by far the best."""

    def __init__(self, *best_first: str) -> None:
        self.heard: list[tuple[str, Outcome]] = []
        self.events: list[Event] = []
        self.probes: set[str] = set()  #: channels that want a permit
        self.permits = 1
        self.bears = inf  #: segments a second
        self.wait_s = 0.0  #: until a channel may be used
        self.closed: set[str] = set()  #: channels that may not be tried
        self.disabled: set[str] = set()
        self._best_first = best_first

    def candidates(self, message: Message, channels: Iterable[ports.Channel]) -> list[Candidate]:
        names = [channel.profile.name for channel in channels if channel.ready]
        open_to_all = [name for name in names if name not in self.closed | self.disabled]
        weights = {name: 1000.0 ** -self._best_first.index(name) for name in open_to_all}
        return [
            Candidate(name, weights[name], 1.0, 0.0, probe=name in self.probes, wait_s=self.wait_s)
            for name in open_to_all
        ]

    async def permit(self, channel: str, for_s: float) -> bool:
        self.permits -= 1
        return self.permits >= 0

    def enabled(self, channel: str) -> bool:
        return channel not in self.disabled

    def observe(self, channel: str, message: Message, outcome: Outcome, latency_s: float) -> None:
        self.heard.append((channel, outcome))

    def reported(self, receipt: Receipt, dlr: DeliveryReceipt) -> None: ...
    def rate(self, channel: str) -> float:
        return self.bears

    def score(self, channel: str) -> float:
        return 1.0

    def emit(self, event: Event) -> None:
        self.events.append(event)


def grant(lease_s: float = 30.0, attempts: int = 0) -> Granted:
    claim = Claim(MESSAGE.job.id, MESSAGE.recipient.number, (), lease_s)
    return Granted(claim, "token", 1, attempts, CLOCK.monotonic() + lease_s)


async def submit(
    *channels: ScriptedChannel, under: Granted | None = None, notes: Notes | None = None
) -> Receipt | NotNow:
    notes = notes or Notes(*(channel.profile.name for channel in channels))
    use = Submit({channel.profile.name: channel for channel in channels}, notes, CLOCK, notes, Random(2))
    return await use(MESSAGE, under or grant())


async def test_an_accepted_message_is_submitted_with_the_carriers_id() -> None:
    receipt = await submit(ScriptedChannel("a", Accepted("77")))
    assert isinstance(receipt, Receipt)
    assert (receipt.state, receipt.final, receipt.channel, receipt.carrier_id) == (State.SUBMITTED, False, "a", "77")
    assert (receipt.attempts, receipt.segments, receipt.ref) == (1, 2, "r1")
    assert receipt.submitted_at == receipt.at


@pytest.mark.parametrize("says", [REFUSED, ChannelFault("down"), Throttled("slow down")])
async def test_a_message_surely_not_sent_goes_to_the_next_channel(says: Outcome) -> None:
    first, second = ScriptedChannel("a", says), ScriptedChannel("b", Accepted("77"))
    receipt = await submit(first, second)
    assert isinstance(receipt, Receipt)
    assert (receipt.channel, receipt.attempts, receipt.code) == ("b", 2, None)


@pytest.mark.parametrize("says", [Unanswered("reset"), OSError("broken pipe"), None])
async def test_an_open_outcome_is_unknown_and_never_sent_again(says: Outcome | Exception | None) -> None:
    first, second = ScriptedChannel("a", says), ScriptedChannel("b", Accepted("77"))
    receipt = await submit(first, second)
    assert isinstance(receipt, Receipt)
    assert (receipt.state, receipt.final, receipt.channel, receipt.code) == (State.UNKNOWN, False, "a", "NO_ANSWER")
    assert second.submits == 0


async def test_refused_by_every_channel_is_failed_with_the_last_refusal() -> None:
    receipt = await submit(ScriptedChannel("a", REFUSED), ScriptedChannel("b", replace(REFUSED, code="BLOCKED")))
    assert isinstance(receipt, Receipt)
    assert (receipt.state, receipt.final, receipt.attempts) == (State.FAILED, True, 2)
    assert receipt.code in ("BAD_NUMBER", "BLOCKED")
    assert receipt.reason == REFUSED.reason


@pytest.mark.parametrize("says", [ChannelFault("down"), Throttled("slow down")])
async def test_it_is_worth_another_try_while_one_channel_did_not_refuse(says: Outcome) -> None:
    assert await submit(ScriptedChannel("a", REFUSED), ScriptedChannel("b", says)) == NotNow(2)


async def test_a_message_that_had_to_wait_goes_over_whichever_channel_is_well_by_then() -> None:
    first, second = ScriptedChannel("a", ChannelFault("down")), ScriptedChannel("b", ChannelFault("down"))
    assert await submit(first, second) == NotNow(2)
    receipt = await submit(first, ScriptedChannel("b", Accepted("77")))
    assert isinstance(receipt, Receipt)
    assert receipt.channel == "b"


async def test_a_full_channel_is_no_attempt() -> None:
    assert await submit(ScriptedChannel("a", Accepted("77"), room=False)) == NotNow(0)


async def test_earlier_attempts_are_counted_on() -> None:
    receipt = await submit(ScriptedChannel("a", Accepted("77")), under=grant(attempts=3))
    assert isinstance(receipt, Receipt)
    assert receipt.attempts == 4


async def test_nothing_is_submitted_that_could_outlive_the_lease() -> None:
    channel = ScriptedChannel("a", Accepted("77"))
    assert await submit(channel, under=grant(lease_s=0.04)) == NotNow(0)
    assert channel.submits == 0


async def test_a_message_that_no_channel_carries_is_rejected() -> None:
    channel = ScriptedChannel("a", Accepted("77"))
    channel.profile = Profile("a", countries=frozenset({"GB"}))
    receipt = await submit(channel)
    assert isinstance(receipt, Receipt)
    assert (receipt.state, receipt.final, receipt.code) == (State.REJECTED, True, "NO_CHANNEL")


async def test_every_submit_is_noted_for_health_and_told() -> None:
    notes = Notes("a", "b")
    channels = {"a": ScriptedChannel("a", ChannelFault("down")), "b": ScriptedChannel("b", Accepted("77"))}
    await Submit(channels, notes, CLOCK, notes, Random(2))(MESSAGE, grant())
    assert notes.heard == [("a", ChannelFault("down")), ("b", Accepted("77"))]
    assert [event.channel for event in notes.events if isinstance(event, Submitted)] == ["a", "b"]


async def test_a_throttled_submit_is_an_attempt_but_not_one_of_three_faults() -> None:
    channels = [ScriptedChannel(name, Throttled("slow down")) for name in "abcd"]
    assert await submit(*channels, ScriptedChannel("e", Accepted("77"))) != NotNow(3)
    assert [channel.submits for channel in channels] == [1] * 4


async def test_after_three_faulty_channels_the_message_waits() -> None:
    channels = [ScriptedChannel(name, ChannelFault("down")) for name in "abc"]
    fourth = ScriptedChannel("d", Accepted("77"))
    assert await submit(*channels, fourth) == NotNow(3)
    assert fourth.submits == 0


async def test_a_message_is_failed_only_by_the_word_of_every_channel_however_many() -> None:
    channels = [ScriptedChannel(name, REFUSED) for name in "abcde"]
    receipt = await submit(*channels)
    assert isinstance(receipt, Receipt)
    assert (receipt.state, receipt.attempts) == (State.FAILED, 5)
    notes = Notes(*"abcde")
    notes.closed = {"e"}
    assert await submit(*channels, notes=notes) == NotNow(4)


async def test_nothing_is_submitted_over_a_channel_that_is_not_ready_and_the_message_waits() -> None:
    channel = ScriptedChannel("a", Accepted("77"))
    channel.ready = False
    assert await submit(channel) == NotNow(0)
    assert channel.submits == 0


async def test_while_the_operator_has_every_channel_disabled_messages_wait_and_are_not_rejected() -> None:
    notes = Notes("a")
    notes.disabled = {"a"}
    assert await submit(ScriptedChannel("a", Accepted("77")), notes=notes) == NotNow(0)


async def test_a_probe_goes_first_with_a_permit_and_the_message_goes_on_where_it_fails() -> None:
    notes = Notes("a", "b")
    notes.probes = {"b"}
    first, probed = ScriptedChannel("a", Accepted("77")), ScriptedChannel("b", ChannelFault("down"))
    receipt = await submit(first, probed, notes=notes)
    assert isinstance(receipt, Receipt)
    assert (receipt.channel, probed.submits) == ("a", 1)
    await submit(first, probed, notes=notes)
    assert (first.submits, probed.submits) == (2, 1)


async def test_second_sends_stop_where_the_budget_is_spent_and_the_messages_wait() -> None:
    notes = Notes("a", "b")
    channels = {"a": ScriptedChannel("a", ChannelFault("down")), "b": ScriptedChannel("b", Accepted("77"))}
    use = Submit(channels, notes, CLOCK, notes, Random(2))
    results = [await use(MESSAGE, grant()) for _ in range(100)]
    second_sends = channels["b"].submits
    assert 50 <= second_sends <= 75
    assert sum(isinstance(result, NotNow) for result in results) == 100 - second_sends


async def test_a_channel_that_is_probed_by_another_worker_is_left_alone() -> None:
    notes = Notes("a")
    notes.probes, notes.permits = {"a"}, 0
    channel = ScriptedChannel("a", Accepted("77"))
    assert await submit(channel, notes=notes) == NotNow(0)
    assert channel.submits == 0


async def test_a_channel_is_used_at_the_rate_its_carrier_bears() -> None:
    notes = Notes("a")
    notes.bears = 35.0
    channel = ScriptedChannel("a", Accepted("77"))
    await submit(channel, notes=notes)
    assert channel.rates == [35.0]


async def test_a_message_sits_out_a_short_pause_of_its_only_channel() -> None:
    notes = Notes("a")
    notes.wait_s = 0.05
    began = CLOCK.monotonic()
    await submit(ScriptedChannel("a", Accepted("77")), notes=notes)
    assert CLOCK.monotonic() - began >= 0.05


async def test_a_pause_does_not_lengthen_a_lease() -> None:
    notes = Notes("a")
    notes.wait_s = 0.05
    channel = ScriptedChannel("a", Accepted("77"))
    assert await submit(channel, under=grant(lease_s=0.09), notes=notes) == NotNow(0)
    assert channel.submits == 0
