"""`sms-engine receipts`: see what became of messages."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from adapters import wire
from adapters.bootstrap.backends import required
from adapters.cli.errors import CommandError, broker_away
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.clock import SystemClock
from adapters.postgres.store import PostgresMessageStore
from adapters.rabbitmq.tail import follow as look_on
from adapters.rabbitmq.topology import Names
from adapters.telemetry.fanout import Fanout
from config.load import load

if TYPE_CHECKING:
    from config.settings import Settings

ANSWER_S = 10.0


def receipts(
    *,
    follow: Annotated[bool, Parameter(negative="", help="Print receipts as they are published, until Ctrl-C.")] = False,
    account: Annotated[str | None, Parameter(help="With --follow: of this account only.")] = None,
    last: Annotated[
        int, Parameter(help="Without --follow: how many of the newest.", validator=validators.Number(gte=1, lte=10_000))
    ] = 20,
    config: Config = None,
) -> None:
    """Print receipts, one JSON object a line: the newest from Postgres, or with --follow live from RabbitMQ.

    Following reads from a queue of its own and takes nothing from the business services. An embedded worker has
    neither server: ask it with GET /v1/jobs/ID.
    """
    settings = load({"config": config})
    if settings.embedded:
        raise CommandError("no server is configured; an embedded worker answers GET /v1/jobs/ID instead.")
    with suppress(KeyboardInterrupt, BrokenPipeError):
        run(_follow(settings, account) if follow else _last(settings, last))


async def _follow(settings: Settings, account: str | None) -> None:
    url = required(settings, "amqp_url")
    try:
        async for body in look_on(url, settings.prefix, Names(settings.prefix).receipts, account or "#"):
            for receipt in wire.decode_receipts(body):
                sys.stdout.buffer.write(wire.encode_receipt(receipt) + b"\n")
            sys.stdout.flush()
    except ConnectionError as error:
        raise broker_away(error) from None


async def _last(settings: Settings, count: int) -> None:
    try:
        async with (
            PostgresMessageStore(required(settings, "postgres_url"), SystemClock(), Fanout()) as store,
            asyncio.timeout(ANSWER_S),
        ):
            for receipt in reversed(await store.recent(count)):
                sys.stdout.buffer.write(wire.encode_receipt(receipt) + b"\n")
    except TimeoutError:
        raise CommandError("Postgres does not answer, or `sms-engine init` was not run.") from None
