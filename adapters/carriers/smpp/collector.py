"""Puts inbound messages together that come in parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from adapters.carriers.json_values import text as storable
from adapters.carriers.smpp.text import Alphabet, decode
from adapters.carriers.smpp.user_data import Fragment, user_data

if TYPE_CHECKING:
    from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm

LIFE_S = 600.0  #: from the first part; then what is there comes out
MAX_OCTETS = 4_194_304  #: of parts held, each counting `_PART` more; beyond it the oldest message comes out as it is
_PART = 200  # octets of memory, about, that a part takes besides its text

_Key = tuple[str, str, str, int, int]


class Whole(NamedTuple):
    """A message from a phone."""

    sender: str
    to: str
    text: str
    complete: bool = True  #: False where parts never came; the text is what is there


@dataclass(slots=True)
class _Message:
    since_s: float
    sender: str
    to: str
    total: int
    parts: dict[int, tuple[bytes, int]] = field(default_factory=dict)  # octets and data_coding by number

    @property
    def complete(self) -> bool:
        return len(self.parts) == self.total

    @property
    def size(self) -> int:
        return sum(len(octets) + _PART for octets, _ in self.parts.values())


class Collector:
    """Holds parts until their message is whole, or too old. Complete ones are kept as long, to know repeats by."""

    def __init__(self, default: Alphabet, life_s: float = LIFE_S, max_octets: int = MAX_OCTETS) -> None:
        """`default` is what `data_coding` 0 means."""
        self._default = default
        self._life_s = life_s
        self._max_octets = max_octets
        self._messages: dict[_Key, _Message] = {}  # by age, the oldest first
        self._octets = 0

    def add(self, body: DeliverSm | DataSm, now_s: float) -> list[Whole]:
        """The messages that come out with one that came: itself if it is in one part, or the last part of its message.

        A repeated part brings out nothing. `now_s` is monotonic.
        """
        data = user_data(body)
        part = (data.octets, body.data_coding)
        if data.fragment is None:
            return [Whole(body.source_addr, body.destination_addr, self._text([part]))]
        out = self.expired(now_s)
        message = self._message(body, data.fragment, part, now_s, out)
        if data.fragment.number in message.parts:
            return out
        message.parts[data.fragment.number] = part
        self._octets += len(part[0]) + _PART
        if message.complete:
            out.append(self._whole(message))
        while self._octets > self._max_octets:
            out += self._let_go(next(iter(self._messages)))
        return out

    def expired(self, now_s: float) -> list[Whole]:
        """The messages whose missing parts are waited for no longer; ask now and then, also when nothing comes."""
        out: list[Whole] = []
        for key in list(self._messages):
            if now_s - self._messages[key].since_s < self._life_s:
                break
            out += self._let_go(key)
        return out

    def _message(
        self, body: DeliverSm | DataSm, fragment: Fragment, part: tuple[bytes, int], now_s: float, out: list[Whole]
    ) -> _Message:
        """Where a part belongs. References come again: another text under the same number begins another message."""
        key = (body.source_addr, body.destination_addr, fragment.marked_by, fragment.reference, fragment.total)
        known = self._messages.get(key)
        if known and known.parts.get(fragment.number, part) != part:
            out += self._let_go(key)
            known = None
        if known is None:
            known = self._messages[key] = _Message(now_s, body.source_addr, body.destination_addr, fragment.total)
        return known

    def _let_go(self, key: _Key) -> list[Whole]:
        message = self._messages.pop(key)
        self._octets -= message.size
        return [] if message.complete else [self._whole(message)]

    def _whole(self, message: _Message) -> Whole:
        parts = [part for _, part in sorted(message.parts.items())]
        return Whole(message.sender, message.to, self._text(parts), message.complete)

    def _text(self, parts: list[tuple[bytes, int]]) -> str:
        """Phones cut between any two octets, so parts of one coding are read as one."""
        codings = {coding for _, coding in parts}
        if len(codings) == 1:
            return storable(decode(b"".join(octets for octets, _ in parts), codings.pop(), self._default))
        return storable("".join(decode(octets, coding, self._default) for octets, coding in parts))
