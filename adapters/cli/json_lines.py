"""What was published, one JSON object a line: live from RabbitMQ, or the newest from Postgres."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from adapters.cli.errors import CommandError, broker_away
from adapters.clock import SystemClock
from adapters.postgres.store import PostgresMessageStore
from adapters.rabbitmq import tail
from adapters.telemetry.fanout import Fanout
from config.servers import required

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from config.settings import Settings

ANSWER_S = 10.0


async def follow(
    settings: Settings, exchange: str, account: str | None, objects: Callable[[bytes], Iterable[bytes]]
) -> None:
    """Print what is published from now on, of one account or of all; `objects` takes a body apart.

    Raises:
        CommandError: RabbitMQ is away.
    """
    try:
        async for body in tail.follow(required(settings, "amqp_url"), settings.prefix, exchange, account or "#"):
            _print(objects(body))
            sys.stdout.flush()
    except ConnectionError as error:
        raise broker_away(error) from None


async def last(settings: Settings, newest: Callable[[PostgresMessageStore], Awaitable[Iterable[bytes]]]) -> None:
    """Print what stands in Postgres, in the order in which `newest` answers it.

    Raises:
        CommandError: Postgres is away, or was not prepared.
    """
    try:
        async with (
            PostgresMessageStore(required(settings, "postgres_url"), SystemClock(), Fanout()) as store,
            asyncio.timeout(ANSWER_S),
        ):
            _print(await newest(store))
    except TimeoutError:
        raise CommandError("Postgres does not answer, or `sms-engine init` was not run.") from None


def _print(objects: Iterable[bytes]) -> None:
    for each in objects:
        sys.stdout.buffer.write(each + b"\n")
