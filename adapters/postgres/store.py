"""The record for people: what became of every job, merged from its receipts."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import asyncpg

from adapters.postgres import evidence as kept
from adapters.postgres import partitions, rows
from adapters.postgres.database import Database, ValuesRefusedError
from adapters.wire_receipts import decode_receipt, published
from engine.events import DeadLettered
from engine.limits import Taken
from engine.message import Category

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from adapters.outage import Outage
    from adapters.postgres.partitions import Connection
    from adapters.wire_receipts import Published
    from engine.evidence import Evidence
    from engine.ports import Clock, Telemetry
    from engine.receipts import Receipt

KEEP_EVERY_S = 3600.0
PAGE = 500  #: receipts that are looked through at once

_SQL = {file.stem: file.read_text("utf-8") for file in Path(__file__).with_name("queries").glob("*.sql")}


class PostgresMessageStore:
    """A message store that waits while the database is away."""

    def __init__(self, dsn: str, clock: Clock, telemetry: Telemetry) -> None:
        self.database = Database(dsn, clock, telemetry)
        self._clock = clock
        self._telemetry = telemetry

    @property
    def outage(self) -> Outage:
        """Whether the database answers."""
        return self.database.outage

    async def __aenter__(self) -> Self:
        await self.database.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.database.close()

    async def keep_partitions(self) -> None:
        """Make room for the days to come and drop those past the retention, every hour until cancelled."""
        while True:
            await self.database.ask(partitions.keep)
            await asyncio.sleep(KEEP_EVERY_S)

    async def merge(self, receipts: Sequence[Receipt]) -> None:
        """Store receipts and merge each job's row by rank; all of them or none, repeats change nothing."""
        await self.record([published(receipt) for receipt in receipts])

    async def record(self, receipts: Sequence[Published]) -> None:
        """The same for receipts that were published.

        A receipt that the database refuses for its values is put aside whole, and does not hinder the others.
        """
        if not receipts:
            return
        try:
            await self.database.ask(partial(self._record, receipts))
        except ValuesRefusedError as error:
            if len(receipts) == 1:
                return await self._reject(receipts[0], str(error))
            middle = len(receipts) // 2
            await self.record(receipts[:middle])
            await self.record(receipts[middle:])

    async def latest(self, job: UUID) -> Receipt | None:
        """The receipt that stands for a job."""
        raw = await self.database.ask(lambda connection: connection.fetchval(_SQL["latest_receipt"], job))
        return None if raw is None else _decode(raw)

    async def receipts_of(self, job: UUID) -> list[Receipt]:
        """Every receipt of a job, oldest first."""
        found = await self.database.ask(lambda connection: connection.fetch(_SQL["receipts_of"], job))
        return [_decode(row["raw"]) for row in found]

    async def history(self, recipients: Sequence[str], since: datetime) -> list[Receipt]:
        """The receipts that stand of the jobs of some numbers, enqueued or submitted at that time or later."""
        found = await self.database.ask(lambda connection: connection.fetch(_SQL["history"], recipients, since))
        return [_decode(row["raw"]) for row in found]

    async def taken(self, since: datetime, until: datetime, categories: Collection[Category], each: int) -> list[Taken]:
        """What carriers took, or may have taken, by kind."""
        asked = since, until, list(categories), each
        found = await self.database.ask(lambda connection: connection.fetch(_SQL["taken"], *asked))
        return [
            Taken(Category(category), account, signature, template, messages, list(zip(jobs, times, strict=True)))
            for category, account, signature, template, messages, jobs, times in found
        ]

    async def any_before(self, at: datetime) -> bool:
        """Whether it knows of any job enqueued before."""
        return bool(await self.database.ask(lambda connection: connection.fetchval(_SQL["any_before"], at)))

    async def awaited(self, since: datetime, after: Receipt | None, limit: int) -> list[Receipt]:
        """Receipts that stand as submitted, in the order of their times."""
        since, job = (after.at, after.job) if after else (since, None)
        found = await self.database.ask(lambda connection: connection.fetch(_SQL["awaited"], since, job, limit))
        return [_decode(row["raw"]) for row in found]

    async def overdue(self, before: datetime, give_up: Callable[[Sequence[Receipt]], Awaitable[bool]]) -> bool:
        """Look through the next 500 receipts of submits before that time, if no other worker is at it."""
        ask = self.database.ask
        held = await ask(lambda connection: connection.fetchrow(_SQL["hold_search"], "overdue"))
        if held is None:
            return False
        page = await ask(lambda connection: connection.fetch(_SQL["overdue"], before, held["at"], held["job"], PAGE))
        standing = [_decode(row["raw"]) for row in page if row["raw"]]
        done = not standing or await give_up(standing)
        last = page[-1] if page and done else held
        await ask(lambda connection: connection.execute(_SQL["search_on"], "overdue", last["at"], last["job"]))
        return done and len(page) == PAGE

    async def keep(self, evidence: Sequence[Evidence]) -> None:
        """Store delivery receipts; those that the database refuses for their values are put aside."""
        if not evidence:
            return
        try:
            await self.database.ask(lambda connection: kept.keep(connection, evidence, self._clock.now().date()))
        except ValuesRefusedError as error:
            if len(evidence) == 1:
                reason = f"a delivery receipt of channel {evidence[0].dlr.channel}: {error}; it is lost"
                return self._telemetry.emit(DeadLettered("dlr", reason))
            middle = len(evidence) // 2
            await self.keep(evidence[:middle])
            await self.keep(evidence[middle:])

    async def evidence_of(self, job: UUID) -> list[Evidence]:
        """The delivery receipts about a job that became no receipt, oldest first."""
        return await self.database.ask(lambda connection: kept.of_job(connection, job))

    async def evidence_about(self, receipts: Sequence[Receipt]) -> list[Evidence]:
        """Delivery receipts of parts of these messages, and those of unknown job that may mean them, oldest first."""
        return await self.database.ask(lambda connection: kept.about(connection, receipts))

    async def recent(self, limit: int) -> list[Receipt]:
        """The latest receipts of all jobs, newest first."""
        found = await self.database.ask(lambda connection: connection.fetch(_SQL["recent_receipts"], limit))
        return [_decode(row["raw"]) for row in found]

    async def _record(self, receipts: Sequence[Published], connection: Connection) -> None:
        days = await self._days(connection, [each.receipt for each in receipts])
        try:
            await _write(connection, receipts, days)
        except asyncpg.CheckViolationError:  # a day that has no partition (yet)
            await partitions.create(connection, days.values())
            await _write(connection, receipts, days)

    async def _days(self, connection: Connection, receipts: Sequence[Receipt]) -> Mapping[UUID, date]:
        """The day to file each job under.

        A job whose own day is not kept (a producer's clock in 1970, a receipt after months) would be lost under it, so
        it is filed under the day its first receipt came in.
        """
        days = {receipt.job: partitions.day_of(receipt.job, receipt.enqueued_at) for receipt in receipts}
        today = self._clock.now().date()
        if stray := [job for job, day in days.items() if not partitions.is_current(day, today)]:
            days.update(dict.fromkeys(stray, today))
            filed = await connection.fetch(_SQL["filed_days"], stray)
            days.update({row["job"]: row["day"] for row in filed})
        return days

    async def _reject(self, refused: Published, error: str) -> None:
        receipt, id_, raw = refused
        await self.database.ask(
            lambda connection: connection.execute(_SQL["reject_receipt"], id_, receipt.job, error, raw)
        )
        reason = f"receipt {id_} of job {receipt.job}: {error}; it is in receipts_rejected"
        self._telemetry.emit(DeadLettered("record", reason))


async def _write(connection: Connection, receipts: Sequence[Published], days: Mapping[UUID, date]) -> None:
    # One statement is its own transaction. If it ends between the two, the batch comes again, and finds the same late.
    if late := await connection.fetch(_SQL["record"], *rows.of_receipts(receipts, days)):
        submissions = rows.of_submissions(receipts, {row["job"] for row in late}, days)
        await connection.execute(_SQL["note_submitted"], *submissions)


def _decode(raw: str) -> Receipt:
    return decode_receipt(raw.encode())
