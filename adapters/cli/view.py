"""What the demo shows: one screen that is redrawn, or a line now and then where there is no terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from adapters.cli.tally import PROMPT_S, percentile
from engine.message import Category
from engine.receipts import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from adapters.cli.tally import Tally
    from engine.ports import HealthBoard

COLOURS = {
    State.DELIVERED: "green",
    State.SUBMITTED: "cyan",
    State.UNDELIVERED: "yellow",
    State.REJECTED: "magenta",
    State.UNKNOWN: "blue",
    State.FAILED: "red",
    State.EXPIRED: "red",
}


def screen(tally: Tally, health: HealthBoard, notes: Mapping[str, str], total: int, news: str) -> RenderableType:
    """The demo at this moment; `notes` says a word on a channel, `news` what just happened."""
    head = Table.grid(expand=True)
    head.add_column(ratio=1)
    head.add_column(justify="right", width=32)
    head.add_row(
        ProgressBar(total=total, completed=tally.final, width=None),
        Text(f"{tally.final:,} of {total:,}   {tally.per_second():,.0f}/s", style="bold"),
    )
    below = Table.grid(expand=True, padding=(0, 1))
    below.add_column(ratio=1)
    below.add_column(ratio=1)
    below.add_row(_latencies(tally), _states(tally))
    content = Group(head, Text(), _channels(tally, health, notes), Text(), below, Text(), Text(news, style="italic"))
    return Panel(content, title="[bold]sms-engine demo[/bold]", border_style="dim", width=96, padding=(1, 2))


def line(tally: Tally, total: int) -> str:
    """The demo at this moment, in one line."""
    shares = " ".join(f"{name} {share:4.0%}" for name, share in sorted(tally.shares().items()))
    return f"{tally.final:6,} of {total:,} done · {tally.per_second():5.0f}/s · share of traffic: {shares}"


def summary(tally: Tally, total: int, took_s: float) -> str:
    """What it came to, in plain lines."""
    states = " · ".join(f"{count:,} {state}" for state, count in tally.states().most_common())
    sent, delivered, in_time = tally.kept()
    lines = [
        f"{len(tally.latest):,} of {total:,} messages have a receipt after {took_s:.1f} s: {states}",
        (
            f"  of the {sent:,} that broke no rule {delivered:.1%} were delivered, "
            f"{in_time:.1%} accepted within {PROMPT_S:g} s of being enqueued"
        ),
        *(
            f"  {category:<13} enqueue to submit: median {percentile(ages, 0.5) * 1000:,.0f} ms, "
            f"99% within {percentile(ages, 0.99) * 1000:,.0f} ms"
            for category, ages in sorted(tally.submit_ages_s.items())
        ),
        *(
            f"  {name:<13} accepted {channel.accepted:,}, turned away {channel.refused:,}"
            for name, channel in sorted(tally.channels.items())
        ),
    ]
    if tally.codes:
        lines.append("  codes: " + ", ".join(f"{code} ({count:,})" for code, count in tally.codes.most_common(6)))
    return "\n".join(lines)


def _channels(tally: Tally, health: HealthBoard, notes: Mapping[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1))
    for column, width in (("channel", 12), ("health", 8), ("share of traffic", 30)):
        table.add_column(column, min_width=width, ratio=2 if width == 30 else None)
    for column in ("accepted", "turned away", "latency"):
        table.add_column(column, justify="right")
    table.add_column("")
    shares = tally.shares()
    for name, note in notes.items():
        score = health.score(name)
        channel = tally.channels.get(name)
        colour = "green" if score > 0.7 else "yellow" if score > 0.3 else "red"
        latency_ms = percentile(list(channel.latencies_s), 0.5) * 1000 if channel else 0.0
        table.add_row(
            name,
            Text(f"{score * 100:3.0f}", style=colour),
            Text("█" * round(24 * shares.get(name, 0.0)) + f" {shares.get(name, 0.0):.0%}", style=colour),
            f"{channel.accepted:,}" if channel else "0",
            f"{channel.refused:,}" if channel else "0",
            f"{latency_ms:.0f} ms",
            Text(note, style="red"),
        )
    return table


def _latencies(tally: Tally) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1))
    table.add_column("enqueue to submit")
    table.add_column("median", justify="right")
    table.add_column("99%", justify="right")
    for category in Category:
        ages = tally.submit_ages_s.get(category, [])
        median, high = percentile(ages, 0.5) * 1000, percentile(ages, 0.99) * 1000
        table.add_row(category.value, f"{median:,.0f} ms", f"{high:,.0f} ms")
    return table


def _states(tally: Tally) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1))
    table.add_column("receipts")
    table.add_column("", justify="right")
    for state, count in tally.states().most_common():
        table.add_row(Text(state.value, style=COLOURS[state]), f"{count:,}")
    return table
