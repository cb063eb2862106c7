"""`sms-engine replies`: see what people write back."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from adapters import wire_inbound
from adapters.cli import json_lines
from adapters.cli.errors import CommandError
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.postgres.replies import PostgresReplyStore
from adapters.rabbitmq.topology import Names
from config.load import load

if TYPE_CHECKING:
    from adapters.postgres.store import PostgresMessageStore


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
        if follow:
            run(json_lines.follow(settings, Names(settings.prefix).inbound, account, _objects))
        else:
            run(json_lines.last(settings, partial(_newest, last)))


def _objects(body: bytes) -> list[bytes]:
    return [wire_inbound.encode_reply(reply) for reply in wire_inbound.decode_replies(body)]


async def _newest(count: int, store: PostgresMessageStore) -> list[bytes]:
    """The oldest of them first."""
    return [
        wire_inbound.encode_reply(reply) for reply in reversed(await PostgresReplyStore(store.database).recent(count))
    ]
