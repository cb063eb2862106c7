"""What only Redis knows: its own time, how long keys live, and calls that arrive again after their answer got lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import starmap
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import pytest
from redis.asyncio import Redis

from adapters.redis.connection import NEVER_US
from adapters.redis.ledger import BEGIN, RELEASE, RedisLedger, Standing
from adapters.redis.recall import RESTORE
from adapters.redis.scripts import Call
from adapters.redis.slot import Slot, entry, logs
from adapters.wire_receipts import encode_receipt
from engine.claims import Abandoned, Busy, Claim, Done, Granted, Limited
from engine.receipts import State
from tests.redis_setup import (
    NUMBER,
    Heard,
    OwnClock,
    OwnTimeConnection,
    charge,
    claim,
    connected,
    receipt,
    redis_prefix,
    rule,
    unpacked,
)

ONE_AN_HOUR = rule("1/1h", "3/1d")
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@dataclass
class Bench:
    ledger: RedisLedger
    redis: Redis
    prefix: str

    async def granted(self, wish: Claim) -> Granted:
        verdict = await self.ledger.begin(wish)
        assert isinstance(verdict, Granted)
        return verdict

    async def keys(self) -> list[str]:
        return sorted([key.decode() async for key in self.redis.scan_iter(f"{self.prefix}:*", count=5000)])

    async def ttl_ms(self, part: str) -> int:
        """What is left of the life of the one key with `part` in its name."""
        (key,) = [key for key in await self.keys() if part in key]
        return await self.redis.pttl(key)


@pytest.fixture
async def bench(redis_url: str) -> AsyncIterator[Bench]:
    async with (
        redis_prefix(redis_url) as prefix,
        connected(redis_url) as connection,
        Redis.from_url(redis_url) as redis,
    ):
        yield Bench(RedisLedger(connection, prefix), redis, prefix)


async def test_a_lease_ends_by_the_time_of_redis(bench: Bench) -> None:
    wish = claim(visibility_s=0.05)
    await bench.granted(wish)
    while isinstance(verdict := await bench.ledger.begin(wish), Busy):
        assert verdict.wait_s <= 0.05
        await asyncio.sleep(verdict.wait_s)
    assert verdict == Abandoned(0)


async def test_the_deadline_of_a_grant_counts_from_before_it_was_asked_for(bench: Bench) -> None:
    before = time.monotonic()
    grant = await bench.granted(claim())
    assert before + 30 - 0.002 <= grant.deadline <= time.monotonic() + 30


async def test_the_retry_time_is_a_window_after_the_charge(bench: Bench) -> None:
    before = datetime.now(UTC)
    await bench.granted(claim(charge(ONE_AN_HOUR)))
    verdict = await bench.ledger.begin(claim(charge(ONE_AN_HOUR)))
    assert isinstance(verdict, Limited)
    ahead = timedelta(minutes=1)  # of what the two clocks may differ by
    assert before - ahead <= verdict.retry_at - timedelta(hours=1) <= datetime.now(UTC) + ahead


async def test_all_of_a_number_is_in_one_slot_whatever_its_rules_are_called(bench: Bench) -> None:
    await bench.granted(claim(charge(ONE_AN_HOUR, "}{ \x00 ☃")))
    for key in await bench.keys():
        assert key.startswith(f"{bench.prefix}:{{{NUMBER}}}:")


async def test_keys_live_as_long_as_they_can_matter(bench: Bench) -> None:
    grant = await bench.granted(claim(charge(ONE_AN_HOUR)))
    assert 95 * HOUR_MS < await bench.ttl_ms(":j:") <= 96 * HOUR_MS
    assert DAY_MS < await bench.ttl_ms(":l") <= DAY_MS + 1000
    await bench.ledger.finish(grant, receipt(grant.claim.job))
    assert 95 * HOUR_MS < await bench.ttl_ms(":j:") <= 96 * HOUR_MS
    await bench.ledger.advance(NUMBER, receipt(grant.claim.job, State.DELIVERED))
    assert 23 * HOUR_MS < await bench.ttl_ms(":j:") <= 24 * HOUR_MS


async def test_a_denied_job_leaves_no_key(bench: Bench) -> None:
    await bench.granted(claim(charge(ONE_AN_HOUR)))
    before = await bench.keys()
    await bench.ledger.begin(claim(charge(ONE_AN_HOUR), charge(rule("9/1h", name="other"))))
    assert await bench.keys() == before


async def test_a_rule_of_no_number_leaves_nothing_without_an_end(bench: Bench) -> None:
    await bench.granted(claim(charge(rule("5/1h", "2000/1h", "5000/1d", key=("account",)))))
    keys = await bench.keys()
    assert len(keys) == 6  # the record, a log, and for each large window its buckets and a marker
    for key in keys:
        assert 0 < await bench.redis.pttl(key) <= 96 * HOUR_MS


def named(job: str | UUID) -> UUID:
    """The id of a job that a test calls so."""
    return job if isinstance(job, UUID) else uuid5(NAMESPACE_OID, job)


@dataclass
class Echoes:
    """The scripts of one job, sent by hand."""

    connection: OwnTimeConnection
    record: str
    logs: str

    async def begin(
        self, token: str, windows: str = "1/1m", job: str | UUID = "job", scope: str = ""
    ) -> list[bytes | int]:
        epoch, _ = (await self.connection.epoch()).value
        keys = [f"{self.record}:{job}", self.connection.epoch_key, self.logs]
        told = logs((charge(rule(*windows.split()), scope),))
        call = BEGIN(keys, [token, 30_000, epoch, NEVER_US, named(job).bytes, told, "", "", 0])
        return (await self.connection.ask(call)).value

    async def release(self, token: str) -> None:
        await self.connection.ask(RELEASE([f"{self.record}:job", self.logs], [token, 1, named("job").bytes]))

    async def restore(self, windows: str, charges: Sequence[tuple[UUID, int]]) -> None:
        told = logs((charge(rule(*windows.split())),))
        await self.connection.ask(RESTORE([self.logs], [told, b"".join(starmap(entry, charges))]))

    async def logged(self) -> list[dict[UUID, int]]:
        """The logs of the number."""
        return unpacked((await self.connection.ask(Call(("GET", self.logs)))).value or b"")


@pytest.fixture
async def clock() -> OwnClock:
    return OwnClock()


@pytest.fixture
async def echoes(redis_url: str, clock: OwnClock) -> AsyncIterator[Echoes]:
    async with redis_prefix(redis_url) as prefix, OwnTimeConnection(redis_url, clock, Heard()) as connection:
        yield Echoes(connection, f"{prefix}:j", f"{prefix}:l")


async def test_a_repeated_begin_is_the_same_grant_with_what_is_left_of_it(echoes: Echoes, clock: OwnClock) -> None:
    assert await echoes.begin("a") == [b"GRANTED", 1, 0, 30_000]
    clock.elapse(10)
    assert await echoes.begin("a") == [b"GRANTED", 1, 0, 20_000]
    assert await echoes.begin("b") == [b"BUSY", 20_000]


async def test_a_begin_that_was_not_answered_before_its_lease_ended_begins_afresh(
    echoes: Echoes, clock: OwnClock
) -> None:
    await echoes.begin("a")
    clock.elapse(31)
    assert await echoes.begin("a") == [b"GRANTED", 2, 0, 30_000]
    clock.elapse(31)  # the first charge has left the window by now, the second has not
    refused = await echoes.begin("b", job="other")
    assert refused == [b"LIMITED", 1, clock.us + 29_000_000]


async def test_a_begin_that_is_refused_when_it_begins_afresh_leaves_neither_lease_nor_charge(
    echoes: Echoes, clock: OwnClock
) -> None:
    await echoes.begin("a")
    clock.elapse(61)
    await echoes.begin("b", job="other")
    assert (await echoes.begin("a"))[0] == b"LIMITED"
    assert (await echoes.begin("c"))[0] == b"LIMITED"
    clock.elapse(60)
    assert (await echoes.begin("c"))[0] == b"GRANTED"


async def test_an_echo_of_a_begin_whose_grant_was_given_back_takes_nothing(echoes: Echoes) -> None:
    await echoes.begin("a")
    await echoes.release("a")
    assert await echoes.begin("a") == [b"BUSY", 0]
    assert await echoes.begin("b") == [b"GRANTED", 2, 1, 30_000]


async def test_an_echo_of_a_release_does_not_end_the_next_grant(echoes: Echoes) -> None:
    await echoes.begin("a")
    await echoes.release("a")
    await echoes.begin("b")
    await echoes.release("a")
    assert await echoes.begin("c") == [b"BUSY", 30_000]
    assert (await echoes.begin("d", job="other"))[0] == b"LIMITED"


async def test_a_log_keeps_no_more_than_its_longest_window_holds(echoes: Echoes, clock: OwnClock) -> None:
    for nth in range(20):
        assert (await echoes.begin("a", "1/1m 2/2m", job=f"job {nth}"))[0] == b"GRANTED"
        clock.elapse(60)
    assert [list(log) for log in await echoes.logged()] == [[named("job 18"), named("job 19")]]


async def test_charges_are_kept_to_the_microsecond(echoes: Echoes, clock: OwnClock) -> None:
    clock.us = 2**53 - 60_000_000 - 1
    await echoes.begin("a")
    assert await echoes.logged() == [{named("job"): clock.us}]
    assert await echoes.begin("b", job="other") == [b"LIMITED", 1, 2**53 - 1]


async def test_a_log_is_kept_as_long_as_it_matters_whatever_other_logs_the_number_has(
    echoes: Echoes, clock: OwnClock
) -> None:
    await echoes.begin("a", "1/1h", scope="long")
    await echoes.begin("b", "1/1m", job="other", scope="short")
    clock.elapse(61)
    await echoes.begin("c", "1/1m", job="third", scope="shorter")
    assert sorted(map(list, await echoes.logged())) == sorted([[named("job")], [named("third")]])
    life_ms = (await echoes.connection.ask(Call(("PTTL", echoes.logs)))).value
    assert 3_500_000 < life_ms <= 3_540_000
    assert (await echoes.begin("d", "1/1h", job="fourth", scope="long"))[0] == b"LIMITED"


async def test_what_looks_like_a_job_across_two_entries_is_none(echoes: Echoes, clock: OwnClock) -> None:
    first, second = uuid4(), uuid4()
    times = [clock.us - 2, clock.us - 1]
    straddling = (first.bytes + times[1].to_bytes(7) + second.bytes)[3:19]
    await echoes.restore("1/1m", [(first, times[0]), (second, times[1])])
    assert await echoes.begin("a", "3/1m", job=UUID(bytes=straddling)) == [b"GRANTED", 1, 0, 30_000]
    assert await echoes.begin("b", "3/1m", job="third") == [b"LIMITED", 1, times[0] + 60_000_000]


async def test_what_is_restored_is_put_in_order_and_what_is_there_stands(echoes: Echoes, clock: OwnClock) -> None:
    await echoes.begin("a", "3/1h")
    known = clock.us
    earlier, later = uuid4(), uuid4()
    for _ in range(2):
        await echoes.restore("3/1h", [(later, known + 5), (named("job"), known - 7), (earlier, known - 9)])
    assert await echoes.logged() == [{earlier: known - 9, named("job"): known, later: known + 5}]
    assert list((await echoes.logged())[0]) == [earlier, named("job"), later]


OLD_RECORD = """
redis.call('SET', KEYS[1], cmsgpack.pack({
  token = 'a', fence = 3, attempts = 2, rank = tonumber(ARGV[1]), taken = true, final = false, receipt = ARGV[2]
}))
"""


@pytest.mark.parametrize("state", [State.SUBMITTED, State.UNKNOWN])
async def test_records_of_earlier_versions_are_read(bench: Bench, state: State) -> None:
    told = receipt(uuid4(), state)
    key = Slot(bench.prefix, NUMBER).record(told.job)
    await bench.redis.eval(OLD_RECORD, 1, key, told.rank, encode_receipt(told))
    wish = claim(job=told.job)
    assert await bench.ledger.begin(wish) == Done(told)
    assert await bench.ledger.peek(NUMBER, told.job) == Standing(3, 2, None, told)
    if told.unresolved:
        assert (await bench.granted(wish._replace(despite=told.id))).fence == 4
    else:
        delivered = receipt(told.job, State.DELIVERED)
        assert await bench.ledger.advance(NUMBER, delivered) == delivered
        assert await bench.ledger.begin(wish) == Done(delivered)


async def test_a_lease_of_an_earlier_version_holds(bench: Bench) -> None:
    wish = claim()
    until = time.time_ns() // 1000 + 60_000_000
    lease = "redis.call('SET', KEYS[1], cmsgpack.pack({token='a', fence=1, attempts=0, lease_until=tonumber(ARGV[1])}))"
    await bench.redis.eval(lease, 1, Slot(bench.prefix, NUMBER).record(wish.job), until)
    assert isinstance(await bench.ledger.begin(wish), Busy)
