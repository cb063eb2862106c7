"""Where do jobs wait whose time is far off? In a table that all workers share. (the port `Schedule`)"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from adapters import wire
from adapters.coalesce import Coalescer
from engine.events import DeadLettered
from engine.message import Category

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    import asyncpg

    from adapters.postgres.database import Database
    from adapters.postgres.partitions import Connection
    from engine.message import Job
    from engine.ports import Clock, Telemetry

MAX_BATCH = wire.MAX_JOBS
KEEP_WITHIN_S = 2.0  #: a worker's place is not held up for longer by a database that hangs

_SQL = {file.stem: file.read_text("utf-8") for file in Path(__file__).with_name("queries").glob("*schedule*.sql")}


class _Row(NamedTuple):
    job: Job
    due_at: datetime


class PostgresSchedule:
    """The table `scheduled`; any number of jobs in it costs hardly more than its room."""

    def __init__(self, database: Database, clock: Clock, telemetry: Telemetry) -> None:
        self._database = database
        self._clock = clock
        self._telemetry = telemetry
        self._together: Coalescer[_Row, bool] = Coalescer(self._keep, max_batch=MAX_BATCH)

    async def put(self, job: Job, due_at: datetime) -> bool:
        """Keep a job until shortly before it is due; False where the database does not answer soon."""
        return await self._together.ask(_Row(job, due_at))

    async def release(self, due_by: datetime, hand_over: Callable[[Sequence[Job]], Awaitable[bool]]) -> int:
        """Hand some of the jobs due by then over, up to 500, and forget them once that is confirmed; how many."""
        return await self._database.ask(partial(self._release, due_by, hand_over))

    async def count(self) -> int:
        """How many jobs wait."""
        return int(await self._database.ask(lambda connection: connection.fetchval(_SQL["count_scheduled"])))

    async def _keep(self, rows: Sequence[_Row]) -> list[bool]:
        kept = False
        if not self._database.outage.away:
            # Sorted, so that two workers with the same jobs wait for each other in one direction only.
            columns = list(zip(*map(_columns, sorted(rows, key=lambda row: row.job.id)), strict=True))
            try:
                async with asyncio.timeout(KEEP_WITHIN_S):
                    await self._database.ask(lambda connection: connection.execute(_SQL["schedule"], *columns))
                    kept = True
            except TimeoutError:
                pass
        return [kept] * len(rows)

    async def _release(
        self, due_by: datetime, hand_over: Callable[[Sequence[Job]], Awaitable[bool]], connection: Connection
    ) -> int:
        async with connection.transaction():
            rows = await connection.fetch(_SQL["claim_scheduled"], due_by, MAX_BATCH)
            jobs = [job for row in rows if (job := await self._read(row, connection))]
            if jobs and await hand_over(jobs):
                await connection.execute(_SQL["forget_scheduled"], [job.id for job in jobs])
                return len(jobs)
        return 0

    async def _read(self, row: asyncpg.Record, connection: Connection) -> Job | None:
        """The job of a row; one that cannot be read is set aside, lest it stand in the way of the others for ever."""
        traceparent = row["traceparent"]
        try:
            (job,) = wire.decode_jobs(
                row["body"],
                Category(row["category"]),
                received_at=self._clock.now(),
                enqueued_at=row["enqueued_at"],
                traceparent=traceparent and traceparent.decode(errors="surrogatepass"),
            )
        except ValueError as error:
            await connection.execute(_SQL["set_scheduled_aside"], row["job"])
            self._telemetry.emit(DeadLettered("scheduled", f"job {row['job']}: {error}; it stays there, never due"))
            return None
        return job


def _columns(row: _Row) -> tuple[object, ...]:
    job = row.job
    traceparent = None if job.traceparent is None else job.traceparent.encode(errors="surrogatepass")
    return job.id, row.due_at, job.enqueued_at, job.category.value, traceparent, wire.encode_jobs([job])
