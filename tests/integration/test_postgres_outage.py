"""PostgreSQL comes late, goes, or was not prepared: receipts wait and none is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from adapters.clock import SystemClock
from adapters.postgres import database as adapter
from adapters.postgres.migrate import migrate
from adapters.postgres.store import PostgresMessageStore
from engine.events import ServerAway, ServerBack
from engine.receipts import State
from tests.database import run_now
from tests.faults.proxy import proxy
from tests.integration.postgres_database import Listener, new_database, receipt
from tests.servers import PrivatePostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

HANGS_S = 20.0  #: far longer than it takes, and shorter than the library waits

pytestmark = pytest.mark.usefixtures("eager_probe")


@pytest.fixture
def eager_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "PROBE_EVERY_S", 0.05)


@pytest.fixture
def private() -> Iterator[PrivatePostgres]:
    with PrivatePostgres() as server:
        run_now(migrate(server.url))
        yield server


@pytest.fixture
def listener() -> Listener:
    return Listener()


async def test_a_server_that_is_away_at_start_is_waited_for(private: PrivatePostgres, listener: Listener) -> None:
    await asyncio.to_thread(private.stop)
    async with PostgresMessageStore(private.url, SystemClock(), listener) as store:
        first = receipt()
        merging = asyncio.create_task(store.merge([first]))
        away = await listener.hears(ServerAway)
        assert store.outage.away
        assert away.server == "postgres"
        assert not merging.done()
        await asyncio.to_thread(private.start)
        await merging
        assert not store.outage.away
        assert await store.latest(first.job) == first
        assert len(listener.of(ServerAway)) == 1


async def test_a_crash_in_the_midst_of_writing_loses_nothing(private: PrivatePostgres, listener: Listener) -> None:
    written: list[object] = []
    async with PostgresMessageStore(private.url, SystemClock(), listener) as store:
        batches = [[receipt() for _ in range(20)] for _ in range(150)]
        reached = asyncio.Event()

        async def record() -> None:
            for number, batch in enumerate(batches):
                await store.merge(batch + [r._replace(state=State.DELIVERED, final=True) for r in batch])
                written.append(number)
                if number == 20:
                    reached.set()

        recording = asyncio.create_task(record())
        await reached.wait()
        await asyncio.to_thread(private.kill)
        await listener.hears(ServerAway)
        assert not recording.done()
        await asyncio.to_thread(private.start)
        await recording
        for batch in batches:
            assert [(await store.latest(r.job)).state for r in batch] == [State.DELIVERED] * 20  # type: ignore[union-attr]
    connection = await asyncpg.connect(private.url)
    assert await connection.fetchval("select count(*) from messages") == 3000
    assert await connection.fetchval("select count(*) from receipts") == 6000
    await connection.close()


@pytest.fixture
async def half_open(private: PrivatePostgres, listener: Listener) -> AsyncIterator[PostgresMessageStore]:
    """A store that has written, over connections that lose everything from now on; new ones are well."""
    async with (
        proxy(private.port) as way,
        PostgresMessageStore(way.before(private.url), SystemClock(), listener) as store,
    ):
        await asyncio.gather(*(store.merge([receipt()]) for _ in range(10)))
        way.swallow()
        yield store


async def test_a_connection_that_died_without_a_word_is_given_up_and_its_question_asked_anew(
    half_open: PostgresMessageStore, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "ANSWER_S", 0.3)
    store = half_open
    first = receipt()
    async with asyncio.timeout(HANGS_S):
        await store.merge([first])
        assert await store.latest(first.job) == first
    assert listener.of(ServerAway)


async def test_rows_locked_over_a_connection_that_died_are_free_again_though_the_server_hears_of_nothing(
    private: PrivatePostgres, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "ANSWER_S", 0.5)
    first = receipt()
    locked = asyncio.Event()
    async with (
        proxy(private.port) as way,
        PostgresMessageStore(way.before(private.url), SystemClock(), listener) as store,
    ):
        await store.merge([first])

        async def die_within(connection: asyncpg.Connection) -> None:
            async with connection.transaction():
                await connection.execute("select from messages for update")
                way.swallow()
                locked.set()
                await asyncio.Event().wait()

        dying = asyncio.create_task(store.database.ask(die_within))
        await locked.wait()
        dying.cancel()
        async with asyncio.timeout(HANGS_S):
            await asyncio.wait([dying])
            await store.merge([first._replace(state=State.DELIVERED, final=True)])


async def test_who_is_cancelled_does_not_wait_for_a_connection_that_died(
    half_open: PostgresMessageStore,
) -> None:
    store = half_open
    merging = asyncio.create_task(store.merge([receipt()]))
    await asyncio.sleep(0.2)  # until it waits for an answer
    merging.cancel()
    async with asyncio.timeout(HANGS_S):
        await asyncio.wait([merging])
    assert merging.cancelled()


async def test_an_idle_store_notices_that_the_server_goes_and_returns(
    private: PrivatePostgres, listener: Listener
) -> None:
    async with PostgresMessageStore(private.url, SystemClock(), listener) as store:
        await asyncio.to_thread(private.kill)
        await listener.hears(ServerAway)
        assert store.outage.away
        await asyncio.to_thread(private.start)
        await listener.hears(ServerBack)
        assert not store.outage.away


async def test_a_database_that_was_not_prepared_says_what_to_do_and_is_waited_for(
    postgres_url: str, listener: Listener
) -> None:
    with new_database(postgres_url) as dsn:
        async with PostgresMessageStore(dsn, SystemClock(), listener) as store:
            first = receipt()
            merging = asyncio.create_task(store.merge([first]))
            away = await listener.hears(ServerAway)
            assert "sms-engine init" in away.error
            assert store.outage.away
            await migrate(dsn)
            await merging
            assert await store.latest(first.job) == first
            assert [event.error for event in listener.of(ServerAway)] == [away.error]


async def test_a_server_that_hangs_does_not_hold_up_the_end(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "CONNECT_S", 0.1)
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with PostgresMessageStore(f"postgresql://sms@127.0.0.1:{port}/sms", SystemClock(), listener) as store:
        await listener.hears(ServerAway)
        assert store.outage.away
    silent.close()
    for writer in held:
        writer.close()


async def test_an_address_that_cannot_be_one_is_an_error_at_once(listener: Listener) -> None:
    for address in ("postgresql://sms@127.0.0.1:no-port/sms", "mysql://127.0.0.1/sms"):
        with pytest.raises(ValueError, match=r"port|scheme"):
            async with PostgresMessageStore(address, SystemClock(), listener):
                pass
