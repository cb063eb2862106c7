"""`sms-engine receipts`: see what became of messages."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from adapters import wire_receipts
from adapters.cli import json_lines
from adapters.cli.errors import CommandError
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.rabbitmq.topology import Names
from config.load import load

if TYPE_CHECKING:
    from adapters.postgres.store import PostgresMessageStore


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
        if follow:
            run(json_lines.follow(settings, Names(settings.prefix).receipts, account, _objects))
        else:
            run(json_lines.last(settings, partial(_newest, last)))


def _objects(body: bytes) -> list[bytes]:
    return [wire_receipts.encode_receipt(receipt) for receipt in wire_receipts.decode_receipts(body)]


async def _newest(count: int, store: PostgresMessageStore) -> list[bytes]:
    """The oldest of them first."""
    return [wire_receipts.encode_receipt(receipt) for receipt in reversed(await store.recent(count))]
