"""Many commands, one write, as many replies: as redis-py's own pipeline does, at a tenth of its cost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hiredis import pack_command
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapters.redis.scripts import Word


def connections(url: str, within_s: float) -> ConnectionPool:
    """Connections to a Redis, made when they are needed; whoever uses one limits the time of that."""
    return ConnectionPool.from_url(
        url,
        protocol=2,  # scripts answer alike in both, and 3 costs two more round trips to connect
        socket_timeout=None,
        socket_connect_timeout=within_s,
        retry=Retry(NoBackoff(), 0),
    )


async def exchange(pool: ConnectionPool, commands: Iterable[tuple[Word, ...]], within_s: float) -> list[Any]:
    """What Redis replies to each command; an error among the replies is none of the others'.

    Raises:
        TimeoutError: they were not all answered in time.
        RedisError, OSError, RuntimeError: the connection is of no use, or there is none.
    """
    packed = [pack_command(command) for command in commands]  # type: ignore[arg-type]  # its stub knows one word
    replies: list[Any] = []
    async with asyncio.timeout(within_s):
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.send_packed_command(packed)
            for _ in packed:
                try:
                    replies.append(await connection.read_response(disconnect_on_error=False))
                except ResponseError as error:
                    replies.append(error)
        except BaseException:
            await connection.disconnect(nowait=True)  # what it may still reply would be taken for another answer
            raise
        finally:
            await pool.release(connection)
    return replies
