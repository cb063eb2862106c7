"""Nothing leaves the recorder's queue before it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.clock import SystemClock
from engine.events import Event
from engine.recorder import Recorder


@dataclass
class Feed:
    """One batch, and what happened to it."""

    story: list[str] = field(default_factory=list)
    receipts: Sequence[str] = ("a receipt",)
    stored: asyncio.Event = field(default_factory=asyncio.Event)
    _batches: list[Feed | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._batches = [self, None]

    async def next_batch(self) -> Feed | None:
        return self._batches.pop(0)

    async def settle(self) -> None:
        self.story.append("settled")

    async def keep(self, receipts: Sequence[str]) -> None:
        await self.stored.wait()
        self.story += [f"{receipt} stored" for receipt in receipts]

    def emit(self, event: Event) -> None: ...


async def test_what_is_not_stored_yet_stays_in_its_queue() -> None:
    feed = Feed()
    recording = asyncio.create_task(Recorder("receipts", feed, feed.keep, SystemClock(), feed).run())
    await asyncio.sleep(0.01)
    assert feed.story == []
    feed.stored.set()
    await recording
    assert feed.story == ["a receipt stored", "settled"]
