"""One partition a day: made ahead, dropped after 90 days, in nobody's way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from adapters.postgres import partitions
from adapters.postgres.migrate import migrate
from adapters.postgres.store import PostgresMessageStore
from tests.integration.postgres_database import ClockAt, Listener, new_database, now, receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import date

TODAY = now().date()


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    with new_database(postgres_url) as dsn:
        yield dsn


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    await migrate(database, today=TODAY)
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def days(connection: asyncpg.Connection, table: str = "messages") -> set[date]:
    rows = await connection.fetch(
        "select relname from pg_inherits join pg_class on oid = inhrelid where inhparent = $1::text::regclass", table
    )
    return {datetime.strptime(row["relname"], f"{table}_%Y%m%d").replace(tzinfo=UTC).date() for row in rows}


async def test_the_next_day_gets_its_partition_a_week_ahead(connection: asyncpg.Connection) -> None:
    for table in partitions.TABLES:
        assert TODAY + timedelta(days=8) not in await days(connection, table)
    await partitions.keep(connection, TODAY + timedelta(days=1))
    for table in partitions.TABLES:
        assert await days(connection, table) == {TODAY + timedelta(days=n) for n in range(-8, 9)}


async def test_days_are_kept_for_ninety_days_and_then_dropped(connection: asyncpg.Connection) -> None:
    first = TODAY - timedelta(days=8)
    await partitions.keep(connection, first + timedelta(days=91))
    assert first in await days(connection)
    await partitions.keep(connection, first + timedelta(days=92))
    for table in partitions.TABLES:
        assert min(await days(connection, table)) == first + timedelta(days=1)


async def test_the_date_is_that_of_the_server_unless_told(connection: asyncpg.Connection) -> None:
    await connection.execute("set timezone to 'Pacific/Kiritimati'")
    await partitions.keep(connection)
    utc = await connection.fetchval("select (now() at time zone 'utc')::date")
    assert max(await days(connection)) == utc + partitions.AHEAD


async def test_keepers_at_once_do_not_disturb_one_another(database: str, connection: asyncpg.Connection) -> None:
    later = TODAY + timedelta(days=95)
    keepers = [await asyncpg.connect(database) for _ in range(5)]
    await asyncio.gather(*(partitions.keep(keeper, later) for keeper in keepers))
    for keeper in keepers:
        await keeper.close()
    oldest = later - timedelta(days=91)
    assert await days(connection) == {
        day for n in range(-8, 8) for day in (TODAY + timedelta(days=n), later + timedelta(days=n)) if day >= oldest
    }


async def test_a_long_report_delays_a_drop_but_no_receipt_and_no_new_day(
    database: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "50ms")
    reader = await asyncpg.connect(database)
    later = TODAY + timedelta(days=92)
    async with reader.transaction():
        await reader.fetch("select count(*) from messages")
        await partitions.keep(connection, later)
        assert later in await days(connection)
        assert TODAY - timedelta(days=8) in await days(connection)
        async with PostgresMessageStore(database, ClockAt(now()), Listener()) as store:
            fresh = receipt()
            await store.merge([fresh])
            assert await store.latest(fresh.job) == fresh
    await reader.close()
    await partitions.keep(connection, later)
    assert TODAY - timedelta(days=8) not in await days(connection)


async def test_a_running_store_keeps_the_partitions(database: str, connection: asyncpg.Connection) -> None:
    latest = f"messages_{max(await days(connection)):%Y%m%d}"
    await connection.execute(f"drop table {latest}")
    async with PostgresMessageStore(database, ClockAt(now()), Listener()) as store:
        keeper = asyncio.create_task(store.keep_partitions())
        while not await connection.fetchval("select to_regclass($1)", latest):
            await asyncio.sleep(0.01)
        keeper.cancel()


async def test_rows_of_messages_have_room_to_grow_in_place(connection: asyncpg.Connection) -> None:
    options = await connection.fetch(
        "select distinct reloptions from pg_class where relname like 'messages\\_2%' and relkind = 'r'"
    )
    assert [row["reloptions"] for row in options] == [["fillfactor=85"]]
