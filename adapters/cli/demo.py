"""`sms-engine demo`: a few thousand messages over three simulated carriers, one of which dies half-way."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003  (cyclopts reads it)
from random import Random
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

from cyclopts import Parameter, validators
from rich.console import Console
from rich.live import Live

from adapters.bootstrap.service import service
from adapters.carriers.simulator import SimulatedChannel
from adapters.cli import csv_jobs, view
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.cli.tally import Tally
from adapters.clock import SystemClock
from config.load import load
from engine.message import Category, Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from adapters.bootstrap.service import Service
    from config.settings import Settings

CARRIERS: list[dict[str, Any]] = [
    {"name": "alpha", "latency_s": 0.04, "receipt_delay_s": 0.6, "receipt_early": 0.02},
    {"name": "beta", "latency_s": 0.08, "receipt_delay_s": 0.9, "receipt_twice": 0.02},
    {"name": "gamma", "latency_s": 0.12, "receipt_delay_s": 1.2, "undelivered": 0.01, "refused": 0.01},
]
DYING = "alpha"
RATE = 100.0  #: segments a second that each carrier takes: enough for two of them to carry what is enqueued
ENQUEUED_PER_S = 150
REFRESH_S, LINE_EVERY_S = 0.125, 2.0
PATIENCE_S = 60.0  #: for the last receipts after the last message was enqueued

Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100_000))]


@dataclass(slots=True)
class Scene:
    """What is going on, for the view to tell."""

    total: int
    news: str = "Three carriers are well."
    dead: str | None = None

    def notes(self, channels: Sequence[str]) -> dict[str, str]:
        """A word on each channel."""
        return {name: "dead" if name == self.dead else "" for name in channels}


def demo(
    rows: Annotated[Path | None, Parameter(help="Send the rows of this CSV file instead.")] = None,
    /,
    *,
    messages: Count = 3000,
    picture: Annotated[Path | None, Parameter(help="On a terminal: save the view near the end (SVG).")] = None,
    config: Config = None,
) -> int:
    """Watch the engine work, with nothing installed: embedded, simulated carriers, one of them dying half-way.

    With a CSV file (columns to, signature, template, and one for each variable) its rows are sent the same way.
    The exit code is 0 only if every message ended in a final receipt.
    """
    channels = [{"kind": "simulator", "rate": RATE, "window": 100, **carrier} for carrier in CARRIERS]
    settings = load({"config": config, "channels": channels, "http_port": 0})
    settings = settings.model_copy(update={"amqp_url": None, "redis_url": None, "postgres_url": None})
    jobs = _from_rows(csv_jobs.read(rows), settings) if rows else _made_up(messages)
    if not jobs:
        print("There are no rows to send.")
        return 0
    return run(_demo(settings, jobs, picture))


async def _demo(settings: Settings, jobs: list[Job], picture: Path | None) -> int:
    logging.disable(logging.CRITICAL)  # the screen belongs to the view
    console = Console()
    stop, scene = asyncio.Event(), Scene(len(jobs))
    tally = Tally(SystemClock(), scene.total)
    started = time.monotonic()
    async with service(settings, stop, tally) as running, asyncio.TaskGroup() as group:
        working = group.create_task(running.work(stop))
        showing = group.create_task(_show(console, tally, running, scene, picture))
        await _enqueue(running, jobs, scene)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await tally.finished.wait()
        stop.set()
        await working
        showing.cancel()
    told = view.summary(tally, scene.total, time.monotonic() - started)
    console.print(told, highlight=False, soft_wrap=True)
    if tally.final < scene.total:
        console.print(f"{scene.total - tally.final:,} messages have no final receipt.", style="red")
    return 0 if tally.final >= scene.total else 1


async def _enqueue(running: Service, jobs: list[Job], scene: Scene) -> None:
    """Hand in the jobs at a steady pace; half-way, one carrier dies."""
    started = time.monotonic()
    for position, job in enumerate(jobs):
        if position == len(jobs) // 2:
            dying = running.channels[DYING]
            assert isinstance(dying, SimulatedChannel)
            dying.die()
            scene.dead, scene.news = DYING, f"{DYING} died: it refuses every connection. Watch its share go."
        ahead_s = position / ENQUEUED_PER_S - (time.monotonic() - started)
        await asyncio.sleep(max(0.0, ahead_s))
        await running.backends.intake.put([job._replace(enqueued_at=datetime.now(UTC))])


async def _show(console: Console, tally: Tally, running: Service, scene: Scene, picture: Path | None) -> None:
    def now() -> RenderableType:
        return view.screen(tally, running.health, scene.notes(list(running.channels)), scene.total, scene.news)

    if not console.is_terminal:
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            told = view.line(tally, scene.total) + (f" · {scene.dead} is dead" if scene.dead else "")
            console.print(told, highlight=False, soft_wrap=True)
    with Live(now(), console=console, refresh_per_second=1 / REFRESH_S, transient=False) as live:
        while True:
            live.update(now())
            if picture and tally.final >= scene.total * 0.9:
                _save(now(), picture)
                picture = None
            await asyncio.sleep(REFRESH_S)


def _save(screen: RenderableType, picture: Path) -> None:
    recorder = Console(record=True, width=98, file=io.StringIO(), force_terminal=True)
    recorder.print(screen)
    svg = recorder.export_svg(title="sms-engine demo")
    # Without rich's web fonts: a picture shall ask nobody for anything.
    picture.write_text(re.sub(r"@font-face {.*?}\n", "", svg, flags=re.DOTALL), encoding="utf-8")


def _made_up(count: int) -> list[Job]:
    """Messages of all categories to numbers that are nobody's in particular; a few ask for a code twice too soon."""
    rng, now = Random(1), datetime.now(UTC)
    jobs = []
    for position in range(count):
        to = f"+861380{rng.randrange(10**7):07}" if position % 50 else "+8613800000000"
        category = rng.choices(list(Category), (3, 4, 3))[0]
        template, params = {
            Category.OTP: ("SMS_1001", {"code": f"{rng.randrange(10**6):06}"}),
            Category.NOTIFICATION: ("SMS_2001", {"order": str(position), "day": "on Monday"}),
            Category.PROMOTION: ("SMS_3001", {}),
        }[category]
        jobs.append(Job(uuid4(), to, category, now, "Acme", template, params))
    return jobs


def _from_rows(rows: list[csv_jobs.Row], settings: Settings) -> list[Job]:
    categories = {template.code: template.category for template in settings.templates}
    now = datetime.now(UTC)
    return [
        Job(
            id=uuid4(),
            to=row.to,
            category=categories.get(row.template, Category.NOTIFICATION),
            enqueued_at=now,
            signature=row.signature,
            template=row.template,
            params=row.params,
            account=row.account,
            ref=row.ref,
        )
        for row in rows
    ]
