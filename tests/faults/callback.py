"""A business service on the callback queue, which outlives the broker's crashes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.rabbitmq.connection import closing, connected, lost, open_channel

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage

AGAIN_S = 0.1
KEPT = ("id", "state", "final", "code")  #: a soak has hundreds of thousands


@dataclass(frozen=True)
class Arrival:
    """A receipt as it came."""

    at: float  #: monotonic
    receipt: dict[str, Any]  #: of its fields those in KEPT

    @property
    def rank(self) -> int:
        """Contract 2: merging is by rank. 1 unknown for now, 2 submitted, 3 unknown for good, 4 any other final."""
        if self.receipt["state"] == "unknown":
            return 3 if self.receipt["final"] else 1
        return 4 if self.receipt["final"] else 2


class Callback:
    """Keeps every receipt by job, in order of arrival."""

    def __init__(self, url: str, prefix: str) -> None:
        self.arrivals: defaultdict[str, list[Arrival]] = defaultdict(list)
        self._url = url
        self._queue = f"{prefix}.callback"

    def standing(self, job: str) -> Arrival | None:
        """The receipt that stands: the first of the highest rank."""
        return max(self.arrivals.get(job, ()), key=lambda arrival: arrival.rank, default=None)

    def listen(self) -> None:
        """Take receipts from now on."""
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Leave them in the queue."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with connected(self._url, "callback") as connection:
                    channel = await open_channel(connection)

                    async def arrived(message: DeliveredMessage, channel: Any = channel) -> None:
                        for receipt in json.loads(message.body):
                            kept = {name: receipt[name] for name in KEPT}
                            self.arrivals[receipt["job"]].append(Arrival(time.monotonic(), kept))
                        await channel.basic_ack(message.delivery_tag, wait=False)

                    await channel.basic_qos(prefetch_count=500)
                    await channel.basic_consume(self._queue, arrived)
                    await lost([closing(connection), channel.closing])
            await asyncio.sleep(AGAIN_S)
