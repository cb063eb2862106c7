"""Redis forgets: nothing is granted before what it knew of a number is read again, so limits hold all the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from adapters.clock import SystemClock
from adapters.memory.message_store import MemoryMessageStore
from adapters.memory.replies import MemoryReplyStore
from adapters.redis.connection import Connection
from adapters.redis.correlator import RedisCorrelator
from adapters.redis.ledger import RedisLedger
from adapters.redis.opt_outs import RedisOptOuts
from adapters.redis.recall import Recall
from adapters.redis.slot import Slot
from engine.claims import Busy, Claim, Done, Granted, Limited, OptedOut, Verdict
from engine.events import MemoryLost
from engine.limits import Rule, Taken, charges_to
from engine.message import Category
from engine.opt_out import OptOut
from engine.receipts import Receipt, State
from tests.redis_setup import NUMBER, Heard, LastingRedis, receipt, rule
from tests.servers import PrivateRedis

ONE_AN_HOUR = rule("1/1h", name="one an hour")
RULES = (ONE_AN_HOUR,)


class Pause:
    """Stands for the recorder that has to catch up."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.over.set()
        self.asked = 0

    async def __call__(self) -> None:
        self.asked += 1
        await self.over.wait()


class Worker:
    """A ledger as a worker has it, and the store its recorder writes to."""

    def __init__(
        self,
        connection: Connection,
        store: MemoryMessageStore,
        heard: Heard,
        pause_s: float = 0.01,
        replies: MemoryReplyStore | None = None,
        rules: tuple[Rule, ...] = RULES,
    ) -> None:
        self.store, self.heard, self.caught_up, self.assigned = store, heard, Pause(), Pause()
        self.connection = connection
        self.replies = replies or MemoryReplyStore()
        self.opt_outs = RedisOptOuts(connection, "sms", self.replies, assigned=self.assigned)
        self.recall = Recall(
            connection,
            "sms",
            store,
            self.opt_outs,
            rules,
            SystemClock(),
            heard,
            pause_s=pause_s,
            caught_up=self.caught_up,
        )
        self.ledger = RedisLedger(connection, "sms", self.recall)

    async def begin(self, wish: Claim) -> Verdict:
        return await self.ledger.begin(wish)

    async def sent(self, wish: Claim, **fields: object) -> Receipt:
        """The claim, carried through until the recorder has stored it."""
        grant = await self.begin(wish)
        assert isinstance(grant, Granted)
        standing = await self.ledger.finish(grant, submitted(wish, **fields))
        assert standing
        await self.store.merge([standing])
        return standing


def job_for(number: str = NUMBER, rules: tuple[Rule, ...] = RULES, account: str = "default") -> Claim:
    return Claim(uuid4(), number, charges_to(rules, Category.OTP, account, None, None), 30.0)


def submitted(wish: Claim, **fields: object) -> Receipt:
    return receipt(wish.job, to=wish.recipient, submitted_at=SystemClock().now(), **fields)


@asynccontextmanager
async def working(
    url: str, store: MemoryMessageStore | None = None, rules: tuple[Rule, ...] = RULES
) -> AsyncIterator[Worker]:
    heard = Heard()
    async with Connection(url, SystemClock(), heard) as connection:
        yield Worker(connection, store or MemoryMessageStore(), heard, rules=rules)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    with PrivateRedis() as server:
        async with working(server.url) as worker:
            yield worker


def restart(server: PrivateRedis) -> None:
    server.kill()
    server.start()


async def flush(url: str) -> None:
    async with Redis.from_url(url) as admin:
        await admin.flushall()


