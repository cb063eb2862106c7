"""The record as it lies in PostgreSQL: rows of `messages` and `receipts`."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.postgres.store import PostgresMessageStore
from adapters.wire_receipts import decode_receipts
from engine.events import DeadLettered, ServerAway
from engine.receipts import State
from tests.integration.postgres_database import (
    EVERY_FIELD,
    ClockAt,
    Listener,
    job_made_at,
    new_database,
    now,
    receipt,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from uuid import UUID

    from engine.receipts import Receipt


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    with new_database(postgres_url, ready=True) as dsn:
        yield dsn


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def clock() -> ClockAt:
    return ClockAt(now())


@pytest.fixture
async def store(database: str, clock: ClockAt, listener: Listener) -> AsyncIterator[PostgresMessageStore]:
    async with PostgresMessageStore(database, clock, listener) as store:
        yield store


async def messages_of(connection: asyncpg.Connection, job: UUID) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch("select * from messages where job = $1", job)]


async def receipts_of(connection: asyncpg.Connection, job: UUID) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch("select * from receipts where job = $1", job)]


async def test_a_message_has_one_row_with_all_the_contract_names(
    store: PostgresMessageStore, connection: asyncpg.Connection
) -> None:
    stands = receipt(state=State.UNDELIVERED, **EVERY_FIELD)
    await store.merge([stands._replace(state=State.SUBMITTED, final=False), stands])
    (row,) = await messages_of(connection, stands.job)
    for ours in ("rank", "receipt"):
        del row[ours]
    assert row == {
        "job": stands.job,
        "day": stands.at.date(),
        "account": "shop",
        "recipient": "+447400000000",
        "signature": "Acme",
        "template": "SMS_1001",
        "category": "promotion",
        "ref": EVERY_FIELD["ref"],
        "state": "undelivered",
        "final": True,
        "code": "DELIVERED_LATE",
        "channel": "alpha",
        "carrier_id": "a1-b2",
        "segments": 2,
        "attempts": 3,
        "enqueued_at": stands.enqueued_at,
        "submitted_at": EVERY_FIELD["submitted_at"],
        "final_at": stands.at,
    }


async def test_each_receipt_has_one_row_whatever_is_repeated(
    store: PostgresMessageStore, connection: asyncpg.Connection, listener: Listener
) -> None:
    first = receipt()
    last = first._replace(state=State.DELIVERED, final=True, at=first.at + timedelta(seconds=9))
    await store.merge([last, first, last])
    await store.merge([first, last])
    rows = {row["id"]: row for row in await receipts_of(connection, first.job)}
    assert rows.keys() == {first.id, last.id}
    assert decode_receipts(f"[{rows[last.id]['raw']}]".encode()) == [last]
    assert (rows[last.id]["state"], rows[last.id]["final"], rows[last.id]["at"]) == ("delivered", True, last.at)
    assert listener.heard == []


async def test_a_message_that_is_not_final_has_no_final_time(
    store: PostgresMessageStore, connection: asyncpg.Connection
) -> None:
    submitted = receipt()
    await store.merge([submitted])
    (row,) = await messages_of(connection, submitted.job)
    assert (row["final"], row["final_at"]) == (False, None)


def one_of_each_rank(job: UUID, submitted: list[int | None]) -> list[Receipt]:
    states = [(State.UNKNOWN, False), (State.SUBMITTED, False), (State.UNKNOWN, True), (State.DELIVERED, True)]
    start = now()
    return [
        receipt(
            job,
            state,
            final=final,
            enqueued_at=start,
            attempts=rank,
            code=f"code {rank}",
            channel=f"channel {rank}",
            carrier_id=f"id {rank}",
            segments=rank,
            at=start + timedelta(seconds=rank),
            submitted_at=None if seconds is None else start + timedelta(seconds=seconds),
        )
        for rank, ((state, final), seconds) in enumerate(zip(states, submitted, strict=True), 1)
    ]


@given(
    submitted=st.lists(st.none() | st.integers(0, 3), min_size=4, max_size=4),
    order=st.permutations(range(4)),
    cuts=st.lists(st.booleans(), min_size=4, max_size=4),
    repeats=st.lists(st.integers(0, 3), max_size=2),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_row_is_the_same_in_every_order_and_batching(
    store: PostgresMessageStore,
    connection: asyncpg.Connection,
    submitted: list[int | None],
    order: list[int],
    cuts: list[bool],
    repeats: list[int],
) -> None:
    job = job_made_at(now())
    receipts = one_of_each_rank(job, submitted)
    batch: list[Receipt] = []
    for index, cut in zip([*order, *repeats], [*cuts, False, False], strict=False):
        batch.append(receipts[index])
        if cut:
            await store.merge(batch)
            batch = []
    await store.merge(batch)
    best = receipts[-1]
    (row,) = await messages_of(connection, job)
    found = {name: row[name] for name in ("state", "final", "code", "channel", "carrier_id", "attempts", "segments")}
    assert found == {name: getattr(best, name) for name in best._fields if name in found}
    assert row["final_at"] == best.at
    assert row["submitted_at"] == min((r.submitted_at for r in receipts if r.submitted_at), default=None)
    assert row["receipt"] == best.id
    assert len(await receipts_of(connection, job)) == 4


async def test_a_submission_time_that_arrives_late_is_kept(
    store: PostgresMessageStore, connection: asyncpg.Connection
) -> None:
    delivered = receipt(state=State.DELIVERED)
    submitted = receipt(delivered.job, submitted_at=now())
    await store.merge([delivered])
    await store.merge([submitted])
    (row,) = await messages_of(connection, delivered.job)
    assert (row["state"], row["submitted_at"]) == ("delivered", submitted.submitted_at)


async def test_recorders_that_store_the_same_jobs_at_once_agree_and_never_deadlock(
    database: str, clock: ClockAt, connection: asyncpg.Connection, listener: Listener
) -> None:
    async with AsyncExitStack() as opened:
        stores = [await opened.enter_async_context(PostgresMessageStore(database, clock, listener)) for _ in range(3)]
        for _ in range(5):
            submitted = [receipt(submitted_at=now()) for _ in range(300)]
            everything = submitted + [r._replace(state=State.DELIVERED, final=True) for r in submitted]
            await asyncio.gather(*(store.merge(random.sample(everything, 600)) for store in stores))
            jobs = [r.job for r in submitted]
            states = await connection.fetch("select state from messages where job = any($1)", jobs)
            assert [row["state"] for row in states] == ["delivered"] * 300
    assert listener.heard == []  # a deadlock would show as an outage


async def test_receipts_the_database_refuses_do_not_hinder_their_neighbours(
    store: PostgresMessageStore, connection: asyncpg.Connection, listener: Listener
) -> None:
    good = [receipt() for _ in range(40)]
    too_many = receipt(segments=40_000, to="+8613800009999")
    impossible = receipt(reason="a \x00 byte")
    await store.merge([*good[:7], too_many, *good[7:30], impossible, *good[30:]])
    assert [await store.latest(r.job) for r in good] == good
    assert [await store.latest(r.job) for r in (too_many, impossible)] == [None, None]
    rejected = await connection.fetch(
        "select * from receipts_rejected where job = any($1)", [too_many.job, impossible.job]
    )
    assert {row["id"]: decode_receipts(f"[{row['raw']}]".encode())[0] for row in rejected} == {
        too_many.id: too_many,
        impossible.id: impossible,
    }
    told = listener.of(DeadLettered)
    assert [event.source for event in told] == ["record", "record"]
    assert str(too_many.job) in told[0].reason
    assert "9999" not in told[0].reason
    assert listener.of(ServerAway) == []


async def test_recent_receipts_come_newest_first(
    store: PostgresMessageStore, connection: asyncpg.Connection, clock: ClockAt
) -> None:
    start = clock.time + timedelta(days=2)  # later than what other tests store
    made = [receipt(enqueued_at=clock.time, at=start + timedelta(seconds=n)) for n in range(5)]
    await store.merge(made)
    assert await store.recent(3) == made[:1:-1]
    await connection.execute("delete from receipts where job = any($1)", [r.job for r in made])


async def test_a_day_without_a_partition_gets_one_when_its_first_receipt_comes(
    store: PostgresMessageStore, connection: asyncpg.Connection, clock: ClockAt
) -> None:
    old = clock.time - timedelta(days=40)
    late = receipt(job_made_at(old), State.DELIVERED, enqueued_at=old, at=clock.time)
    fresh = receipt()
    await store.merge([fresh, late])
    assert await store.latest(late.job) == late
    assert await store.latest(fresh.job) == fresh
    (row,) = await messages_of(connection, late.job)
    assert row["day"] == old.date()


@pytest.mark.parametrize("enqueued_at", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)])
async def test_a_job_of_an_impossible_day_is_filed_under_the_day_its_first_receipt_came_in(
    store: PostgresMessageStore, connection: asyncpg.Connection, clock: ClockAt, enqueued_at: datetime
) -> None:
    first_day = clock.time.date()
    submitted = receipt(uuid4(), enqueued_at=enqueued_at)
    await store.merge([submitted])
    clock.time += timedelta(days=3)
    delivered = submitted._replace(state=State.DELIVERED, final=True)
    await store.merge([delivered])
    (row,) = await messages_of(connection, submitted.job)
    assert (row["day"], row["state"]) == (first_day, "delivered")
    assert {row["day"] for row in await receipts_of(connection, submitted.job)} == {first_day}
    assert await store.latest(submitted.job) == delivered


async def test_no_index_of_messages_holds_a_column_that_changes(connection: asyncpg.Connection) -> None:
    """Otherwise every delivery receipt would write to every index (PostgreSQL's heap-only tuples)."""
    indexed = await connection.fetch(
        "select distinct attname from pg_index join pg_attribute on attrelid = indrelid and attnum = any(indkey)"
        " where indrelid = 'messages'::regclass"
    )
    assert {row["attname"] for row in indexed} == {"job", "day", "recipient"}


async def test_looking_up_a_job_uses_an_index_in_every_partition(connection: asyncpg.Connection) -> None:
    plan = await connection.fetch("explain select * from messages where job = $1", uuid4())
    assert not [line for (line,) in plan if "Seq Scan" in line]
