"""Jobs whose time is far off, in a real PostgreSQL that goes away, hangs or crashes, and through real workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from adapters.clock import SystemClock
from adapters.postgres import database as adapter
from adapters.postgres import schedule as schedule_adapter
from adapters.postgres.migrate import migrate
from adapters.postgres.schedule import PostgresSchedule
from adapters.postgres.store import PostgresMessageStore
from adapters.wire import rfc3339
from engine.events import DeadLettered, ServerAway, ServerBack
from engine.message import Category, Job
from tests.database import run_now
from tests.integration.postgres_database import Listener, new_database, now
from tests.integration.test_end_to_end import FINAL_S, Callback, drained, otp, publish
from tests.servers import PrivatePostgres
from tests.stack import Installation, installation, worker

SOON_S = 20.0


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    with new_database(postgres_url, ready=True) as dsn:
        yield dsn


@pytest.fixture
def listener() -> Listener:
    return Listener()


@asynccontextmanager
async def schedule_in(dsn: str, listener: Listener) -> AsyncIterator[PostgresSchedule]:
    async with PostgresMessageStore(dsn, SystemClock(), listener) as store:
        yield PostgresSchedule(store.database, SystemClock(), listener)


def job() -> Job:
    return Job(uuid4(), "+8613800000000", Category.OTP, now(), text="hello")


async def test_a_crash_between_the_confirm_and_the_end_of_the_transaction_hands_over_again(
    database: str, listener: Listener
) -> None:
    handed: list[Job] = []

    async def hand_over(jobs: Sequence[Job]) -> bool:
        handed.extend(jobs)
        if len(handed) == 1:
            async with asyncpg.create_pool(database, min_size=1, max_size=1) as other:
                await other.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )
        return True

    async with schedule_in(database, listener) as schedule:
        kept = job()
        await schedule.put(kept, now())
        async with asyncio.timeout(SOON_S):
            assert await schedule.release(now(), hand_over) == 1
        assert handed == [kept, kept]
        assert await schedule.count() == 0


async def test_a_row_that_cannot_be_read_is_set_aside_and_hinders_no_other(database: str, listener: Listener) -> None:
    handed: list[Job] = []

    async def hand_over(jobs: Sequence[Job]) -> bool:
        handed.extend(jobs)
        return True

    async with schedule_in(database, listener) as schedule:
        good, bad = job(), job()
        for each in (bad, good):
            await schedule.put(each, now())
        connection = await asyncpg.connect(database)
        await connection.execute("update scheduled set body = '[]' where job = $1", bad.id)
        assert await schedule.release(now(), hand_over) == 1
        assert await schedule.release(now(), hand_over) == 0
        assert handed == [good]
        assert await connection.fetchval("select job from scheduled") == bad.id
        await connection.close()
        assert await schedule.count() == 0
        (told,) = listener.of(DeadLettered)
        assert str(bad.id) in told.reason


async def test_while_the_database_is_away_jobs_are_turned_away_at_once_and_kept_again_afterwards(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "PROBE_EVERY_S", 0.05)
    monkeypatch.setattr(schedule_adapter, "KEEP_WITHIN_S", 100 * SOON_S)
    with PrivatePostgres() as private:
        run_now(migrate(private.url))
        async with schedule_in(private.url, listener) as schedule:
            await asyncio.to_thread(private.stop)
            await listener.hears(ServerAway)
            async with asyncio.timeout(SOON_S):
                assert await asyncio.gather(*(schedule.put(job(), now()) for _ in range(2000))) == [False] * 2000
            await asyncio.to_thread(private.start)
            await listener.hears(ServerBack)
            assert await schedule.put(job(), now())
            assert await schedule.count() == 1


async def test_a_database_that_hangs_holds_no_job_up(
    database: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule_adapter, "KEEP_WITHIN_S", 0.1)
    async with schedule_in(database, listener) as schedule:
        locker = await asyncpg.connect(database)
        async with locker.transaction():
            await locker.execute("lock table scheduled in exclusive mode")
            async with asyncio.timeout(SOON_S):
                assert not await schedule.put(job(), now())
        monkeypatch.setattr(schedule_adapter, "KEEP_WITHIN_S", SOON_S)
        assert await schedule.put(job(), now())
        await locker.close()


@pytest.fixture
async def installed(amqp_url: str, redis_url: str, postgres_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    settings = tmp_path / "sms.toml"
    settings.write_text('[[channels]]\nname = "alpha"\nkind = "simulator"\nreceipt_delay_s = 0.0\n', encoding="utf-8")
    async with installation(amqp_url, redis_url, postgres_url, settings) as found:
        yield found


async def test_a_job_of_a_far_off_time_leaves_the_broker_and_comes_back_when_its_time_is_near(
    installed: Installation,
) -> None:
    far_off, near = _rfc3339(timedelta(hours=5)), _rfc3339(timedelta(seconds=3))
    job = otp(not_before=far_off, expires_at=_rfc3339(timedelta(hours=6)), ref="r")
    never = otp("+8613900000000", not_before=far_off, expires_at=far_off)
    callback = Callback()
    async with installed.broker() as channel, installed.database() as database:
        async with worker(installed.environment) as first:
            await first.ready()
            for each in (job, job, never):
                await publish(channel, installed.prefix, "otp", [json.dumps(each).encode()])
            async with asyncio.timeout(FINAL_S):
                while await first.metric("sms_deferrals_total") < 3:
                    await asyncio.sleep(0.05)
            await drained(channel, installed.prefix)
            assert await database.fetchval("select count(*) from scheduled") == 2
            assert await first.metric("sms_submits_total") == 0
            assert await first.stop() == 0
        # Five hours pass.
        await database.execute(
            "update scheduled set due_at = now(), body = replace(convert_from(body, 'UTF8'), $1, $2)::bytea",
            far_off.removesuffix(".000Z"),
            near.removesuffix(".000Z"),
        )
        async with worker(installed.environment) as second, worker(installed.environment) as third:
            await callback.listen(channel, installed.prefix)
            finals = await callback.finals([job["id"], never["id"]])
            submits = await second.metric("sms_submits_total") + await third.metric("sms_submits_total")
        assert await database.fetchval("select count(*) from scheduled") == 0
    assert (finals[job["id"]]["state"], finals[job["id"]]["ref"]) == ("delivered", "r")
    assert finals[job["id"]]["submitted_at"] >= near
    assert finals[never["id"]]["state"] == "expired"
    assert submits == 1


def _rfc3339(ahead: timedelta) -> str:
    return rfc3339((datetime.now(UTC) + ahead).replace(microsecond=0))
