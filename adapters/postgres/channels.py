"""What was decided about the channels, for people to read later; and what an operator decided by hand.

Both are off the path of messages. A worker writes its decisions down when the database answers; it keeps the last
1,000 until then, so a decision is missing only after a long absence with many of them. What an operator decided is
looked for each second, and holds as it was last known while the database is away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.ending import end
from engine.events import ChannelChanged
from engine.pins import Pin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from adapters.postgres.database import Database
    from adapters.postgres.partitions import Connection
    from engine.events import Event
    from engine.ports import Clock

KEPT = 1000
LOOK_EVERY_S = 1.0
FORGET_EVERY_S = 86400.0
AUTOMATIC = "automatic"

_SQL = {file.stem: file.read_text("utf-8") for file in Path(__file__).with_name("queries").glob("*channel*.sql")}


class ChannelBook:
    """Writes decisions down and reads the operator's. Use as `async with`; it is told of events as telemetry is."""

    def __init__(self, database: Database, clock: Clock, apply: Callable[[Mapping[str, Pin]], None]) -> None:
        """`apply` is called with what the operator decided, once a second."""
        self._database = database
        self._clock = clock
        self._apply = apply
        self._waiting: deque[tuple[datetime, ChannelChanged]] = deque(maxlen=KEPT)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> ChannelBook:
        self._tasks = [asyncio.create_task(work()) for work in (self._keep_reading, self._keep_writing)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await end(self._tasks)

    def emit(self, event: Event) -> None:
        """Note a decision, to be written down soon."""
        if isinstance(event, ChannelChanged):
            self._waiting.append((self._clock.now(), event))

    async def _keep_reading(self) -> None:
        while True:
            self._apply({pin.channel: pin for pin in await pins(self._database)})
            await asyncio.sleep(LOOK_EVERY_S)

    async def _keep_writing(self) -> None:
        forgot_at = float("-inf")
        while True:
            if self._clock.monotonic() - forgot_at >= FORGET_EVERY_S:
                await self._database.ask(lambda connection: connection.execute(_SQL["forget_channel_events"]))
                forgot_at = self._clock.monotonic()
            if events := list(self._waiting):
                await self._database.ask(partial(_write, events))
                written = {id(event) for _, event in events}
                while self._waiting and id(self._waiting[0][1]) in written:
                    self._waiting.popleft()
            await asyncio.sleep(LOOK_EVERY_S)


async def pins(database: Database) -> list[Pin]:
    """What the operator decided that holds."""
    rows = await database.ask(lambda connection: connection.fetch(_SQL["channel_pins"]))
    return [Pin(row["channel"], row["weight"], row["until"], row["by"]) for row in rows]


async def pin(database: Database, channel: str, weight: float | None, for_s: float | None, by: str) -> None:
    """Decide by hand: a weight, or None for no messages; for so many seconds, or until it is taken back."""

    async def put(connection: Connection) -> None:
        async with connection.transaction():
            was = await _standing(connection, channel)
            await connection.execute(_SQL["pin_channel"], channel, weight, for_s, by)
            how_long = "until it is taken back" if for_s is None else f"for {for_s:g} s"
            await _write([(None, _event(channel, was, str(Pin(channel, weight)), how_long, by))], connection)

    await database.ask(put)


async def unpin(database: Database, channel: str, by: str) -> bool:
    """Leave a channel to the engine again; whether there was anything to take back."""

    async def take_back(connection: Connection) -> bool:
        async with connection.transaction():
            was = await _standing(connection, channel)
            if await connection.execute(_SQL["unpin_channel"], channel) == "DELETE 0":
                return False
            await _write([(None, _event(channel, was, AUTOMATIC, "taken back", by))], connection)
            return True

    return await database.ask(take_back)


def _event(channel: str, old: str, new: str, reason: str, by: str) -> ChannelChanged:
    return ChannelChanged(channel, "pin", old, new, reason, by)


async def _standing(connection: Connection, channel: str) -> str:
    for row in await connection.fetch(_SQL["channel_pins"]):
        if row["channel"] == channel:
            return str(Pin(channel, row["weight"]))
    return AUTOMATIC


async def _write(events: Sequence[tuple[datetime | None, ChannelChanged]], connection: Connection) -> None:
    now = await connection.fetchval("select now()")
    rows = [(at or now, e.channel, e.what, e.old, e.new, e.reason, e.by) for at, e in events]
    await connection.execute(_SQL["insert_channel_events"], *(list(column) for column in zip(*rows, strict=True)))
