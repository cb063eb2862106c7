"""The board of the channels' health: over servers shared with the other workers, else this process's own."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

from adapters.memory.health_board import MemoryHealthBoard
from adapters.postgres.channels import ChannelBook
from adapters.redis.health_board import RedisHealthBoard
from adapters.telemetry.fanout import Fanout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from adapters.postgres.database import Database
    from adapters.redis.connection import Connection
    from engine import ports
    from engine.board import Board
    from engine.pins import Pin
    from engine.terms import Terms


@asynccontextmanager
async def own_board(
    terms: Sequence[Terms], numbers: ports.NumberReader, clock: ports.Clock, telemetry: ports.Telemetry
) -> AsyncIterator[Board]:
    """Nobody else sees it."""
    yield MemoryHealthBoard(terms, numbers, clock, telemetry, Random())


@asynccontextmanager
async def shared_board(
    redis: Connection,
    prefix: str,
    database: Database,
    terms: Sequence[Terms],
    numbers: ports.NumberReader,
    clock: ports.Clock,
    telemetry: ports.Telemetry,
) -> AsyncIterator[Board]:
    """In step with the other workers', and with what the operator decided."""

    def apply(pins: Mapping[str, Pin]) -> None:
        board.pins = pins

    book = ChannelBook(database, clock, apply)
    board = RedisHealthBoard(redis, prefix, terms, numbers, clock, Fanout(telemetry, book), Random())
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(book)
        await stack.enter_async_context(board)
        yield board
