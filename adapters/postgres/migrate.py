"""Which changes does the database still need? Numbered SQL files, each applied once and never edited afterwards."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from adapters.postgres import partitions

if TYPE_CHECKING:
    from datetime import date

MIGRATIONS = Path(__file__).with_name("migrations")

_APPLIED = """
create table if not exists sms_migrations (
    name text primary key, checksum text not null, applied_at timestamptz not null default now()
)
"""


class ChangedMigrationError(Exception):
    """A migration's file is no longer the one that was applied."""


async def migrate(dsn: str, *, today: date | None = None, folder: Path = MIGRATIONS) -> list[str]:
    """Bring the database up to date, partitions included, and answer the names of the migrations that were missing.

    It may run any number of times, and several times at once. `today` is the server's UTC date unless given.

    Raises:
        ChangedMigrationError: a file differs from what was applied; nothing after it was touched.
    """
    files = _read(folder)
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        applied = [name for name, sql in files.items() if await _apply(connection, name, sql)]
        await partitions.keep(connection, today)
        return applied
    finally:
        await connection.close()


def _read(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text("utf-8") for file in sorted(folder.glob("*.sql"))}


async def _apply(connection: asyncpg.Connection, name: str, sql: str) -> bool:
    """Apply a file unless it was; one transaction, so that it is applied whole or not at all."""
    checksum = sha256(sql.encode()).hexdigest()
    async with connection.transaction():
        await partitions.lock(connection)
        await connection.execute(_APPLIED)
        known = await connection.fetchval("select checksum from sms_migrations where name = $1", name)
        if known not in (None, checksum):
            raise ChangedMigrationError(
                f"The migration {name} was changed after it had been applied to this database;"
                " restore the file and put the change into a new one."
            )
        if known is None:
            await connection.execute(sql)
            await connection.execute("insert into sms_migrations values ($1, $2)", name, checksum)
        return known is None
