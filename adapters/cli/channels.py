"""`sms-engine channels`: how the channels do, live; and an operator's hand on them."""

from __future__ import annotations

import asyncio
import getpass
import re
import sys
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators
from rich.console import Console
from rich.live import Live

from adapters.bootstrap.channels import terms
from adapters.cli import channels_view
from adapters.cli.errors import CommandError
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.clock import SystemClock
from adapters.numbers import PhoneNumbers
from adapters.postgres import channels as book
from adapters.postgres.database import Database
from adapters.redis.connection import Connection
from adapters.redis.health_board import RedisHealthBoard
from adapters.telemetry.fanout import Fanout
from config.load import load
from config.servers import urls
from engine.overview import overview

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from config.settings import Settings

ANSWER_S = 10.0
REFRESH_S = 1.0
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Name = Annotated[str, Parameter(help="The channel, as the settings name it.")]
For = Annotated[str | None, Parameter(name="--for", help="So long, as 30s, 15m, 2h or 1d; otherwise until unpinned.")]

channels = App(
    name="channels",
    help="See how the channels do, and decide by hand; that wins over the engine, on every worker, within a second.",
    help_format="markdown",
)


@channels.default
def show(
    *,
    once: Annotated[bool, Parameter(negative="", help="Print it once, as is done where there is no terminal.")] = False,
    config: Config = None,
) -> None:
    """Show state, score, share of the traffic, rate against cap, latency, receipts, and what was decided last."""
    run(_show(_settings(config), once=once or not sys.stdout.isatty()))


@channels.command
def pin(
    name: Name,
    weight: Annotated[float, Parameter(help="Its weight among the others.", validator=validators.Number(gt=0))],
    /,
    *,
    for_: For = None,
    config: Config = None,
) -> None:
    """Give a channel this weight whatever its health is, even where the engine would leave it alone."""
    run(_pin(_settings(config), name, weight, for_))


@channels.command
def disable(name: Name, /, *, for_: For = None, config: Config = None) -> None:
    """Send nothing over a channel; messages that only it carries wait."""
    run(_pin(_settings(config), name, None, for_))


@channels.command(name=["enable", "unpin"])
def enable(name: Name, /, *, config: Config = None) -> None:
    """Leave a channel to the engine again."""
    run(_unpin(_settings(config), name))


def _settings(config: Path | None) -> Settings:
    settings = load({"config": config})
    if settings.embedded:
        raise CommandError("no server is configured; an embedded worker shows its channels at /metrics.")
    return settings


async def _show(settings: Settings, *, once: bool) -> None:
    clock, quiet = SystemClock(), Fanout()
    _, redis_url, _ = urls(settings)
    numbers = PhoneNumbers(settings.default_region)
    async with Connection(redis_url, clock, quiet, settings.prefix) as redis, _database(settings) as database:
        board = RedisHealthBoard(redis, settings.prefix, terms(settings), numbers, clock, quiet, Random())

        async def look() -> channels_view.RenderableType:
            with suppress(TimeoutError):  # then as last known
                async with asyncio.timeout(REFRESH_S):
                    board.pins = {each.channel: each for each in await book.pins(database)}
            await board.exchange(tell=False)
            return channels_view.table(overview(board))

        if once:
            console = Console(width=None if sys.stdout.isatty() else 200)
            shown = await look()
            if redis.outage.away:
                raise CommandError("Redis does not answer; it holds what the workers tell each other.")
            return console.print(shown)
        with Live(await look(), auto_refresh=False) as live:
            while True:
                await asyncio.sleep(REFRESH_S)
                live.update(await look(), refresh=True)


async def _pin(settings: Settings, name: str, weight: float | None, for_: str | None) -> None:
    seconds = None if for_ is None else _seconds(for_)
    async with _decided(settings, name) as database:
        await book.pin(database, name, weight, seconds, getpass.getuser())
    what = "gets nothing" if weight is None else f"has the weight {weight:g}"
    print(f"{name} {what} {'until `sms-engine channels enable`' if for_ is None else f'for {for_}'}")


async def _unpin(settings: Settings, name: str) -> None:
    async with _decided(settings, name) as database:
        pinned = await book.unpin(database, name, getpass.getuser())
    print(f"{name} is left to the engine{' again' if pinned else ', as it was'}")


@asynccontextmanager
async def _decided(settings: Settings, name: str) -> AsyncIterator[Database]:
    if name not in (names := [channel.name for channel in settings.channels]):
        raise CommandError(f"there is no channel {name!r}: the settings name {', '.join(names)}.")
    try:
        async with asyncio.timeout(ANSWER_S), _database(settings) as database:
            yield database
    except TimeoutError:
        raise CommandError("Postgres does not answer, and what an operator decides is kept there.") from None


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    *_, postgres_url = urls(settings)
    database = Database(postgres_url, SystemClock(), Fanout())
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def _seconds(words: str) -> float:
    if not (found := re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", words)):
        raise CommandError(f"{words!r} is no duration: write 30s, 15m, 2h or 1d.")
    return int(found[1]) * SECONDS[found[2]]
