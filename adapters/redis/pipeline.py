"""Many commands, one write, as many replies: as redis-py's own pipeline does, at a seventh of its cost."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

from hiredis import pack_command
from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import ConnectionPool

    from adapters.redis.scripts import Word


async def exchange(pool: ConnectionPool, commands: Iterable[tuple[Word, ...]], within_s: float) -> list[Any]:
    """What Redis replies to each command; an error among the replies is none of the others'.

    Raises:
        TimeoutError: they were not all answered in time.
        RedisError, OSError, RuntimeError: the connection is of no use.
    """
    packed = [pack_command(command) for command in commands]  # type: ignore[arg-type]  # its stub knows one word
    connection = await pool.get_connection()  # type: ignore[no-untyped-call]
    replies: list[Any] = []
    try:
        async with asyncio.timeout(within_s):
            await connection.send_packed_command(packed)
            for _ in packed:
                try:
                    replies.append(await connection.read_response(timeout=inf, disconnect_on_error=False))
                except ResponseError as error:
                    replies.append(error)
    except BaseException:
        await connection.disconnect(nowait=True)  # what it may still reply would be taken for another answer
        raise
    finally:
        await pool.release(connection)
    return replies
