"""The table of the channels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.overview import ChannelView

__all__ = ["RenderableType", "table"]

COLOURS = {"closed": "green", "half_open": "yellow", "open": "red", "pinned": "cyan", "disabled": "magenta"}
BAR = 16


def table(views: Sequence[ChannelView]) -> RenderableType:
    """The channels at this moment."""
    shown = Table(box=box.SIMPLE_HEAD, expand=False, padding=(0, 1))
    for column, right in (
        ("channel", False),
        ("state", False),
        ("score", True),
        ("share", False),
        ("rate", True),
        ("latency", True),
        ("receipts", True),
        ("last reason", False),
    ):
        shown.add_column(column, justify="right" if right else "left")
    for view in views:
        state = view.state if view.ready or view.state == "disabled" else f"{view.state}, not connected"
        shown.add_row(
            view.name,
            Text(state.replace("_", "-"), style=COLOURS[view.state]),
            f"{view.score * 100:.0f}",
            f"{'█' * round(BAR * view.share):<{BAR}} {view.share:4.0%}",
            f"{view.used_rate:.0f}/{'∞' if math.isinf(view.rate) else f'{view.rate:.0f}'}",
            f"{view.latency_s * 1000:,.0f} ms",
            "-" if view.receipts is None else f"{view.receipts:.0%}{' collapsed' if view.collapsed else ''}",
            view.reason or "-",
        )
    return shown
