"""When is a channel's next turn? One line of turns per channel over all workers, at the rate the carrier allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from adapters.redis.scripts import load
from engine.turns import AHEAD_S, Later, Turn

if TYPE_CHECKING:
    from adapters.redis.connection import Connection
    from engine.message import Category
    from engine.turns import Answer, Pace

RESERVE = load("clock", "reserve")


class RedisRateCap:
    """The rate cap of all workers that share a Redis; while Redis is away nobody has a turn."""

    def __init__(self, redis: Connection, prefix: str = "sms") -> None:
        self._redis = redis
        self._prefix = prefix

    async def reserve(
        self, channel: str, pace: Pace, segments: int, category: Category, within_s: float, *, again: bool = False
    ) -> Answer:
        """A turn, or when to ask `again`, or None if the turn cannot come within `within_s` seconds."""
        takes_us = math.ceil(segments / pace.rate * 1_000_000)
        spared_us = math.floor((pace.burst - min(segments, pace.burst)) / pace.rate * 1_000_000)
        within_us = math.floor(within_s * 1_000_000)
        ahead_us = round(AHEAD_S[category] * 1_000_000) if category in AHEAD_S else within_us
        args = (category.value, takes_us, spared_us, ahead_us, within_us, int(again))
        reply = await self._redis.ask(RESERVE([f"{self._prefix}:{{{channel}}}:turns"], args))
        match reply.value:
            case [1, wait_us]:
                return Turn(wait_us / 1_000_000)
            case [0, wait_us]:
                return Later(wait_us / 1_000_000)
        return None