@pytest.fixture(params=["wiped", "started anew"])
async def forgetting(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """A Redis and a way to make it forget."""
    with PrivateRedis() as server:
        if request.param == "wiped":
            yield server.url, lambda: asyncio.run(flush(server.url))
        else:
            yield server.url, lambda: restart(server)


async def test_nothing_is_granted_after_a_loss_until_every_submit_under_way_has_ended(
    forgetting: tuple[str, Callable[[], None]],
) -> None:
    url, forget = forgetting
    heard, pause_s = Heard(), 1.0
    async with Connection(url, SystemClock(), heard) as connection:
        worker = Worker(connection, MemoryMessageStore(), heard, pause_s)
        await worker.sent(job_for())
        await asyncio.to_thread(forget)
        lost_at = time.monotonic()
        assert isinstance(await worker.begin(job_for("+8613900000000")), Granted)
        assert time.monotonic() - lost_at > 0.9 * pause_s


async def test_after_a_loss_one_worker_is_told_once_to_put_the_links_back(
    forgetting: tuple[str, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.redis.correlator.LOOK_EVERY_S", 0.02)
    monkeypatch.setattr("adapters.redis.recall.LOOK_EVERY_S", 0.02)
    url, forget = forgetting
    store = MemoryMessageStore()
    async with working(url, store) as one, working(url, store) as other, AsyncExitStack() as stack:
        correlators = []
        for worker in (one, other):
            await worker.recall.open()
            stack.push_async_callback(worker.recall.close)
            correlators.append(RedisCorrelator(worker.connection, "sms", worker.recall))
        while not (one.recall.known and other.recall.known):
            await asyncio.sleep(0.01)
        told = {asyncio.create_task(each.forgotten()): each for each in correlators}
        await asyncio.sleep(0.2)
        assert not [task for task in told if task.done()], "nothing was lost yet"
        await one.sent(job_for())
        await asyncio.to_thread(forget)
        done, waiting = await asyncio.wait(told, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.2)
        assert [task.done() for task in waiting] == [False]
        await told[done.pop()].relinked()
        await asyncio.sleep(0.2)
        assert [task.done() for task in waiting] == [False]
        for task in waiting:
            task.cancel()


async def test_a_limit_holds_over_a_loss(forgetting: tuple[str, Callable[[], None]]) -> None:
    url, forget = forgetting
    async with working(url) as worker:
        await worker.sent(job_for())
        await asyncio.to_thread(forget)
        assert isinstance(await worker.begin(job_for()), Limited)
        assert isinstance(await worker.begin(job_for("+8613900000000")), Granted)
        assert worker.heard.count(MemoryLost("redis")) == 1


async def test_a_restart_is_a_loss_although_nearly_everything_is_still_there() -> None:
    with LastingRedis() as server:
        async with working(server.url) as worker:
            await worker.sent(job_for())
            await asyncio.to_thread(restart, server)
            async with Redis.from_url(server.url) as admin:
                assert await admin.exists(worker.connection.epoch_key)
                await admin.delete(Slot("sms", NUMBER).logs)  # what had not reached the disk
            assert isinstance(await worker.begin(job_for()), Limited)


async def test_a_job_that_was_done_before_a_loss_is_not_done_again(forgetting: tuple[str, Callable[[], None]]) -> None:
    url, forget = forgetting
    async with working(url) as worker:
        wish = job_for()
        standing = await worker.sent(wish)
        await asyncio.to_thread(forget)
        assert await worker.begin(wish) == Done(standing)


async def test_each_of_several_workers_restores_what_it_asks_for(forgetting: tuple[str, Callable[[], None]]) -> None:
    url, forget = forgetting
    async with working(url) as one, working(url, one.store) as other:
        await one.sent(job_for())
        await other.sent(job_for("+8613900000000"))
        await asyncio.to_thread(forget)
        verdicts = await asyncio.gather(other.begin(job_for()), one.begin(job_for("+8613900000000")))
        assert all(isinstance(verdict, Limited) for verdict in verdicts)


async def test_a_worker_that_starts_after_a_loss_restores_too(forgetting: tuple[str, Callable[[], None]]) -> None:
    url, forget = forgetting
    store = MemoryMessageStore()
    async with working(url, store) as before:
        await before.sent(job_for())
    await asyncio.to_thread(forget)
    async with working(url, store) as after:
        assert isinstance(await after.begin(job_for()), Limited)


async def test_nothing_is_granted_after_a_loss_until_the_recorder_has_caught_up(worker: Worker) -> None:
    wish = job_for()
    grant = await worker.begin(wish)
    assert isinstance(grant, Granted)
    worker.caught_up.over.clear()
    await flush(worker_url(worker))
    asked = [asyncio.create_task(worker.begin(job_for(number))) for number in (NUMBER, "+8613900000000")]
    while not worker.caught_up.asked:
        await asyncio.sleep(0.01)
    await worker.store.merge([submitted(wish)])
    assert not any(task.done() for task in asked)
    worker.caught_up.over.set()
    assert isinstance(await asked[0], Limited)
    assert isinstance(await asked[1], Granted)


async def test_what_was_under_way_during_a_loss_is_charged_when_it_ends(worker: Worker) -> None:
    wish = job_for()
    grant = await worker.begin(wish)
    assert isinstance(grant, Granted)
    await flush(worker_url(worker))
    assert await worker.ledger.finish(grant, submitted(wish)) is not None
    assert isinstance(await worker.begin(job_for()), Limited)


async def test_what_no_carrier_took_is_not_restored(worker: Worker) -> None:
    wish = job_for()
    await worker.store.merge([submitted(wish, state=State.FAILED)])
    await worker.sent(job_for("+8613900000000"))
    await flush(worker_url(worker))
    assert isinstance(await worker.begin(job_for()), Granted)
    assert isinstance(await worker.begin(wish), Done)


async def test_what_has_left_the_window_is_no_hindrance(worker: Worker) -> None:
    standing = await worker.sent(job_for())
    an_hour_ago = standing.at - timedelta(hours=1, seconds=1)
    await worker.store.merge([standing._replace(submitted_at=an_hour_ago, state=State.DELIVERED, final=True)])
    await flush(worker_url(worker))
    assert isinstance(await worker.begin(job_for()), Granted)


async def test_the_first_memory_of_an_installation_needs_neither_pause_nor_history(worker: Worker) -> None:
    await worker.sent(job_for())
    assert not worker.recall.cold
    assert not worker.caught_up.asked
    assert worker.heard == []


async def test_scripts_forgotten_by_a_redis_that_runs_on_are_no_loss(worker: Worker) -> None:
    await worker.sent(job_for())
    async with Redis.from_url(worker_url(worker)) as admin:
        await admin.script_flush()
    assert isinstance(await worker.begin(job_for()), Limited)
    assert worker.heard == []


async def test_a_clock_that_leaps_ahead_stops_grants_until_it_is_right(worker: Worker) -> None:
    await worker.sent(job_for())
    await worker.connection.wait_for_clock()
    drift = worker.connection._drift
    assert drift._offset_s is not None
    drift._offset_s -= 3600  # seen from us Redis's clock is an hour ahead now
    asked = asyncio.create_task(worker.begin(job_for("+8613900000000")))
    while not worker.connection.clock_outage.away:
        await asyncio.sleep(0.01)
    assert not asked.done()
    drift._offset_s += 3600
    assert isinstance(await asked, Granted)
    assert not worker.connection.clock_outage.away


@pytest.fixture(params=["in a log", "in buckets"])
def quota(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Rule, ...]:
    """Three a day to all numbers of an account together, counted in either way."""
    if request.param == "in buckets":
        monkeypatch.setattr("adapters.redis.wide_counts.MAX_LOGGED", 2)
    return (rule("3/24h", key=("account",), name="quota"),)


def jobs_of(rules: tuple[Rule, ...], count: int = 4, account: str = "default") -> list[Claim]:
    return [job_for(f"+86138{n:08}", rules, account) for n in range(count)]


async def test_a_quota_of_all_numbers_together_holds_over_a_loss(
    forgetting: tuple[str, Callable[[], None]], quota: tuple[Rule, ...]
) -> None:
    url, forget = forgetting
    async with working(url, rules=quota) as worker:
        for nth, wish in enumerate(jobs_of(quota, 3)):
            await worker.sent(wish, signature=f"S{nth}")
        await asyncio.to_thread(forget)
        assert isinstance(await worker.begin(job_for(NUMBER, quota)), Limited)
        assert isinstance(await worker.begin(job_for(NUMBER, quota, "another")), Granted)


async def test_what_a_restart_did_not_forget_counts_once(quota: tuple[Rule, ...]) -> None:
    with LastingRedis() as server:
        async with working(server.url, rules=quota) as worker:
            for wish in jobs_of(quota, 2):
                await worker.sent(wish)
            await asyncio.to_thread(restart, server)
            assert isinstance(await worker.begin(job_for(NUMBER, quota)), Granted)
            assert isinstance(await worker.begin(job_for("+8613900000000", quota)), Limited)


async def test_several_workers_put_a_quota_back_and_none_forgets_what_another_granted_since(
    forgetting: tuple[str, Callable[[], None]], quota: tuple[Rule, ...]
) -> None:
    url, forget = forgetting
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(working(url, rules=quota))
        others = [await stack.enter_async_context(working(url, one.store, quota)) for _ in range(3)]
        await one.sent(jobs_of(quota, 1)[0])
        for other in others:
            assert isinstance(await other.begin(job_for(NUMBER, quota, "another")), Granted)
        await asyncio.to_thread(forget)
        workers = [one, *others]
        verdicts = await asyncio.gather(
            *(worker.begin(wish) for worker in workers for wish in jobs_of(quota, 2, "default"))
        )
        assert len([verdict for verdict in verdicts if isinstance(verdict, Granted)]) == 2


class SlowStore(MemoryMessageStore):
    """Answers what carriers took only when it is told to."""

    def __init__(self, known: MemoryMessageStore) -> None:
        super().__init__()
        self._standing = known._standing
        self.asked, self.answer = asyncio.Event(), asyncio.Event()

    async def taken(self, *asked: Any) -> Sequence[Taken]:
        known = await super().taken(*asked)
        self.asked.set()
        await self.answer.wait()
        return known


@pytest.fixture
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who puts a quota back and is slow is soon helped out."""
    monkeypatch.setattr("adapters.redis.wide_recall.TURN_S", 1)


@dataclass
class Restoring:
    """A worker that puts a quota back, of which one is used, and waits for its store; and another worker."""

    worker: Worker
    other: Worker
    waiting: asyncio.Task[Verdict]  #: for a job that counts to the quota
    go_on: asyncio.Event


@pytest.fixture
async def restoring(worker_with_quota: Worker, quota: tuple[Rule, ...]) -> AsyncIterator[Restoring]:
    await worker_with_quota.sent(jobs_of(quota, 1)[0])
    slow, url = SlowStore(worker_with_quota.store), worker_url(worker_with_quota)
    async with working(url, slow, quota) as worker:
        await flush(url)
        waiting = asyncio.create_task(worker.begin(job_for(NUMBER, quota)))
        await slow.asked.wait()
        yield Restoring(worker, worker_with_quota, waiting, slow.answer)


async def test_who_is_late_with_putting_a_quota_back_does_not_undo_what_was_granted_meanwhile(
    short_turns: None, restoring: Restoring, quota: tuple[Rule, ...]
) -> None:
    for wish in jobs_of(quota, 2):
        assert isinstance(await restoring.other.begin(wish), Granted)
    restoring.go_on.set()
    assert isinstance(await restoring.waiting, Limited)


async def test_what_counts_to_no_quota_does_not_wait_until_one_is_back(restoring: Restoring) -> None:
    assert isinstance(await restoring.worker.begin(job_for("+8613900000000", rules=())), Granted)
    assert not restoring.waiting.done()
    restoring.go_on.set()
    assert isinstance(await restoring.waiting, Granted)


async def test_of_a_quota_what_no_carrier_took_and_what_left_its_window_is_not_put_back(
    worker_with_quota: Worker, quota: tuple[Rule, ...]
) -> None:
    worker, (refused, left, *others) = worker_with_quota, jobs_of(quota)
    await worker.store.merge([submitted(refused, state=State.FAILED)])
    standing = await worker.sent(left)
    long_ago = standing.at - timedelta(hours=25)
    await worker.store.merge([standing._replace(submitted_at=long_ago, state=State.DELIVERED, final=True)])
    await flush(worker_url(worker))
    fresh = job_for("+8613900000000", quota)
    assert [type(await worker.begin(wish)) for wish in (*others, fresh)] == [Granted] * 3
    assert isinstance(await worker.begin(job_for("+8613700000000", quota)), Limited)


@pytest.fixture
async def worker_with_quota(quota: tuple[Rule, ...]) -> AsyncIterator[Worker]:
    with PrivateRedis() as server:
        async with working(server.url, rules=quota) as worker:
            yield worker


def promotion(number: str = NUMBER) -> Claim:
    return job_for(number)._replace(promotes="default")


async def test_after_a_loss_all_opt_outs_are_back_before_anything_is_granted(
    forgetting: tuple[str, Callable[[], None]],
) -> None:
    url, forget = forgetting
    async with working(url) as worker:
        await worker.sent(job_for("+8613900000000"))
        await worker.replies.note([OptOut(NUMBER, "default", SystemClock().now())])
        await asyncio.to_thread(forget)
        assert await worker.begin(promotion()) == OptedOut()
        assert isinstance(await worker.begin(promotion("+8613700000000")), Granted)


async def test_opt_outs_are_put_back_only_once_what_arrived_is_assigned(worker: Worker) -> None:
    await worker.sent(job_for("+8613900000000"))
    worker.assigned.over.clear()
    await flush(worker_url(worker))
    asked = asyncio.create_task(worker.begin(promotion()))
    while not worker.assigned.asked:
        assert not asked.done()
        await asyncio.sleep(0.01)
    await worker.replies.note([OptOut(NUMBER, "default", SystemClock().now())])
    worker.assigned.over.set()
    assert await asked == OptedOut()


async def test_a_memory_older_than_any_window_gets_its_opt_outs_too(worker: Worker) -> None:
    await worker.connection.epoch()
    await worker.replies.note([OptOut(NUMBER, "default", SystemClock().now())])
    worker.recall._kept_s = 0  # as if it had been named long ago, by a worker that died at once
    assert await worker.begin(promotion()) == OptedOut()


async def test_many_opt_outs_come_back_page_by_page(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.redis.opt_outs.PAGE", 7)
    numbers = [f"+86138{n:08}" for n in range(30)]
    for number in numbers:
        await worker.replies.note([OptOut(number, "default", SystemClock().now())])
    await worker.sent(job_for("+8613900000000"))
    await flush(worker_url(worker))
    assert set(await asyncio.gather(*(worker.begin(promotion(number)) for number in numbers))) == {OptedOut()}


async def test_what_is_held_is_held_again_where_redis_forgot_while_the_message_was_saved(worker: Worker) -> None:
    await worker.sent(job_for("+8613900000000"))
    message, saved = uuid4(), 0

    async def save() -> None:
        nonlocal saved
        saved += 1
        if saved == 1:
            await flush(worker_url(worker))

    await worker.opt_outs.hold(NUMBER, message, save)
    assert saved == 2
    assert isinstance(await worker.begin(promotion()), Busy)
    await worker.opt_outs.settle(NUMBER, [], message)
    assert isinstance(await worker.begin(promotion()), Granted)


def worker_url(worker: Worker) -> str:
    options = worker.connection._pool.connection_kwargs
    return f"redis://{options['host']}:{options['port']}/0"
