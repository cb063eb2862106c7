"""Replies and opt-outs, for as long as the process lives. (the ports `ReplyStore` and `OptOuts`)"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.opt_out import EVERY_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.opt_out import OptOut
    from engine.replies import Reply


class MemoryReplyStore:
    """The last `max_replies` replies, and every opt-out."""

    def __init__(self, max_replies: int = 10_000) -> None:
        self._max_replies = max_replies
        self._replies: dict[UUID, Reply] = {}
        self._words = _Words()

    async def keep(self, reply: Reply) -> Reply:
        """Store a reply; answers it as it was stored first. Those known longest fall out."""
        known = self._replies.setdefault(reply.id, reply)
        while len(self._replies) > self._max_replies:
            del self._replies[next(iter(self._replies))]
        return known

    async def note(self, words: Sequence[OptOut]) -> Sequence[OptOut]:
        """Note what one number said, where it is its latest word; answers all that is known of the number then."""
        self._words.hear(words)
        return self._words.of(words[0].recipient)

    async def standing(self, after: OptOut | None, limit: int) -> Sequence[OptOut]:
        """So many of the opt-outs that were not lifted, by recipient and account, after that one."""
        found = [word for word in self._words if word.lifted_at is None and (after is None or _key(word) > _key(after))]
        return sorted(found, key=_key)[:limit]


class MemoryOptOuts:
    """What the memory ledger goes by."""

    def __init__(self) -> None:
        self._words = _Words()
        self._held: defaultdict[str, set[UUID]] = defaultdict(set)

    async def hold(self, recipient: str, message: UUID, save: Callable[[], Awaitable[None]]) -> None:
        """Save a message that may opt out, and have the recipient's promotions wait until it is settled."""
        self._held[recipient].add(message)
        await save()

    async def settle(self, recipient: str, known: Sequence[OptOut], message: UUID | None = None) -> None:
        """From now on this is what the ledger goes by, where it is newer; the message holds nothing up any more."""
        for word in known:
            self._words.put(word)
        if message is not None:
            self._held[recipient].discard(message)
        if not self._held[recipient]:
            del self._held[recipient]

    def held(self, recipient: str) -> bool:
        """Whether the number wrote something that is not settled."""
        return recipient in self._held

    def opted_out(self, recipient: str, account: str) -> bool:
        """Whether the number wants no promotions of the account."""
        words = self._words.of(recipient)
        return any(word.lifted_at is None and word.account in (account, EVERY_ACCOUNT) for word in words)


class _Words:
    """The latest word between each number and account."""

    def __init__(self) -> None:
        self._by_number: dict[str, dict[str, OptOut]] = {}

    def __iter__(self) -> Iterator[OptOut]:
        return (word for words in self._by_number.values() for word in words.values())

    def of(self, recipient: str) -> list[OptOut]:
        return list(self._by_number.get(recipient, {}).values())

    def hear(self, words: Sequence[OptOut]) -> None:
        """Opt-outs as they are, opt-ins as they lift what is known."""
        for word in words:
            if word.lifted_at is None:
                self.put(word)
                continue
            for known in self.of(word.recipient):
                if known.account == word.account or (known.number is not None and known.number == word.number):
                    self.put(replace(known, lifted_at=word.lifted_at))

    def put(self, word: OptOut) -> None:
        known = self._by_number.setdefault(word.recipient, {}).get(word.account)
        if known is None or _said_at(word) > _said_at(known):
            self._by_number[word.recipient][word.account] = word


def _said_at(word: OptOut) -> datetime:
    return word.lifted_at or word.since


def _key(word: OptOut) -> tuple[str, str]:
    return word.recipient, word.account
