"""`sms-engine replies`: see what people write back."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from adapters import wire_inbound
from adapters.bootstrap.backends import required
from adapters.cli.errors import CommandError, broker_away
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.clock import SystemClock
from adapters.postgres.replies import PostgresReplyStore
from adapters.postgres.store import PostgresMessageStore
from adapters.rabbitmq.tail import follow as look_on
from adapters.rabbitmq.topology import Names
from adapters.telemetry.fanout import Fanout
from config.load import load

if TYPE_CHECKING:
    from config.settings import Settings

ANSWER_S = 10.0


def replies(
    *,
    follow: Annotated[bool, Parameter(negative="", help="Print replies as they are published, until Ctrl-C.")] = False,
    account: Annotated[str | None, Parameter(help="With --follow: of this account only.")] = None,
    last: Annotated[
        int, Parameter(help="Without --follow: how many of the newest.", validator=validators.Number(gte=1, lte=10_000))
    ] = 20,
    config: Config = None,
) -> None:
    """Print what people write to us, one JSON object a line: the newest from Postgres, or with --follow live.

    Following reads from a queue of its own and takes nothing from the business services.
    """
    settings = load({"config": config})
    if settings.embedded:
        raise CommandError("no server is configured; an embedded worker keeps what people write to itself.")
    with suppress(KeyboardInterrupt, BrokenPipeError):
        run(_follow(settings, account) if follow else _last(settings, last))


async def _follow(settings: Settings, account: str | None) -> None:
    url = required(settings, "amqp_url")
    try:
        async for body in look_on(url, settings.prefix, Names(settings.prefix).inbound, account or "#"):
            for reply in wire_inbound.decode_replies(body):
                sys.stdout.buffer.write(wire_inbound.encode_reply(reply) + b"\n")
            sys.stdout.flush()
    except ConnectionError as error:
        raise broker_away(error) from None


async def _last(settings: Settings, count: int) -> None:
    try:
        async with (
            PostgresMessageStore(required(settings, "postgres_url"), SystemClock(), Fanout()) as messages,
            asyncio.timeout(ANSWER_S),
        ):
            for reply in reversed(await PostgresReplyStore(messages.database).recent(count)):
                sys.stdout.buffer.write(wire_inbound.encode_reply(reply) + b"\n")
    except TimeoutError:
        raise CommandError("Postgres does not answer, or `sms-engine init` was not run.") from None
