"""Postgres is away, locked or slow: sending goes on, and afterwards every row tells the truth."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.faults.jobs import some_jobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.conftest import Row
    from tests.faults.lab import Lab


@pytest.mark.fault("Postgres: crash and restart", short=True)
async def test_sending_goes_on_without_postgres_and_its_rows_are_right_afterwards(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(100, lab.rng), rate=150))
        await lab.accepted(20)
        with lab.fault():
            await asyncio.to_thread(lab.servers.postgres.kill)
            try:
                await sending
                await lab.send(some_jobs(100, lab.rng), rate=200)
                await lab.heard_of(200)  # while it is away
            finally:
                await asyncio.to_thread(lab.servers.postgres.start)
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("Postgres: table locked for 6 s")
async def test_sending_goes_on_while_the_table_is_locked(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        with lab.fault():
            async with _locked(lab):
                await lab.send(some_jobs(200, lab.rng), rate=200)
                await lab.heard_of(200)
                await asyncio.sleep(6)
        assert (await row.holds(lab)).unknown == 0


@asynccontextmanager
async def _locked(lab: Lab) -> AsyncIterator[None]:
    connection = await asyncpg.connect(lab.database_url)
    try:
        async with connection.transaction():
            await connection.execute("lock table messages in access exclusive mode")
            yield
    finally:
        await connection.close()


@pytest.mark.fault("Postgres: connections reset")
async def test_reset_connections_to_postgres_store_nothing_twice(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        with lab.fault():
            for _ in range(8):
                await asyncio.sleep(lab.rng.uniform(0.1, 0.4))
                for worker in lab.workers:
                    worker.postgres.reset()
        await sending
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("Postgres: slow, 0.3 s each way")
async def test_a_slow_postgres_slows_only_the_record(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        with lab.fault():
            for worker in lab.workers:
                worker.postgres.delay_s = 0.3
            await lab.send(some_jobs(200, lab.rng), rate=100)
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("Postgres: half-open connection")
async def test_a_connection_to_postgres_that_swallows_everything_is_given_up(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(200, lab.rng), rate=150))
        await lab.accepted(20)
        with lab.fault():
            for worker in lab.workers:
                worker.postgres.swallow()
            await sending
            await lab.heard_of(200)
        assert (await row.holds(lab)).unknown == 0
