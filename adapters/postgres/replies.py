"""What people wrote, and who opted out: the tables `inbound` and `opt_outs`. (the port `ReplyStore`)"""

from __future__ import annotations

from datetime import UTC
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from adapters.postgres import partitions
from engine.opt_out import OptOut
from engine.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.postgres.database import Database
    from adapters.postgres.partitions import Connection

_SQL = {
    file.stem: file.read_text("utf-8")
    for pattern in ("*_reply.sql", "*opt_outs*.sql")
    for file in Path(__file__).with_name("queries").glob(pattern)
}


class PostgresReplyStore:
    """A store of replies that waits while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, reply: Reply) -> Reply:
        """Store a reply; answers it as it was stored first."""
        return await self._database.ask(partial(self._keep, reply))

    async def recent(self, limit: int) -> list[Reply]:
        """The latest replies of all accounts, newest first."""
        found = await self._database.ask(lambda connection: connection.fetch(_SQL["recent_reply"], limit))
        return [_reply(row) for row in found]

    async def note(self, words: Sequence[OptOut]) -> list[OptOut]:
        """Note what one number said, where it is its latest word; answers all that is known of the number then."""
        return await self._database.ask(partial(self._note, words))

    async def standing(self, after: OptOut | None, limit: int) -> list[OptOut]:
        """So many of the opt-outs that were not lifted, by recipient and account, after that one."""
        key = (after.recipient, after.account) if after else ("", "")
        found = await self._database.ask(lambda connection: connection.fetch(_SQL["standing_opt_outs"], *key, limit))
        return [OptOut(**row) for row in found]

    async def _keep(self, reply: Reply, connection: Connection) -> Reply:
        if known := await _find(connection, reply):
            return known
        day = reply.at.astimezone(UTC).date()
        row = (
            reply.id, day, reply.at, reply.account, reply.sender, reply.to, reply.text,
            reply.channel, reply.carrier_id, reply.extend, reply.job, reply.ref,
        )  # fmt: skip
        try:
            await connection.execute(_SQL["keep_reply"], *row)
        except asyncpg.CheckViolationError:  # a day that has no partition (yet)
            await partitions.create(connection, [day])
            await connection.execute(_SQL["keep_reply"], *row)
        return await _find(connection, reply) or reply

    async def _note(self, words: Sequence[OptOut], connection: Connection) -> list[OptOut]:
        out = [(w.recipient, w.account, w.since, w.keyword, w.channel, w.number) for w in words if w.lifted_at is None]
        lifted = [(w.recipient, w.account, w.lifted_at, w.number) for w in words if w.lifted_at is not None]
        async with connection.transaction():
            if out:
                await connection.execute(_SQL["note_opt_outs"], *zip(*out, strict=True))
            if lifted:
                await connection.execute(_SQL["lift_opt_outs"], *zip(*lifted, strict=True))
            found = await connection.fetch(_SQL["opt_outs_of"], words[0].recipient)
        return [OptOut(**row) for row in found]


async def _find(connection: Connection, reply: Reply) -> Reply | None:
    row = await connection.fetchrow(_SQL["find_reply"], reply.id)
    return _reply(row) if row else None


def _reply(row: asyncpg.Record) -> Reply:
    return Reply(**{("to" if name == "number" else name): value for name, value in row.items()})
