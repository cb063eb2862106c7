"""Receipts inside one process, for whoever listens. (the ports `ReceiptPublisher` and `ReceiptFeed`)"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

R = TypeVar("R")

MAX_WAITING = 10_000
MAX_BATCH = 2_000


class MemoryReceiptPublisher(Generic[R]):
    """Hands every receipt to each subscriber, in the order they subscribed."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[R], Awaitable[None]]] = []

    def subscribe(self, deliver: Callable[[R], Awaitable[None]]) -> None:
        """Have `deliver` called with every receipt from now on."""
        self._subscribers.append(deliver)

    async def publish(self, receipt: R) -> None:
        """Returns once every subscriber has the receipt."""
        for deliver in self._subscribers:
            await deliver(receipt)


@dataclass(frozen=True, slots=True)
class MemoryReceiptBatch(Generic[R]):
    """Receipts for the recorder."""

    receipts: Sequence[R]

    async def settle(self) -> None:
        """They are stored; they were gone from the feed when they were handed out."""


class MemoryReceiptFeed(Generic[R]):
    """The recorder's own receipts; a publisher waits while there are too many."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._waiting: asyncio.Queue[R | None] = asyncio.Queue(max_waiting)
        self._closed = False

    async def put(self, receipt: R) -> None:
        """Returns once there is room for the receipt."""
        await self._waiting.put(receipt)

    async def next_batch(self) -> MemoryReceiptBatch[R] | None:
        """Everything at hand up to 2000 receipts, waiting for one; None once `close_intake` was called."""
        receipts: list[R] = []
        while not receipts or (len(receipts) < MAX_BATCH and not self._waiting.empty()):
            receipt = await self._waiting.get()
            if receipt is None or self._closed:
                self.close_intake()  # for the next who asks
                return None
            receipts.append(receipt)
        return MemoryReceiptBatch(receipts)

    def close_intake(self) -> None:
        """Hand out nothing more."""
        self._closed = True
        if self._waiting.empty():
            self._waiting.put_nowait(None)
