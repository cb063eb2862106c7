"""How do messages of some queues come to us, and how are they acknowledged, whatever happens to the connection?

What was received over a connection that ended is void: the broker hands it out again, so nothing of it is ever
acknowledged on the next connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NoReturn

from adapters.ending import end
from adapters.rabbitmq.connection import BrokerError, closing, keep_connected, lost, open_channel
from adapters.rabbitmq.deliveries import Deliveries
from adapters.rabbitmq.prefetch import MOST
from adapters.rabbitmq.subscription import Subscription
from adapters.rabbitmq.topology import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from aiormq.abc import AbstractConnection

    from adapters.outage import Outage
    from adapters.rabbitmq.subscription import Receive

LOOK_EVERY_S = 15.0  #: for a consumer that the broker forgot without a word


class Consumer:
    """Subscriptions over one connection, all renewed whenever one of them ends."""

    def __init__(
        self,
        url: str,
        prefix: str,
        prefetch: Mapping[str, int],
        receive: Receive,
        *,
        forget: Callable[[], None],
        outage: Outage,
        enough: int = MOST,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """`prefetch` is per queue, in messages, of which `enough` bytes are asked for; `forget` is called when
        everything received so far became void.
        """
        self._url = url
        self._prefix = prefix
        self._prefetch = prefetch
        self._receive = receive
        self._forget = forget
        self._outage = outage
        self._enough = enough
        self._look_every_s = look_every_s
        self._deliveries = Deliveries()
        self._subscriptions: list[Subscription] = []
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[NoReturn] | None = None

    def open(self) -> None:
        """Start; the broker need not be there yet."""
        name = f"{self._prefix} {self._outage.server}"
        self._running = asyncio.create_task(
            keep_connected(self._url, name, self._outage, self._session, self._deliveries)
        )

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Do something for a received message in a task of ours: the library cancels its own when a channel ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Receive nothing more; what was received can still be settled."""
        self._stopped = True
        await asyncio.gather(*(subscription.stop() for subscription in self._subscriptions))

    async def close(self) -> None:
        """Disconnect once the acknowledgements are sent; what is not settled goes back to the queues."""
        await asyncio.gather(*(subscription.settled() for subscription in self._subscriptions))
        tasks = [*self._tasks, *([self._running] if self._running else [])]
        await end(tasks)

    async def _session(self, connection: AbstractConnection) -> NoReturn:
        await verify(await open_channel(connection), self._prefix)
        try:
            for queue, prefetch in self._prefetch.items():
                if not self._stopped:
                    channel = await open_channel(connection)
                    self._subscriptions.append(Subscription(channel, queue, self._deliveries, prefetch, self._enough))
                    await self._subscriptions[-1].start(self._receive)
            self._outage.over()
            await self._watch(connection)
        finally:
            self._subscriptions = []
            self._forget()

    async def _watch(self, connection: AbstractConnection) -> NoReturn:
        endings = [closing(connection), *(subscription.ended for subscription in self._subscriptions)]
        absences = 0
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(lost(endings), self._look_every_s)
            # A queue whose leader just moved may know of no consumer for a moment.
            absences = 0 if self._stopped or await self._all_present() else absences + 1
            if absences > 1:
                raise BrokerError("RabbitMQ forgot a consumer")

    async def _all_present(self) -> bool:
        return all([await subscription.present() for subscription in self._subscriptions])
