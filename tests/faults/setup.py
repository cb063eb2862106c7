"""Makes an installation for a row: prefix, database, proxies, carrier, settings, and two workers not started yet."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from adapters.postgres.migrate import migrate
from adapters.rabbitmq.connection import connected, open_channel
from adapters.rabbitmq.topology import Names, declare
from tests.faults.callback import Callback
from tests.faults.jobs import settings_toml
from tests.faults.lab import Lab
from tests.faults.processes import CarrierProcess, Worker
from tests.faults.proxy import proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.faults.servers import Servers


@asynccontextmanager
async def lab(
    servers: Servers, folder: Path, seed: int, *, concurrency: int = 50, workers: int = 2, more: str = ""
) -> AsyncIterator[Lab]:
    """An installation on the servers; what it leaves on them is removed, its processes are ended."""
    prefix = f"f{uuid4().hex[:12]}"
    async with AsyncExitStack() as stack:
        carrier = CarrierProcess(folder, seed)
        stack.callback(carrier.close)
        ways = {name: await stack.enter_async_context(proxy(carrier.port)) for name in ("alpha", "beta")}
        settings = folder / "sms.toml"
        settings.write_text(settings_toml(ways["alpha"].port, ways["beta"].port, concurrency=concurrency, more=more))
        database_url = await _database(stack, servers.postgres.url, prefix)
        await asyncio.gather(carrier.start(), _declare(stack, servers.rabbit.url, prefix), migrate(database_url))
        team = []
        for position in range(workers):
            proxies = {
                "amqp": await stack.enter_async_context(proxy(servers.rabbit.port)),
                "redis": await stack.enter_async_context(proxy(servers.redis.port)),
                "postgres": await stack.enter_async_context(proxy(servers.postgres.port)),
            }
            environment = {
                "SMS_AMQP_URL": proxies["amqp"].before(servers.rabbit.url),
                "SMS_REDIS_URL": proxies["redis"].before(servers.redis.url),
                "SMS_POSTGRES_URL": proxies["postgres"].before(database_url),
                "SMS_PREFIX": prefix,
                "SMS_CONFIG": str(settings),
            }
            worker = Worker("abcdefgh"[position], folder, environment, proxies)
            stack.callback(worker.close)
            team.append(worker)
        await carrier.report_to([worker.url for worker in team])
        callback = Callback(servers.rabbit.url, prefix)
        callback.listen()
        stack.push_async_callback(callback.close)
        yield Lab(seed, servers, prefix, carrier, callback, team, ways, database_url, folder)


async def _declare(stack: AsyncExitStack, url: str, prefix: str) -> None:
    async with connected(url, prefix) as connection:
        await declare(await open_channel(connection), prefix)
    stack.push_async_callback(_remove, url, prefix)


async def _remove(url: str, prefix: str) -> None:
    names = Names(prefix)
    with contextlib.suppress(ConnectionError):
        async with connected(url, prefix) as connection:
            channel = await open_channel(connection)
            for queue in names.queues:
                await channel.queue_delete(queue)
            for exchange in names.exchanges:
                await channel.exchange_delete(exchange)


async def _database(stack: AsyncExitStack, url: str, prefix: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'create database "{prefix}"')
    finally:
        await connection.close()
    stack.push_async_callback(_drop, url, prefix)
    return urlunsplit(urlsplit(url)._replace(path=f"/{prefix}"))


async def _drop(url: str, prefix: str) -> None:
    with contextlib.suppress(OSError):
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(f'drop database "{prefix}" with (force)')
        finally:
            await connection.close()
