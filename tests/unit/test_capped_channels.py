"""Messages that wait for a channel with a rate cap: they hold up neither codes nor messages for other channels."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from math import inf
from random import Random
from typing import Any

import pytest

from adapters.carriers.place import Places
from adapters.clock import SystemClock
from adapters.memory.health_board import MemoryHealthBoard
from adapters.memory.rate_cap import MemoryRateCap
from engine.claims import Claim, Granted
from engine.events import Event
from engine.message import Category, Job, Message, Recipient
from engine.outcomes import Accepted, Outcome
from engine.receipts import Receipt
from engine.routing import Profile
from engine.submit import PATIENCE_S, NotNow, Submit
from engine.terms import Terms
from engine.turns import Pace
from tests.carriers import message
from tests.fleet import Numbers

CLOCK = SystemClock()
OTP, _, PROMOTION = Category
LEASE_S = 3600


class Way:
    """A channel whose carrier takes everything; what it took, when, and how long places were waited for, is kept."""

    def __init__(self, profile: Profile, places: Places) -> None:
        self.profile = profile
        self.ready = True
        self.sent: list[tuple[float, Message]] = []
        self.patience_s: list[float] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self._places = places

    @property
    def load(self) -> float:
        return self._places.load

    def place(self, message: Message, within_s: float, rate: float = inf) -> AbstractAsyncContextManager[bool]:
        self.patience_s.append(within_s)
        return self._places.place(message, within_s, rate)

    async def submit(self, message: Message) -> Outcome:
        self.sent.append((CLOCK.monotonic(), message))
        await self.answers.wait()
        return Accepted(str(len(self.sent)))


class Silence:
    def emit(self, event: Event) -> None: ...


def to(country: str, category: Category = PROMOTION) -> Message:
    made = message()
    return made._replace(recipient=Recipient(made.recipient.number, country), category=category)


def way(name: str, country: str, rate: float | None, cap: MemoryRateCap, window: int = 50) -> Way:
    return Way(Profile(name, countries=frozenset({country}), timeout_s=1.0), Places(name, window, rate, cap))


def submit(*ways: Way, may_wait: dict[Category, int] | None = None, rng: Random | None = None) -> Submit:
    channels = {way.profile.name: way for way in ways}
    board = MemoryHealthBoard([Terms(way.profile) for way in ways], Numbers(), CLOCK, Silence(), rng or Random())
    return Submit(channels, board, CLOCK, Silence(), rng or Random(), may_wait or {})  # type: ignore[arg-type]


def grant(job: Job) -> Granted:
    return Granted(Claim(job.id, job.to, (), LEASE_S), "token", 1, 0, CLOCK.monotonic() + LEASE_S)


async def cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def pool(use: Submit, messages: Iterable[Message], consumers: int) -> None:
    """So many consumers work messages off in their order, as `engine.worker.Worker` does."""
    queue = iter(messages)

    async def consume() -> None:
        for each in queue:
            await use(each, grant(each.job))

    await asyncio.gather(*(consume() for _ in range(consumers)))


async def test_promotions_that_wait_for_a_capped_channel_do_not_keep_those_for_another_from_being_sent() -> None:
    cap = MemoryRateCap(CLOCK)
    slow, free = way("slow", "GB", 0.001, cap), way("free", "CN", None, cap)
    backlog = [*(to("GB") for _ in range(300)), *(to("CN") for _ in range(50))]
    working = asyncio.create_task(pool(submit(slow, free, may_wait={PROMOTION: 5}), backlog, consumers=10))
    async with asyncio.timeout(20):  # the first of those who wait would have its turn in a quarter of an hour
        while len(free.sent) < 50:
            await asyncio.sleep(0.005)
    assert not working.done()
    await cancelled(working)


async def test_with_nobody_else_to_hold_up_all_may_wait_and_go_at_the_rate() -> None:
    slow = way("slow", "GB", 100.0, MemoryRateCap(CLOCK))
    began = CLOCK.monotonic()
    await pool(submit(slow), [to("GB") for _ in range(60)], consumers=20)
    assert len(slow.sent) == 60
    assert slow.sent[-1][0] - began >= 0.58


async def test_a_code_goes_before_all_promotions_that_wait_for_the_same_channel_but_the_next_few() -> None:
    slow = way("slow", "GB", 20.0, MemoryRateCap(CLOCK), window=2)
    use = submit(slow)
    waiting = [asyncio.create_task(use(each, grant(each.job))) for each in (to("GB") for _ in range(200))]
    while len(slow.sent) < 4:
        await asyncio.sleep(0.005)
    before, code = len(slow.sent), to("GB", OTP)
    assert isinstance(await use(code, grant(code.job)), Receipt)
    # Those that hold the two places, and those that have reserved a turn within a tenth of a second.
    assert [each.category for _, each in slow.sent].index(OTP) - before <= 2 + 3
    await cancelled(*waiting)


async def test_a_promotion_that_cannot_have_a_turn_in_time_knows_it_at_once() -> None:
    cap = MemoryRateCap(CLOCK)
    slow, other = way("slow", "GB", 1.0, cap), way("other", "GB", 1.0, cap)
    for name in ("slow", "other"):
        await cap.reserve(name, Pace(1.0), 2 * LEASE_S, OTP, 0.0)
    each = to("GB")
    async with asyncio.timeout(20):
        assert await submit(slow, other)(each, grant(each.job)) == NotNow(0)
    assert slow.sent == other.sent == []


async def test_a_full_waiting_room_is_no_attempt_and_empties_when_the_waiting_is_over() -> None:
    slow = way("slow", "GB", 10.0, MemoryRateCap(CLOCK))
    use = submit(slow, may_wait={PROMOTION: 3})
    all_at_once = [to("GB") for _ in range(10)]
    results = await asyncio.gather(*(use(each, grant(each.job)) for each in all_at_once))
    assert results.count(NotNow(0)) == 10 - len(slow.sent) > 0
    again = to("GB")
    assert isinstance(await use(again, grant(again.job)), Receipt)


async def test_the_waiting_room_of_a_category_is_its_own() -> None:
    slow = way("slow", "GB", 10.0, MemoryRateCap(CLOCK))
    use = submit(slow, may_wait={PROMOTION: 1, OTP: 1})
    promotions = [asyncio.create_task(use(each, grant(each.job))) for each in (to("GB") for _ in range(5))]
    await asyncio.sleep(0)
    code = to("GB", OTP)
    assert isinstance(await use(code, grant(code.job)), Receipt)
    await asyncio.gather(*promotions)


async def test_waiting_that_is_cancelled_leaves_the_waiting_room() -> None:
    slow = way("slow", "GB", 0.5, MemoryRateCap(CLOCK))
    use = submit(slow, may_wait={PROMOTION: 1})
    first, second = to("GB"), to("GB")
    await use(first, grant(first.job))
    waiting = asyncio.create_task(use(second, grant(second.job)))
    await asyncio.sleep(0.01)
    await cancelled(waiting)
    assert use._waiting["slow", PROMOTION] == 0


async def test_what_is_under_way_does_not_wait() -> None:
    wide = way("wide", "GB", None, MemoryRateCap(CLOCK), window=5)
    wide.answers.clear()
    use = submit(wide, may_wait={PROMOTION: 1})
    under_way = [asyncio.create_task(use(each, grant(each.job))) for each in (to("GB") for _ in range(5))]
    while len(wide.sent) < 5:
        await asyncio.sleep(0)
        assert not any(task.done() for task in under_way)
    wide.answers.set()
    await asyncio.gather(*under_way)


@pytest.mark.parametrize("seed", range(10))  # whichever channel is drawn first
async def test_patience_is_short_only_where_another_channel_is_left_that_might_have_room(seed: int) -> None:
    cap = MemoryRateCap(CLOCK)
    ways = [way(name, "GB", 0.001, cap) for name in "ab"]
    for each in ways:
        await cap.reserve(each.profile.name, Pace(0.001), 1, OTP, 0.0)
    use = submit(*ways, may_wait={PROMOTION: 1}, rng=Random(seed))
    tasks = []
    for made in (to("GB"), to("GB"), to("GB")):
        tasks.append(asyncio.create_task(use(made, grant(made.job))))
        await asyncio.sleep(0.01)
    # The first waits for the channel it tried last, the second for the other one; for the third there is none.
    assert [task.done() for task in tasks] == [False, False, True]
    assert tasks[2].result() == NotNow(0)
    short, *long = sorted(patience for each in ways for patience in each.patience_s)
    assert short <= PATIENCE_S
    assert min(long) > 100 * PATIENCE_S
    await cancelled(*tasks)
