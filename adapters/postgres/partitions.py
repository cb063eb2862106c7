"""Which day does a job belong to, and which days have a table? One partition a day, kept 90 days.

There is no default partition: its rows would block the creation of their own day's partition later.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection | PoolConnectionProxy

BEHIND, AHEAD, KEPT = timedelta(days=8), timedelta(days=7), timedelta(days=90)
#: rows of `messages` are updated in place, which needs room on their page; the others are append-only
TABLES = {"messages": " with (fillfactor = 85)", "receipts": "", "delivery_receipts": "", "inbound": ""}
DAY = timedelta(days=1)
LOCK = 0x5345_4E47  #: any number that nobody else's advisory lock has
LOCK_TIMEOUT = "1s"  #: everybody queues behind a drop that waits, so it gives up soon


def day_of(job: UUID, enqueued_at: datetime) -> date:
    """The day that every receipt of a job is filed under.

    The time inside a UUIDv7 is part of the job's name and so the same in every receipt, while `enqueued_at` may differ
    when a producer sends a job twice. It is believed only near `enqueued_at`, lest a forged id ask for the year 2099.
    """
    if job.version == 7:
        made_at = _EPOCH + timedelta(milliseconds=min(job.int >> 80, _LAST_MS))
        if enqueued_at - BEHIND < made_at < enqueued_at + timedelta(days=1):
            return made_at.date()
    return enqueued_at.astimezone(UTC).date()


def is_current(day: date, today: date) -> bool:
    """Whether rows of a day are kept at all: not too old, and not of a clock that is wrong."""
    return today - KEPT < day <= today + AHEAD


async def keep(connection: Connection, today: date | None = None) -> None:
    """Create the partitions around today and drop those past the retention; several processes may do so at once.

    `today` is the server's UTC date unless given: a worker whose clock is wrong must not drop what is to be kept.
    """
    today = today or await connection.fetchval("select (now() at time zone 'utc')::date")
    assert today is not None
    await create(connection, (today - BEHIND + timedelta(days=n) for n in range((BEHIND + AHEAD).days + 1)))
    # One day of grace, for workers whose date is not the server's yet.
    await _drop_before(connection, today - KEPT - timedelta(days=1))


async def create(connection: Connection, days: Iterable[date]) -> None:
    """Create the partitions of some days where they are missing."""
    async with connection.transaction():
        await lock(connection)
        existing = await _existing(connection)
        for day in sorted(set(days)):
            for table, storage in TABLES.items():
                if (name := f"{table}_{day:%Y%m%d}") in existing:
                    continue
                # Attaching, unlike `create table … partition of`, locks out neither readers nor writers.
                await connection.execute(f"create table {name} (like {table} including all){storage}")
                await connection.execute(
                    f"alter table {table} attach partition {name} for values from ('{day}') to ('{day + DAY}')"
                )


async def lock(connection: Connection) -> None:
    """Wait to be the only one who changes tables, until the transaction ends."""
    await connection.execute("select pg_advisory_xact_lock($1)", LOCK)


async def _drop_before(connection: Connection, oldest: date) -> None:
    for name, day in (await _existing(connection)).items():
        if day >= oldest:
            continue
        try:
            async with connection.transaction():
                await connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
                await lock(connection)
                await connection.execute(f"drop table if exists {name}")
        except asyncpg.LockNotAvailableError:
            continue  # somebody reads for long; the next round is not far


async def _existing(connection: Connection) -> dict[str, date]:
    tables = await connection.fetch(
        "select relname from pg_inherits join pg_class on pg_class.oid = inhrelid"
        " where inhparent = any($1::text[]::regclass[]) and relname ~ '_[0-9]{8}$'",
        list(TABLES),
    )
    return {
        row["relname"]: datetime.strptime(row["relname"][-8:], "%Y%m%d").replace(tzinfo=UTC).date() for row in tables
    }


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
