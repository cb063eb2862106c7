"""Redis goes away, comes back, forgets, or loses an answer on the way: calls wait, and each acts once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import redis.asyncio
from redis.asyncio import Redis

from adapters.clock import SystemClock
from adapters.redis.connection import TIMEOUT_S, Connection
from adapters.redis.ledger import RedisLedger
from adapters.redis.pipeline import exchange
from adapters.redis.scripts import Call
from engine.claims import Busy, Granted, Limited
from engine.events import ServerAway, ServerBack
from tests.redis_setup import NUMBER, Heard, LastingRedis, charge, claim, receipt, rule
from tests.servers import PrivateRedis

ONE_AN_HOUR = rule("1/1h")


@pytest.fixture
def server() -> Iterator[PrivateRedis]:
    with PrivateRedis() as redis:
        yield redis


async def away(heard: Heard) -> None:
    """Wait until the outage was told."""
    while not any(isinstance(event, ServerAway) for event in heard):
        await asyncio.sleep(0.01)


def told(heard: Heard) -> list[type]:
    return [type(event) for event in heard]


async def test_calls_wait_for_a_redis_that_is_not_there_yet() -> None:
    server, heard = PrivateRedis(), Heard()
    try:
        async with Connection(server.url, SystemClock(), heard) as connection:
            ledger = RedisLedger(connection)
            asked = asyncio.create_task(ledger.begin(claim()))
            await away(heard)
            assert connection.outage.away
            up_at = time.monotonic()
            await asyncio.to_thread(server.start)
            grant = await asked
            assert isinstance(grant, Granted)
            assert up_at + 29.99 <= grant.deadline <= time.monotonic() + 30
            assert not connection.outage.away
            assert told(heard) == [ServerAway, ServerBack]
    finally:
        server.close()


async def test_an_idle_connection_notices_that_redis_went_and_came(server: PrivateRedis) -> None:
    heard = Heard()
    async with Connection(server.url, SystemClock(), heard):
        server.kill()
        await away(heard)
        await asyncio.to_thread(server.start)
        while told(heard) != [ServerAway, ServerBack]:
            await asyncio.sleep(0.01)


async def test_work_goes_on_where_redis_comes_back_with_its_data() -> None:
    heard, jobs = Heard(), [claim(recipient=f"+{index}") for index in range(300)]
    with LastingRedis() as server:
        async with Connection(server.url, SystemClock(), heard) as connection:
            ledger = RedisLedger(connection)
            held = claim(charge(ONE_AN_HOUR))
            assert isinstance(await ledger.begin(held), Granted)
            server.kill()
            asked = [asyncio.create_task(ledger.begin(job)) for job in jobs]
            await away(heard)
            await asyncio.to_thread(server.start)
            grants = await asyncio.gather(*asked)
            assert all(isinstance(grant, Granted) and grant.fence == 1 for grant in grants)
            assert isinstance(await ledger.begin(held), Busy)
            assert isinstance(await ledger.begin(claim(charge(ONE_AN_HOUR))), Limited)
            assert told(heard) == [ServerAway, ServerBack]


async def test_a_result_is_recorded_where_redis_comes_back_empty(server: PrivateRedis) -> None:
    heard = Heard()
    async with Connection(server.url, SystemClock(), heard) as connection:
        ledger = RedisLedger(connection)
        grant = await ledger.begin(claim())
        assert isinstance(grant, Granted)
        server.kill()
        result = receipt(grant.claim.job)
        asked = asyncio.create_task(ledger.finish(grant, result))
        await away(heard)
        await asyncio.to_thread(server.start)
        assert await asked == result
        assert await ledger.find(NUMBER, grant.claim.job) == result


async def test_a_look_at_the_clock_waits_for_a_redis_that_is_away(server: PrivateRedis) -> None:
    heard = Heard()
    async with Connection(server.url, SystemClock(), heard) as connection:
        server.kill()
        looking = asyncio.create_task(connection.wait_for_clock())
        await away(heard)
        await asyncio.to_thread(server.start)
        await looking


async def test_a_connection_that_is_reset_while_something_is_written_is_made_anew(
    server: PrivateRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = redis.asyncio.Connection.send_packed_command
    times = 0

    async def closed_meanwhile(self: redis.asyncio.Connection, *args: object, **named: object) -> None:
        nonlocal times
        times += 1
        if times <= 2:  # as uvloop says it
            raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
        await send(self, *args, **named)  # type: ignore[arg-type]

    async with Connection(server.url, SystemClock(), Heard()) as connection:
        monkeypatch.setattr(redis.asyncio.Connection, "send_packed_command", closed_meanwhile)
        asked = RedisLedger(connection).begin(claim()), connection.wait_for_clock()
        grant, _ = await asyncio.gather(*asked)
        assert isinstance(grant, Granted)


async def test_closing_fails_what_an_absent_redis_was_asked() -> None:
    server, heard = PrivateRedis(), Heard()
    connection = Connection(server.url, SystemClock(), heard)
    await connection.open()
    asked = asyncio.create_task(RedisLedger(connection).begin(claim()))
    await away(heard)
    await connection.close()
    with pytest.raises(ConnectionError):
        await asked
    server.close()


@pytest.mark.parametrize("setting", ["maxmemory", "min-replicas-to-write"])
async def test_a_redis_that_takes_no_writes_is_waited_for_and_told_of_once(
    server: PrivateRedis, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.redis.connection.PROBE_S", 0.01)
    heard = Heard()
    async with Connection(server.url, SystemClock(), heard) as connection, Redis.from_url(server.url) as admin:
        await admin.config_set(setting, "1")
        asked = asyncio.create_task(RedisLedger(connection).begin(claim()))
        await away(heard)
        await admin.config_resetstat()
        while (await admin.info("commandstats")).get("cmdstat_time", {"calls": 0})["calls"] < 5:
            await asyncio.sleep(0.01)
        assert connection.outage.away
        await admin.config_set(setting, "0")
        assert isinstance(await asked, Granted)
        assert told(heard) == [ServerAway, ServerBack]


async def test_a_redis_that_hangs_acts_once(server: PrivateRedis) -> None:
    heard = Heard()
    async with Connection(server.url, SystemClock(), heard) as connection, Redis.from_url(server.url) as admin:
        ledger = RedisLedger(connection)
        await admin.client_pause(round(TIMEOUT_S * 1000) + 500)
        asked_at = time.monotonic()
        grant = await ledger.begin(claim(charge(ONE_AN_HOUR)))
        assert time.monotonic() > asked_at + TIMEOUT_S
        assert isinstance(grant, Granted)
        assert grant.fence == 1
        assert isinstance(await ledger.begin(claim(charge(ONE_AN_HOUR))), Limited)
        assert told(heard) == [ServerAway, ServerBack]


async def test_an_answer_that_comes_too_late_is_nobody_elses(server: PrivateRedis) -> None:
    async with Redis.from_url(server.url) as client, Redis.from_url(server.url) as admin:
        await client.ping()
        await admin.client_pause(300)
        with pytest.raises(TimeoutError):
            await exchange(client.connection_pool, [("ECHO", "first")], 0.05)
        assert await exchange(client.connection_pool, [("ECHO", "second")], 60) == [b"second"]


async def test_a_call_that_redis_refuses_for_good_fails_alone(server: PrivateRedis) -> None:
    async with Connection(server.url, SystemClock(), Heard()) as connection:
        wrong = asyncio.create_task(connection.ask(Call(("HGET", "one argument"))))
        right = asyncio.create_task(RedisLedger(connection).begin(claim()))
        assert isinstance(await right, Granted)
        with pytest.raises(Exception, match="wrong number of arguments"):
            await wrong


async def test_forgotten_scripts_are_loaded_again(server: PrivateRedis) -> None:
    heard = Heard()
    async with Connection(server.url, SystemClock(), heard) as connection, Redis.from_url(server.url) as admin:
        ledger = RedisLedger(connection)
        for _ in range(2):
            grant = await ledger.begin(claim())
            assert isinstance(grant, Granted)
            assert await ledger.finish(grant, receipt(grant.claim.job)) is not None
            await admin.script_flush()
    assert heard == []


class LossyProxy:
    """Stands before Redis and, when told, hands a request on but breaks the line instead of the answer."""

    def __init__(self, server: PrivateRedis) -> None:
        self._server = server
        self.url = ""
        self.lose = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[LossyProxy]:
        proxy = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/0"
        async with proxy:
            yield self

    async def _relay(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        redis_reader, redis = await asyncio.open_connection("127.0.0.1", self._server.port)
        forth = asyncio.create_task(self._forth(client_reader, redis))
        try:
            while answer := await redis_reader.read(65536):
                if self.lose and b"PONG" not in answer:
                    self.lose -= 1
                    break
                client.write(answer)
                await client.drain()
        except ConnectionError:
            pass
        finally:
            forth.cancel()
            client.close()
            redis.close()

    async def _forth(self, reader: asyncio.StreamReader, redis: asyncio.StreamWriter) -> None:
        while asked := await reader.read(65536):
            redis.write(asked)
            await redis.drain()
        redis.close()


async def test_a_lost_answer_neither_charges_nor_grants_twice(server: PrivateRedis) -> None:
    quota = rule("2/1h", "2000/1h", name="quota", key=("account",))
    async with (
        LossyProxy(server).running() as proxy,
        Connection(proxy.url, SystemClock(), Heard()) as connection,
    ):
        ledger = RedisLedger(connection)
        warm = await ledger.begin(claim(charge(quota)))
        assert isinstance(warm, Granted)
        await ledger.release(warm, attempts=0)

        wish = claim(charge(rule("2/1h")), charge(quota))
        proxy.lose = 2
        grant = await ledger.begin(wish)
        assert proxy.lose == 0
        assert isinstance(grant, Granted)
        assert grant.fence == 1
        assert grant.deadline <= time.monotonic() + 30

        proxy.lose = 2
        await ledger.release(grant, attempts=3)
        assert proxy.lose == 0
        again = await ledger.begin(wish)
        assert isinstance(again, Granted)
        assert (again.fence, again.attempts) == (2, 3)

        proxy.lose = 1
        result = receipt(wish.job)
        assert await ledger.finish(again, result) == result
        assert isinstance(await ledger.begin(claim(charge(rule("2/1h")), charge(quota))), Granted)
        assert isinstance(await ledger.begin(claim(charge(rule("2/1h")), charge(quota))), Limited)
