"""When is a channel's next turn? One line of turns per channel over all workers, at the rate the carrier allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from adapters.redis.scripts import load

if TYPE_CHECKING:
    from adapters.redis.connection import Connection

RESERVE = load("clock", "reserve")


class RedisRateCap:
    """The rate cap of all workers that share a Redis."""

    def __init__(self, redis: Connection, prefix: str = "sms") -> None:
        self._redis = redis
        self._prefix = prefix

    async def reserve(self, channel: str, rate: float, segments: int, within_s: float) -> float | None:
        """Seconds until the turn that is now reserved, at `rate` segments a second.

        None if there is none within `within_s` seconds; then nothing is reserved.
        """
        cost_us = math.ceil(segments / rate * 1_000_000)
        call = RESERVE([f"{self._prefix}:{{{channel}}}:rate"], [cost_us, math.floor(within_s * 1_000_000)])
        wait_us = (await self._redis.ask(call)).value
        return None if wait_us < 0 else wait_us / 1_000_000
