"""Write per message, do I/O per batch: concurrent calls of one loop tick become one round trip.

A coroutine awaits `ask(question)` as if it were alone; the questions of a tick, and those that come while the servers
are busy with the batches before, are answered together. The idea is that of the DataLoader.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Q = TypeVar("Q")
A = TypeVar("A")


class Coalescer(Generic[Q, A]):
    """Collects questions and has `answer` answer them in batches, in the order they were asked.

    `answer` returns one item per question; an exception among them is raised to its asker, and one that `answer`
    itself raises to all of its batch. A batch goes on when an asker is cancelled.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Q]], Awaitable[Sequence[A | BaseException]]],
        *,
        max_batch: int,
        max_batches: int = 1,
        rest_s: float = 0.0,
        max_rest_s: float = 0.0,
    ) -> None:
        """`max_batches` is how many may be under way at once; with one, batches also end in order.

        A batch starts `rest_s` after the one before for each question of that, or `max_rest_s` after it: so questions
        that come quickly make large batches, and those that come seldom wait for nothing.
        """
        self._answer = answer
        self._max_batch = max_batch
        self._max_batches = max_batches
        self._rest_s = rest_s
        self._max_rest_s = max_rest_s
        self._next_at = float("-inf")
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._batches: set[asyncio.Task[None]] = set()
        self._scheduled = False

    async def ask(self, question: Q) -> A:
        """The answer to one question."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, future))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._start)
        return await future

    async def idle(self) -> None:
        """Wait until every question so far is answered."""
        while self._waiting or self._batches:
            await asyncio.wait(self._batches) if self._batches else await asyncio.sleep(self._max_rest_s)

    def _start(self) -> None:
        self._scheduled = False
        loop = asyncio.get_running_loop()
        while self._waiting and len(self._batches) < self._max_batches:
            if loop.time() < self._next_at:
                self._scheduled = True
                loop.call_at(self._next_at, self._start)
                break
            batch, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
            self._next_at = loop.time() + min(self._rest_s * len(batch), self._max_rest_s)
            task = loop.create_task(self._run(batch))
            self._batches.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        if not self._scheduled:
            self._start()

    async def _run(self, batch: list[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._answer([question for question, _ in batch])
        except BaseException as error:  # noqa: BLE001  (each asker shall hear of it)
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
