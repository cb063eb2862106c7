"""Has the recorder stored everything that was published?"""

from __future__ import annotations

import asyncio

from adapters.rabbitmq.connection import broker_errors, connected, open_channel
from adapters.rabbitmq.topology import Names

LOOK_EVERY_S = 0.5
LAST_TAKEN_S = 2.0  #: for what was taken out of the queue just before it was seen empty


async def recorded(url: str, prefix: str) -> None:
    """Wait until no receipt is left to be recorded, however long the broker or the recorder is away."""
    while True:
        try:
            async with connected(url, f"{prefix} backlog") as connection:
                with broker_errors():
                    channel = await open_channel(connection)
                    waiting = (await channel.queue_declare(Names(prefix).record, passive=True)).message_count
            if not waiting:
                return await asyncio.sleep(LAST_TAKEN_S)
        except ConnectionError:
            pass  # whoever publishes tells of it
        await asyncio.sleep(LOOK_EVERY_S)
