"""Delivery receipts in PostgreSQL: what stands in a row, what a repeat does, and which indexes are used."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from adapters.clock import SystemClock
from adapters.postgres import partitions
from adapters.postgres.store import PAGE, PostgresMessageStore
from engine.carrier_ids import Rule
from engine.events import ServerAway
from engine.evidence import Evidence
from engine.receipts import DeliveryReceipt, Receipt, State, never_reported
from tests.integration.postgres_database import ClockAt, Listener, new_database, now, receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

SAID = DeliveryReceipt("alpha", "00A1", State.UNDELIVERED, now(), "ABSENT", "UNDELIV err:1", "8613800000000")


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    with new_database(postgres_url, ready=True) as dsn:
        yield dsn


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresMessageStore]:
    async with PostgresMessageStore(database, SystemClock(), Listener()) as store:
        yield store


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def test_a_row_has_what_the_carrier_said_and_what_was_made_of_it(
    store: PostgresMessageStore, connection: asyncpg.Connection
) -> None:
    evidence = Evidence(SAID, now(), uuid4(), Rule.ZEROS, 2)
    await store.keep([evidence])
    row = dict(await connection.fetchrow("select * from delivery_receipts"))  # type: ignore[arg-type]
    assert row.pop("id")
    assert row == {
        "day": evidence.received_at.date(),
        "received_at": evidence.received_at,
        "at": SAID.at,
        "job": evidence.job,
        "part": 2,
        "channel": "alpha",
        "carrier_id": "00A1",
        "bucket": "161",
        "recipient": "8613800000000",
        "state": "undelivered",
        "code": "ABSENT",
        "status": "UNDELIV err:1",
        "rule": "zeros",
    }
    assert await store.evidence_of(evidence.job) == [evidence]  # type: ignore[arg-type]


async def test_a_repeat_makes_no_second_row_and_something_new_does(
    store: PostgresMessageStore, connection: asyncpg.Connection
) -> None:
    first = Evidence(SAID, now())
    for dlr in (SAID, SAID._replace(at=now()), SAID._replace(state=State.DELIVERED), SAID._replace(status="again")):
        for _ in range(2):
            await store.keep([replace(first, dlr=dlr)])
    assert await connection.fetchval("select count(*) from delivery_receipts") == 3


async def test_recorders_at_once_do_not_block_one_another(database: str, connection: asyncpg.Connection) -> None:
    heard = Listener()
    said = [Evidence(SAID._replace(carrier_id=str(nth)), now()) for nth in range(1, 100)]
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    stores = [PostgresMessageStore(database, SystemClock(), heard) for _ in range(2)]
    async with stores[0] as one, stores[1] as other:
        await one.keep(said)
        async with connection.transaction():  # both are stopped half way
            await connection.execute("select from delivery_receipts where carrier_id = '50' for update")
            keeping = asyncio.gather(one.keep(said), other.keep(said[::-1]))
            while await connection.fetchval(waiting) < 2:
                await asyncio.sleep(0.01)
        await keeping
    assert heard.of(ServerAway) == [], "a deadlock shows as a server that failed us"


@pytest.mark.parametrize("off", [timedelta(days=-400), timedelta(days=400), timedelta(days=-20)])
async def test_a_clock_that_is_wrong_loses_nothing(
    database: str, connection: asyncpg.Connection, off: timedelta
) -> None:
    async with PostgresMessageStore(database, ClockAt(now() + off), Listener()) as store:
        await store.keep([Evidence(SAID, now() + off), Evidence(SAID._replace(status="in time"), now())])
    async with PostgresMessageStore(database, SystemClock(), Listener()) as store:
        await store.keep([Evidence(SAID._replace(status="by another's clock"), now() + off)])
    await partitions.keep(connection)
    kept = await connection.fetchval("select count(*) from delivery_receipts where status = 'by another''s clock'")
    assert kept == 1


async def test_what_may_mean_a_message_is_found_by_an_index(
    store: PostgresMessageStore, connection: asyncpg.Connection
) -> None:
    await store.keep([Evidence(SAID._replace(carrier_id=str(nth)), now()) for nth in range(2000)])
    await connection.execute("analyze delivery_receipts")
    plan = await connection.fetch(
        "explain select * from unnest(array['alpha'], array['77']) as sought (channel, bucket)"
        " join delivery_receipts using (channel, bucket) where job is null and state <> 'submitted'"
    )
    assert any("delivery_receipts" in row[0] and "bucket_idx" in row[0] for row in plan), plan
    assert not any("Seq Scan on delivery_receipts_" + f"{now():%Y%m%d}" in row[0] for row in plan), plan


def submitted(**fields: object) -> Receipt:
    at = now() - timedelta(hours=73)
    return receipt(channel="alpha", carrier_id="7", at=at, enqueued_at=at, submitted_at=at, **fields)


async def test_the_search_for_what_is_overdue_goes_on_where_it_ended(store: PostgresMessageStore) -> None:
    await store.merge([submitted() for _ in range(PAGE + 5)])
    shown: list[int] = []

    async def leave(receipts: Sequence[Receipt]) -> bool:
        shown.append(len(receipts))
        return True

    deadline = now() - timedelta(hours=72)
    assert await store.overdue(deadline, leave)
    assert not await store.overdue(deadline, leave)
    assert not await store.overdue(deadline, leave)
    assert shown == [PAGE, 5], "nobody is shown twice, although nothing became of them"


async def test_of_two_workers_one_searches(database: str, store: PostgresMessageStore) -> None:
    waiting, going_on = asyncio.Event(), asyncio.Event()
    await store.merge([submitted()])

    async def give_up(receipts: Sequence[Receipt]) -> bool:
        waiting.set()
        await going_on.wait()
        return True

    async def never(receipts: Sequence[Receipt]) -> bool:
        raise AssertionError("another is at it")

    deadline = now() - timedelta(hours=72)
    at_it = asyncio.create_task(store.overdue(deadline, give_up))
    await waiting.wait()
    async with PostgresMessageStore(database, SystemClock(), Listener()) as other:
        assert not await other.overdue(deadline, never)
    going_on.set()
    assert not await at_it


async def test_where_a_worker_died_over_it_another_searches_on(
    store: PostgresMessageStore, connection: asyncpg.Connection
) -> None:
    await store.merge([message := submitted()])
    deadline = now() - timedelta(hours=72)
    shown: list[Receipt] = []

    async def die(receipts: Sequence[Receipt]) -> bool:
        raise ConnectionResetError

    async def give_up(receipts: Sequence[Receipt]) -> bool:
        shown.extend(receipts)
        await store.merge([never_reported(each, now()) for each in receipts])
        return True

    with pytest.raises(ConnectionResetError):
        await store.overdue(deadline, die)
    await store.overdue(deadline, give_up)
    assert shown == []
    await connection.execute("update searches set held_until = now() - interval '1 second'")
    await store.overdue(deadline, give_up)
    assert shown == [message]
    latest = await store.latest(message.job)
    assert latest
    assert (latest.state, latest.final, latest.code) == (State.UNKNOWN, True, "NO_RECEIPT")
