"""Has the recorder done with everything that waited for it?"""

from __future__ import annotations

import asyncio

from adapters.rabbitmq.connection import broker_errors, connected, open_channel

LOOK_EVERY_S = 0.5
LAST_TAKEN_S = 2.0  #: for what was taken out of the queue just before it was seen empty


async def emptied(url: str, prefix: str, queue: str, last_taken_s: float = LAST_TAKEN_S) -> None:
    """Wait until nothing is left in a queue of the recorder, however long the broker or the recorder is away."""
    while True:
        try:
            async with connected(url, f"{prefix} backlog") as connection:
                with broker_errors():
                    channel = await open_channel(connection)
                    waiting = (await channel.queue_declare(queue, passive=True)).message_count
            if not waiting:
                return await asyncio.sleep(last_taken_s)
        except ConnectionError:
            pass  # whoever publishes tells of it
        await asyncio.sleep(LOOK_EVERY_S)
