"""Long messages to us, put together from their parts, none of which is answered before the whole is safe.

A phone sends the parts seconds apart, and many carriers hand over the next one only when the last was answered. So a
part waits a moment for the others, is then asked for again (the carrier keeps it, and we remember it), and is taken as
known when it comes again behind the whole.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from adapters.carriers.smpp.user_data import Fragment

HOLD_S = 2.0  #: that a part waits for the others before it is asked for again
PATIENCE_S = 60.0  #: since the first part, after which one that comes again is taken alone: the others seem lost
KEEP_S = 600.0  #: after which a reference may mean another message
MAX_REMEMBERED = 500  #: messages, whole or not
MAX_PARTS = 10_000  #: of them all; each takes about half a kilobyte


class PartsMissingError(Exception):
    """The others did not come yet; the carrier shall send this part again."""


class Key(NamedTuple):
    """What the parts of one message have in common."""

    sender: str
    to: str
    marked_by: str
    reference: int
    total: int


class Part(NamedTuple):
    """The text of one part, not decoded: a character may be cut at its end."""

    octets: bytes
    data_coding: int


@dataclass(slots=True)
class _Message:
    began_at: float
    parts: dict[int, Part] = field(default_factory=dict)
    safe: asyncio.Future[None] | None = None  #: of the whole, once it is there
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def __len__(self) -> int:
        return len(self.parts)


class Assembly:
    """The long messages of a channel, from all its binds."""

    def __init__(self, hold_s: float = HOLD_S, patience_s: float = PATIENCE_S) -> None:
        self._hold_s = hold_s
        self._patience_s = patience_s
        self._messages: OrderedDict[Key, _Message] = OrderedDict()

    async def take(
        self, key: Key, fragment: Fragment, part: Part, tell: Callable[[Sequence[Part]], Awaitable[None]]
    ) -> None:
        """Take a part; returns once the whole message is safe, which the last of them has to `tell`.

        Raises:
            PartsMissingError: it is not whole yet.
            Exception: whatever kept the whole from being safe.
        """
        message = self._message(key, fragment.number, part)
        again = fragment.number in message.parts
        message.parts[fragment.number] = part
        if len(message.parts) == key.total:
            return await self._whole(key, message, tell)
        if again and self._now() - message.began_at >= self._patience_s:
            await tell([part])
            self._forget(key, message)
            return
        try:
            async with asyncio.timeout(self._hold_s):
                await message.arrived.wait()
        except TimeoutError:
            raise PartsMissingError from None
        await self._whole(key, message, tell)

    def _message(self, key: Key, number: int, part: Part) -> _Message:
        """The message a part belongs to; another one where the reference has come to mean something else."""
        message = self._messages.get(key)
        stale = message and (self._now() - message.began_at > KEEP_S or message.parts.get(number, part) != part)
        if message is None or stale:
            message = self._messages[key] = _Message(self._now())
            self._messages.move_to_end(key)
        while len(self._messages) > MAX_REMEMBERED or sum(map(len, self._messages.values())) >= MAX_PARTS:
            self._messages.popitem(last=False)
        return message

    async def _whole(self, key: Key, message: _Message, tell: Callable[[Sequence[Part]], Awaitable[None]]) -> None:
        """Tell the whole once; it is safe, or not, for each of its parts."""
        message.arrived.set()
        if message.safe is None:
            message.safe = asyncio.get_running_loop().create_future()
            message.safe.add_done_callback(_seen)
            try:
                await tell([message.parts[number] for number in range(1, key.total + 1)])
            except BaseException as error:
                self._forget(key, message)
                message.safe.set_exception(
                    error if isinstance(error, Exception) else PartsMissingError("it was broken off")
                )
                raise
            message.safe.set_result(None)
            return
        await asyncio.shield(message.safe)

    def _forget(self, key: Key, message: _Message) -> None:
        if self._messages.get(key) is message:
            del self._messages[key]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _seen(safe: asyncio.Future[None]) -> None:
    """Whether anybody else waits for it or not, its exception was told to the part that completed the message."""
    if not safe.cancelled():
        safe.exception()
