"""The event loop of a command."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, TypeVar

import uvloop

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

YOUNG = 10_000  #: objects between two looks for garbage: by default 700, less than a moment's work makes


def run(main: Coroutine[None, None, T]) -> T:
    """Run a coroutine to its end; what is there before it is never looked at for garbage again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
