"""`sms-engine blocks`: who gets no promotions, and an operator's hand on it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Parameter

from adapters.cli.errors import CommandError
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.clock import SystemClock
from adapters.numbers import PhoneNumbers
from adapters.postgres.replies import PostgresReplyStore
from adapters.postgres.store import PostgresMessageStore
from adapters.redis.connection import Connection
from adapters.redis.opt_outs import RedisOptOuts
from adapters.telemetry.fanout import Fanout
from adapters.wire import rfc3339
from config.load import load
from config.servers import urls
from engine.opt_out import EVERY_ACCOUNT, OptOut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

    from config.settings import Settings

A = TypeVar("A")

ANSWER_S = 10.0  #: for one number, or one page of the list
PAGE = 1000

Account = Annotated[str | None, Parameter(help="Of this account's promotions only; otherwise of every account's.")]

blocks = App(
    name="blocks",
    help="See who gets no promotions, and put numbers there or take them off; codes and notifications still go.",
    help_format="markdown",
)


@blocks.command
def ls(*, config: Config = None) -> None:
    """List who gets no promotions: number, account (* for every one), since when, by which word."""
    run(_ls(_settings(config)))


@blocks.command
def add(number: str, /, *, account: Account = None, config: Config = None) -> None:
    """Send a number no promotions from now on."""
    settings = _settings(config)
    run(_add(settings, _read(settings, number), account or EVERY_ACCOUNT))


@blocks.command
def remove(number: str, /, *, account: Account = None, config: Config = None) -> None:
    """Let a number have promotions again."""
    settings = _settings(config)
    run(_remove(settings, _read(settings, number), account))


async def _ls(settings: Settings) -> None:
    async with _opened(settings) as (store, _):
        after = None
        while page := await _soon(store.standing(after, PAGE)):
            for each in page:
                print(each.recipient, each.account, rfc3339(each.since), each.keyword or "(operator)")
            after = page[-1]


async def _add(settings: Settings, number: str, account: str) -> None:
    async with _opened(settings) as (store, opt_outs):
        known = await _soon(store.note([OptOut(number, account, SystemClock().now())]))
        await _soon(opt_outs.settle(number, known))


async def _remove(settings: Settings, number: str, account: str | None) -> None:
    now = SystemClock().now()
    lift = OptOut(number, account or EVERY_ACCOUNT, now, now)
    async with _opened(settings) as (store, opt_outs):
        known = await _soon(store.note([lift]))
        if account is None:
            lifts = [replace(lift, account=each.account) for each in known]
            known = await _soon(store.note(lifts)) if lifts else known
        await _soon(opt_outs.settle(number, known))


async def _nothing_waits() -> None:
    """A command assigns no inbound messages, and so waits for none."""


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[PostgresReplyStore, RedisOptOuts]]:
    _, redis_url, postgres_url = urls(settings)
    clock = SystemClock()
    async with (
        PostgresMessageStore(postgres_url, clock, Fanout()) as messages,
        Connection(redis_url, clock, Fanout(), settings.prefix) as redis,
    ):
        store = PostgresReplyStore(messages.database)
        yield store, RedisOptOuts(redis, settings.prefix, store, assigned=_nothing_waits)


async def _soon(answer: Awaitable[A]) -> A:
    try:
        async with asyncio.timeout(ANSWER_S):
            return await answer
    except TimeoutError:
        raise CommandError(
            "Postgres or Redis does not answer, or `sms-engine init` was not run. It may be half done: ask again."
        ) from None


def _settings(config: Path | None) -> Settings:
    settings = load({"config": config})
    if settings.embedded:
        raise CommandError("no server is configured; an embedded worker forgets its block list when it ends.")
    return settings


def _read(settings: Settings, number: str) -> str:
    recipient = PhoneNumbers(settings.default_region).read(number)
    if recipient is None:
        raise CommandError("this is not a phone number that can exist.")
    return recipient.number
