"""`sms-engine replies`: see what people write back."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from adapters import wire_inbound
from adapters.bootstrap.backends import required
from adapters.cli.errors import CommandError, broker_away
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.rabbitmq.tail import follow as look_on
from adapters.rabbitmq.topology import Names
from config.load import load

if TYPE_CHECKING:
    from config.settings import Settings


def replies(
    *,
    follow: Annotated[bool, Parameter(negative="", help="Print replies as they are published, until Ctrl-C.")] = False,
    account: Annotated[str | None, Parameter(help="Of this account only.")] = None,
    config: Config = None,
) -> None:
    """Print what people write to us, one JSON object a line, live from RabbitMQ.

    Following reads from a queue of its own and takes nothing from the business services. Those that came before stand
    in the table `inbound`.
    """
    settings = load({"config": config})
    if settings.embedded:
        raise CommandError("no server is configured; an embedded worker keeps what people write to itself.")
    if not follow:
        raise CommandError("replies are shown with --follow; those that came before stand in the table `inbound`.")
    with suppress(KeyboardInterrupt, BrokenPipeError):
        run(_follow(settings, account))


async def _follow(settings: Settings, account: str | None) -> None:
    url = required(settings, "amqp_url")
    try:
        async for body in look_on(url, settings.prefix, Names(settings.prefix).inbound, account or "#"):
            for reply in wire_inbound.decode_replies(body):
                sys.stdout.buffer.write(wire_inbound.encode_reply(reply) + b"\n")
            sys.stdout.flush()
    except ConnectionError as error:
        raise broker_away(error) from None
