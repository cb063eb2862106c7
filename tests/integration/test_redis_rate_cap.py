"""What only Redis knows of turns: how long it keeps them, and that all workers share its clock."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from redis.asyncio import Redis

from adapters.redis.rate_cap import RedisRateCap
from engine.message import Category
from engine.turns import Later, Pace, Turn
from tests.redis_setup import connected, redis_prefix

OTP, _, PROMOTION = Category


async def test_the_line_of_a_channel_is_kept_for_as_long_as_anybody_waits_and_not_for_ever(redis_url: str) -> None:
    async with redis_prefix(redis_url) as prefix, connected(redis_url) as connection, Redis.from_url(redis_url) as look:
        cap, key = RedisRateCap(connection, prefix), f"{prefix}:{{alpha}}:turns"
        await cap.reserve("alpha", Pace(100.0), 1, OTP, 60.0)
        assert 0 < await look.pttl(key) <= 1100
        for _ in range(20):
            last = await cap.reserve("alpha", Pace(1.0), 1, PROMOTION, 60.0)
        assert isinstance(last, Later)
        told_at = asyncio.get_running_loop().time()
        await cap.reserve("alpha", Pace(100.0), 1, OTP, 60.0)  # whose own turn is over much sooner
        kept_ms = await look.pttl(key)
        assert kept_ms >= (last.wait_s - (asyncio.get_running_loop().time() - told_at)) * 1000


async def test_workers_with_clocks_of_their_own_share_one_line(redis_url: str) -> None:
    async with redis_prefix(redis_url) as prefix, AsyncExitStack() as stack:
        caps = [RedisRateCap(await stack.enter_async_context(connected(redis_url)), prefix) for _ in range(8)]
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await asyncio.gather(*(cap.reserve("alpha", Pace(10.0), 1, OTP, 600.0) for cap in caps * 20))
        took_s = loop.time() - began
        waits = sorted(answer.wait_s for answer in answers if isinstance(answer, Turn))
        assert len(waits) == 160
        assert waits[-1] >= 15.9 - took_s  # the last of 160 turns, a tenth of a second apart
