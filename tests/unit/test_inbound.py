"""An inbound message from the channel to its account, over memory and a clock of our own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.memory.message_store import MemoryMessageStore
from adapters.memory.replies import MemoryOptOuts, MemoryReplyStore
from engine.assign_inbound import AssignInbound
from engine.events import Event, InboundAssigned
from engine.inbound import InboundMessage, holdable
from engine.message import Category, Recipient
from engine.opt_out import keywords
from engine.receipts import Receipt, State
from engine.replies import Reply
from engine.take_inbound import TakeInbound

NUMBER = "+8613800000000"
WORDS = keywords(["TD"], ["START"])


@dataclass
class World:
    """Both halves of the way, with a queue between them that is worked off when told."""

    at: datetime = datetime(2026, 11, 25, 10, tzinfo=UTC)
    waiting: list[InboundMessage] = field(default_factory=list)
    published: list[Reply] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    late: list[Receipt] = field(default_factory=list)  #: published, but not recorded before somebody waits for it

    def __post_init__(self) -> None:
        self.messages, self.replies, self.opt_outs = MemoryMessageStore(), MemoryReplyStore(), MemoryOptOuts()
        self.take = TakeInbound(self, self.opt_outs, self, WORDS)
        self.assign = AssignInbound(
            messages=self.messages,
            store=self.replies,
            opt_outs=self.opt_outs,
            publisher=self,
            numbers=self,
            clock=self,
            telemetry=self,
            keywords=WORDS,
            caught_up=self.record,
            otherwise="front desk",
        )

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        raise NotImplementedError

    def read(self, to: str) -> Recipient | None:
        return Recipient(to, "CN") if to.startswith("+") else None

    def emit(self, event: Event) -> None:
        self.events.append(event)

    async def put(self, message: InboundMessage) -> None:
        self.waiting.append(message)

    async def publish(self, reply: Reply) -> None:
        self.published.append(reply)

    async def record(self) -> None:
        await self.messages.merge(self.late)

    def sent(self, account: str = "shop", **fields: Any) -> Receipt:
        facts: dict[str, Any] = {"category": Category.PROMOTION, "state": State.SUBMITTED, "final": False}
        facts |= {"channel": "alpha", "submitted_at": self.at, "at": self.at, "enqueued_at": self.at}
        return Receipt(job=uuid4(), account=account, to=NUMBER, **(facts | fields))

    def message(
        self, text: str = "TD", minutes: int = 1, carrier_id: str | None = None, **fields: Any
    ) -> InboundMessage:
        at = self.at + timedelta(minutes=minutes)
        return replace(InboundMessage("alpha", NUMBER, "1069", text, at, carrier_id), **fields)

    async def hear(self, *messages: InboundMessage) -> list[Reply]:
        """Messages all the way through; what was published for them."""
        for message in messages:
            await self.take(message)
        waiting, self.waiting, self.published = self.waiting, [], []
        await self.assign(waiting)
        return self.published

    def out(self, account: str = "shop") -> bool:
        return self.opt_outs.opted_out(NUMBER, account)


async def test_a_message_is_safe_and_an_opt_out_takes_effect_before_its_carrier_is_answered() -> None:
    world = World()
    held: list[bool] = []
    world.put = lambda message: _note(held, world.opt_outs.held(NUMBER))  # type: ignore[method-assign]
    world.take = TakeInbound(world, world.opt_outs, world, WORDS)
    await world.take(world.message("TD"))
    assert held == [True]
    assert world.opt_outs.held(NUMBER)


async def _note(held: list[bool], now: bool) -> None:
    held.append(now)


async def test_what_is_no_opt_out_holds_nothing_up() -> None:
    world = World()
    await world.take(world.message("hello"))
    await world.take(world.message("START"))
    await world.take(world.message("TD", sender="10086"))
    assert len(world.waiting) == 3
    assert not world.opt_outs.held(NUMBER)


async def test_a_message_that_cannot_be_saved_is_not_taken() -> None:
    world = World()

    async def fail(message: InboundMessage) -> None:
        raise ConnectionError

    world.put = fail  # type: ignore[method-assign]
    for text in ("TD", "hello"):
        with pytest.raises(ConnectionError):
            await world.take(world.message(text))


async def test_a_reply_is_published_with_the_job_it_answers_and_told_of() -> None:
    world = World()
    await world.messages.merge([about := world.sent(ref="r1")])
    (reply,) = await world.hear(world.message("hello", carrier_id="m1"))
    assert (reply.account, reply.job, reply.ref, reply.sender) == ("shop", about.job, "r1", NUMBER)
    assert world.events == [InboundAssigned(reply.id, "alpha", about.job, None)]


async def test_an_opt_out_is_known_to_the_ledger_and_no_longer_held_once_it_is_assigned() -> None:
    world = World()
    await world.messages.merge([world.sent()])
    await world.hear(world.message("TD"))
    assert world.out()
    assert not world.out("bank")
    assert not world.opt_outs.held(NUMBER)
    await world.hear(world.message("START", minutes=2))
    assert not world.out()


async def test_who_means_nobody_we_know_is_out_for_all_and_heard_by_the_account_for_that() -> None:
    world = World()
    (reply,) = await world.hear(world.message("TD"))
    assert (reply.account, reply.job) == ("front desk", None)
    assert world.out("shop")
    assert world.out("bank")


async def test_a_message_whose_job_is_not_recorded_yet_waits_for_the_recorder() -> None:
    world = World()
    world.late.append(about := world.sent())
    (reply,) = await world.hear(world.message("hello"))
    assert reply.job == about.job


async def test_a_recorder_that_never_catches_up_does_not_keep_a_message_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.assign_inbound.CATCH_UP_S", 0.01)
    world = World()

    async def never() -> None:
        await asyncio.get_running_loop().create_future()

    world.assign = replace(world.assign, caught_up=never)
    assert len(await world.hear(world.message("hello"))) == 1


async def test_a_number_that_cannot_exist_is_passed_on_as_it_came() -> None:
    world = World()
    (reply,) = await world.hear(world.message("TD", sender="10086"))
    assert (reply.sender, reply.account) == ("10086", "front desk")


async def test_a_repeat_that_comes_late_changes_nothing() -> None:
    world = World()
    await world.messages.merge([world.sent()])
    (first,) = await world.hear(world.message("TD", carrier_id="m1"))
    await world.hear(world.message("START", minutes=2, carrier_id="m2"))
    (again,) = await world.hear(world.message("TD", minutes=3, carrier_id="m1"))
    assert again == first
    assert not world.out()


async def test_without_an_id_a_repeated_opt_out_counts_anew_and_a_repeated_opt_in_does_not() -> None:
    world = World()
    await world.messages.merge([world.sent()])
    words = [world.message(text, minutes) for minutes, text in enumerate(["TD", "START", "TD", "START"], 1)]
    assert words[0].id == words[2].id
    await world.hear(*words[:3])
    assert world.out()
    await world.hear(words[3])
    assert world.out()


async def test_words_count_by_their_times_in_whatever_order_they_are_assigned() -> None:
    world = World()
    await world.messages.merge([world.sent()])
    await world.hear(world.message("START", minutes=2, carrier_id="m2"))
    await world.hear(
        world.message("TD", minutes=3, carrier_id="m3"), world.message("START", minutes=1, carrier_id="m1")
    )
    assert world.out()


async def test_a_batch_is_published_in_the_order_it_came() -> None:
    world = World()
    texts = [str(n) for n in range(50)]
    replies = await world.hear(*(world.message(text) for text in texts))
    assert [reply.text for reply in replies] == texts


async def test_what_was_assigned_but_not_published_comes_again_the_same() -> None:
    world = World()
    await world.messages.merge([world.sent()])
    message = holdable(world.message("TD", carrier_id="m1"))

    async def fail(reply: Reply) -> None:
        raise ConnectionError

    publish, world.publish = world.publish, fail  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        await world.assign([message])
    world.publish = publish  # type: ignore[method-assign]
    await world.messages.merge([world.sent("bank", at=world.at + timedelta(seconds=30))])
    await world.assign([message])
    assert [reply.account for reply in world.published] == ["shop"]
    assert world.out()
    assert not world.out("bank")


async def test_hostile_text_goes_all_the_way() -> None:
    world = World()
    hostile = "\x00\ud800" * 30_000
    (reply,) = await world.hear(world.message(hostile, to=hostile, carrier_id=hostile))
    assert set(reply.text) == {"\ufffd"}
    assert isinstance(reply.id, UUID)
    assert world.events[-1] == InboundAssigned(reply.id, "alpha", None, None)
