"""How often may this number, signature, template or account be sent to? Exact rolling windows.

A window of W admits when fewer than its limit were accepted in the half-open span (now - W, now]: an entry exactly
W old is free. A charge is taken in all of its windows or in none. The Redis script and the memory ledger answer as
`retry_at` does; a property test holds all three against a brute-force recount.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.message import Category, Message

KEY_FIELDS = ("account", "to", "signature", "template", "category")
NUMBER = "\x00"  #: stands for the recipient in a scope; no other field holds this character
_WINDOW = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,5})(s|m|h|d)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_WINDOW_S = 31 * 86400


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` messages in any `seconds` seconds."""

    limit: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit as an operator writes it: who shares a count (`key`), in which windows."""

    name: str
    key: tuple[str, ...]
    windows: tuple[Window, ...]
    categories: frozenset[Category] | None = None  #: None: all

    @property
    def code(self) -> str:
        """What a rejected receipt calls it, e.g. LIMIT_OTP_PER_NUMBER."""
        return "LIMIT_" + re.sub(r"[^A-Z0-9]+", "_", self.name.upper()).strip("_")

    def __hash__(self) -> int:
        return hash(self.name)  # what is made of a rule is remembered, and all its fields take long to hash


class Charge(NamedTuple):
    """One count a message is to be charged to: the rule and the values of its key."""

    rule: Rule
    scope: str  #: unique per rule and key values, but for the recipient: its counts are kept with its number

    @property
    def per_recipient(self) -> bool:
        """Whether the count belongs to one number, and so lives with the number's ledger records."""
        return "to" in self.rule.key


class Taken(NamedTuple):
    """The messages of one kind that carriers took within some time."""

    category: Category
    account: str
    signature: str | None
    template: str | None
    messages: int  #: how many
    last: Sequence[tuple[UUID, datetime]]  #: jobs and when they were taken, latest first


def parse_window(text: str) -> Window:
    """`"5/1h"` → at most 5 in any hour.

    Raises:
        ValueError: it is not COUNT/SPAN with a span of s, m, h or d, at most 31 days.
    """
    found = _WINDOW.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not COUNT/SPAN, such as 1/1m, 5/1h, 10/24h or 300/1d")
    seconds = int(found[2]) * _UNIT_S[found[3]]
    if seconds > _MAX_WINDOW_S:
        raise ValueError(f"{text!r} is longer than 31 days")
    return Window(int(found[1]), seconds)


def charges(rules: tuple[Rule, ...], message: Message) -> tuple[Charge, ...]:
    """All counts a message is charged to, those of its number first."""
    job = message.job
    return charges_to(rules, message.category, job.account, job.signature, job.template)


@lru_cache(maxsize=4096)
def charges_to(
    rules: tuple[Rule, ...], category: Category, account: str, signature: str | None, template: str | None
) -> tuple[Charge, ...]:
    """All counts that such messages are charged to, those of their number first."""
    values = {
        "account": account,
        "to": NUMBER,
        "signature": signature or "",
        "template": template or "",
        "category": category,
    }
    found = [
        Charge(rule, "\x1f".join((rule.name, *(values[field] for field in rule.key))))
        for rule in rules
        if rule.categories is None or category in rule.categories
    ]
    return tuple(sorted(found, key=lambda charge: not charge.per_recipient))


def retry_at(accepted: Sequence[int], windows: Iterable[Window], now: int) -> int | None:
    """When the next message fits every window, or None if it fits now.

    `accepted` and `now` are times in microseconds, ascending; so is the answer. A clock that stepped back is
    held at the newest entry, so that no span ever gets more than its limit.
    """
    if accepted:
        now = max(now, accepted[-1])
    latest: int | None = None
    for window in windows:
        if len(accepted) >= window.limit:
            free_at = accepted[-window.limit] + window.seconds * 1_000_000
            if free_at > now and (latest is None or free_at > latest):
                latest = free_at
    return latest
