"""A mapping that forgets, so that a process which never ends does not grow for ever."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

    from engine.ports import Clock

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Expiring(Generic[K, V]):
    """Keeps each value for its own time after it was last put. There should be few different times."""

    def __init__(self, clock: Clock, max_count: int | None = None) -> None:
        """Beyond `max_count` the value that was put first goes at once."""
        self._clock = clock
        self._max_count = max_count
        self._keep_s: dict[K, float] = {}
        # Per keeping time, in the order of their ends.
        self._lines: defaultdict[float, OrderedDict[K, tuple[float, V]]] = defaultdict(OrderedDict)

    def __len__(self) -> int:
        return len(self._keep_s)

    def get(self, key: K) -> V | None:
        """The value, unless its time is over."""
        if key not in self._keep_s:
            return None
        ends_at, value = self._lines[self._keep_s[key]][key]
        return value if ends_at > self._clock.monotonic() else None

    def put(self, key: K, value: V, keep_s: float) -> None:
        """Keep a value for `keep_s` seconds from now."""
        now = self._clock.monotonic()
        if key in self._keep_s:
            del self._lines[self._keep_s[key]][key]
        self._keep_s[key] = keep_s
        self._lines[keep_s][key] = (now + keep_s, value)
        for line in self._lines.values():
            while line and next(iter(line.values()))[0] <= now:
                self._forget_first(line)
        if self._max_count is not None and len(self) > self._max_count:
            self._forget_first(self._lines[keep_s])

    def _forget_first(self, line: OrderedDict[K, tuple[float, V]]) -> None:
        key, _ = line.popitem(last=False)
        del self._keep_s[key]
