"""`sms-engine dead`: look at what was put aside, and put it back."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter, validators
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from adapters.cli.errors import CommandError, broker_away
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.rabbitmq.dead_letters import dead_letters
from config.load import load
from config.servers import required

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.rabbitmq.dead_letters import DeadLetter
    from config.settings import Settings

EVERYTHING = 2**31

dead = App(
    name="dead",
    help="Look at what was put aside: bodies that are no jobs, and jobs that ended every worker that took them.",
    help_format="markdown",
)


@dead.command
def ls(
    *,
    last: Annotated[int, Parameter(help="How many, from the oldest on.", validator=validators.Number(gte=1))] = 100,
    text: Annotated[str | None, Parameter(name="--filter", help="Only with this in reason, origin or body.")] = None,
    config: Config = None,
) -> None:
    """List dead letters, oldest first; nothing is changed."""
    run(_ls(_settings(config), last, text))


@dead.command
def show(number: Annotated[int, Parameter(validator=validators.Number(gte=1))], /, *, config: Config = None) -> None:
    """Print one dead letter whole, as numbered by `dead ls`; it holds what was sent, numbers and texts too."""
    run(_show(_settings(config), number))


@dead.command
def redrive(
    *,
    text: Annotated[str | None, Parameter(name="--filter", help="Only with this in reason, origin or body.")] = None,
    rate: Annotated[
        float | None, Parameter(help="Not more than so many messages a second.", validator=validators.Number(gt=0))
    ] = None,
    dry_run: Annotated[bool, Parameter(negative="", help="Only say what would be put back.")] = False,
    config: Config = None,
) -> None:
    """Put dead letters back to where they came from, unchanged: what was done already is not done again.

    Each is removed once the broker has confirmed it in its old queue; Ctrl-C leaves the rest as it was.
    """
    run(_redrive(_settings(config), text, rate, dry_run=dry_run))


def _settings(config: Path | None) -> Settings:
    settings = load({"config": config})
    if settings.embedded:
        raise CommandError("no server is configured; an embedded worker puts nothing aside, it refuses at once.")
    return settings


async def _ls(settings: Settings, last: int, text: str | None) -> None:
    table = Table("no", "received at", "from", "bytes", "reason", box=None)
    try:
        async with dead_letters(required(settings, "amqp_url"), settings.prefix) as letters:
            count, number = await letters.count(), 0
            async for letter in letters.read(last):
                number += 1
                if _matches(letter, text):
                    size = str(len(letter.body))
                    table.add_row(str(number), letter.received_at or "-", letter.came_from, size, letter.reason)
    except ConnectionError as error:
        raise broker_away(error) from None
    if table.row_count:
        Console(width=None if sys.stdout.isatty() else 200).print(table)
    print(f"{table.row_count} shown of {count:,} dead letters" if count else "no dead letters")


async def _show(settings: Settings, number: int) -> None:
    seen = 0
    try:
        async with dead_letters(required(settings, "amqp_url"), settings.prefix) as letters:
            async for letter in letters.read(number):
                seen += 1
                if seen == number:
                    return print(_whole(letter))
    except ConnectionError as error:
        raise broker_away(error) from None
    raise CommandError(f"there are {seen} dead letters, and none is number {number}.")


async def _redrive(settings: Settings, text: str | None, rate: float | None, *, dry_run: bool) -> None:
    done = kept = 0
    columns = (TextColumn("put back"), BarColumn(), MofNCompleteColumn())
    try:
        async with dead_letters(required(settings, "amqp_url"), settings.prefix) as letters:
            total = await letters.count()
            with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
                bar = progress.add_task("", total=total)
                async for letter in letters.read(EVERYTHING):
                    if _matches(letter, text) and (dry_run or await letters.redrive(letter)):
                        done += 1
                        await asyncio.sleep(0 if rate is None or dry_run else 1 / rate)
                    else:
                        kept += 1
                    progress.advance(bar)
    except ConnectionError as error:
        raise broker_away(error, f"; {done} were put back") from None
    print(f"{done} {'would be ' if dry_run else ''}put back, {kept} left as they are")


def _matches(letter: DeadLetter, text: str | None) -> bool:
    return text is None or any(
        text.lower() in part.lower()
        for part in (letter.reason, letter.came_from, letter.body.decode("utf-8", errors="replace"))
    )


def _whole(letter: DeadLetter) -> str:
    about: dict[str, Any] = {
        "reason": letter.reason,
        "received_at": letter.received_at or None,
        "from": letter.came_from,
        "headers": {name: str(value) for name, value in (letter.message.header.properties.headers or {}).items()},
    }
    # A body may be anything, and a terminal obeys control characters.
    body = re.sub(r"[^\x20-\x7e\n\u00a0-\uffff]", "�", letter.body.decode("utf-8", errors="replace"))
    return json.dumps(about, indent=2, ensure_ascii=False) + "\n" + body
