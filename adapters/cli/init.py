"""`sms-engine init`: prepare the servers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import asyncpg
from cyclopts import Parameter, validators
from redis.asyncio import Redis
from redis.exceptions import RedisError

from adapters.cli.errors import CommandError
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.outage import NotPreparedError
from adapters.postgres.migrate import ChangedMigrationError, migrate
from adapters.rabbitmq.connection import connected, open_channel
from adapters.rabbitmq.topology import Names, declare
from config.load import load
from config.servers import urls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from config.settings import Settings

AGAIN_AFTER_S = 0.5


def init(
    *,
    config: Config = None,
    wait_s: Annotated[
        float, Parameter(help="How long to wait for servers that are away.", validator=validators.Number(gte=0))
    ] = 30.0,
) -> None:
    """Create the exchanges and queues, and bring the database up to date. It may be run any number of times."""
    run(_init(load({"config": config}), wait_s))


async def _init(settings: Settings, wait_s: float) -> None:
    amqp_url, redis_url, postgres_url = urls(settings)

    async def broker() -> str:
        async with connected(amqp_url, f"{settings.prefix} init") as connection:
            await declare(await open_channel(connection), settings.prefix)
        names = Names(settings.prefix)
        return f"{len(names.exchanges)} exchanges and {len(names.queues)} queues stand"

    async def database() -> str:
        applied = await migrate(postgres_url)
        return f"applied {', '.join(applied)}" if applied else "up to date"

    async def ledger() -> str:
        async with Redis.from_url(redis_url) as redis:
            await redis.ping()
        return "answers; there is nothing to prepare"

    for server, prepare in {"RabbitMQ": broker, "Postgres": database, "Redis": ledger}.items():
        print(f"{server:<9} {await _patiently(server, prepare, wait_s)}")


async def _patiently(server: str, prepare: Callable[[], Awaitable[str]], wait_s: float) -> str:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + wait_s
    told = False
    while True:
        try:
            return await prepare()
        except (NotPreparedError, ChangedMigrationError) as error:
            raise CommandError(str(error)) from None
        except (OSError, RedisError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
            if loop.time() >= give_up_at:
                raise CommandError(f"{server} does not answer ({type(error).__name__}).") from None
        except asyncpg.PostgresError as error:
            raise CommandError(f"{server} refuses: {error}.") from None
        if not told:
            print(f"{server:<9} is away; waiting up to {wait_s:g} s")
            told = True
        await asyncio.sleep(AGAIN_AFTER_S)
