"""`sms-engine init` on PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

import asyncpg
import pytest

from adapters.postgres.migrate import MIGRATIONS, ChangedMigrationError, migrate
from adapters.postgres.partitions import TABLES
from tests.integration.postgres_database import new_database, now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    with new_database(postgres_url) as dsn:
        yield dsn


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(MIGRATIONS, tmp_path / "migrations")


async def tables(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch(
        "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
    )
    return {row["relname"] for row in rows}


async def test_an_empty_database_gets_the_tables_and_the_partitions_around_today(
    database: str, connection: asyncpg.Connection
) -> None:
    today = now().date()
    assert await migrate(database, today=today) == [file.name for file in sorted(MIGRATIONS.glob("*.sql"))]
    days = [f"{today + timedelta(days=n):%Y%m%d}" for n in range(-8, 8)]
    assert await tables(connection) == {
        *TABLES,
        "channel_events",
        "channel_pins",
        "opt_outs",
        "receipts_rejected",
        "scheduled",
        "searches",
        "sms_migrations",
        *(f"{table}_{day}" for table in TABLES for day in days),
    }


async def test_a_second_run_applies_nothing(database: str, connection: asyncpg.Connection) -> None:
    await migrate(database)
    before = await connection.fetch("select * from sms_migrations"), await tables(connection)
    assert await migrate(database) == []
    assert (await connection.fetch("select * from sms_migrations"), await tables(connection)) == before


async def test_several_runs_at_once_apply_each_file_once(database: str) -> None:
    applied = await asyncio.gather(*(migrate(database) for _ in range(6)))
    assert sorted(chain.from_iterable(applied)) == [file.name for file in sorted(MIGRATIONS.glob("*.sql"))]


async def test_a_changed_file_that_was_applied_is_one_clear_error(database: str, folder: Path) -> None:
    await migrate(database, folder=folder)
    first = folder / "0001_messages_and_receipts.sql"
    first.write_text(first.read_text() + "-- a harmless remark\n")
    with pytest.raises(ChangedMigrationError, match=first.name):
        await migrate(database, folder=folder)


async def test_a_new_file_is_applied_after_the_others(
    database: str, connection: asyncpg.Connection, folder: Path
) -> None:
    await migrate(database, folder=folder)
    (folder / "9999_remark.sql").write_text("alter table messages add column remark text;")
    assert await migrate(database, folder=folder) == ["9999_remark.sql"]
    await connection.fetch("select remark from messages")


async def test_a_file_that_fails_leaves_nothing_behind(
    database: str, connection: asyncpg.Connection, folder: Path
) -> None:
    await migrate(database, folder=folder)
    before = await tables(connection)
    broken = folder / "9999_broken.sql"
    broken.write_text("create table half (); select 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database, folder=folder)
    assert await tables(connection) == before
    broken.write_text("create table half ();")
    assert await migrate(database, folder=folder) == [broken.name]
