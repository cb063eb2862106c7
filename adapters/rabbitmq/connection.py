"""How do we reach the broker, and reach it again after it went away?

aiormq is used directly: aio-pika costs twice as much per message, and its robust connections replay old declarations
and leave consumers behind silently.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, NoReturn

import aiormq
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from yarl import URL

from adapters.rabbitmq.lenient import tolerate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from aiormq.abc import AbstractChannel, AbstractConnection

    from adapters.outage import Outage
    from adapters.rabbitmq.deliveries import Deliveries

HEARTBEAT_S = 10  #: a connection that died without a word is noticed after three
CONNECT_S, CLOSE_S = 10.0, 5.0

tolerate()


class BrokerError(ConnectionError):
    """The broker failed us; the cause is the library's error, or the one to be shown."""


@contextlib.asynccontextmanager
async def connected(url: str, name: str, deliveries: Deliveries | None = None) -> AsyncIterator[AbstractConnection]:
    """A connection that the broker knows by that name, closed afterwards.

    Raises:
        ConnectionError: there is no broker, or none that lets us in.
    """
    with broker_errors():
        connection: AbstractConnection = await asyncio.wait_for(
            aiormq.connect(
                URL(url).update_query(heartbeat=HEARTBEAT_S),
                client_properties={"connection_name": name},
                transport_factory=deliveries,
            ),
            CONNECT_S,
        )
    try:
        yield connection
    finally:
        with contextlib.suppress(ConnectionError), broker_errors():
            await asyncio.wait_for(connection.close(aiormq.ConnectionClosed(0, "closed by us")), CLOSE_S)


async def open_channel(connection: AbstractConnection, *, confirms: bool = False) -> AbstractChannel:
    """A channel, with confirms for publishing."""
    return await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)


async def keep_connected(
    url: str,
    name: str,
    outage: Outage,
    session: Callable[[AbstractConnection], Awaitable[NoReturn]],
    deliveries: Deliveries | None = None,
) -> NoReturn:
    """Connect and hold a session until it fails, again and again until cancelled."""
    while True:
        try:
            async with connected(url, name, deliveries) as connection:
                with broker_errors():
                    await session(connection)
        except Exception as error:  # noqa: BLE001  (nobody would start us again)
            await outage.wait(cause(error))


def cause(error: Exception) -> BaseException:
    """What an error is about; the causes of the library's own errors say nothing."""
    return (isinstance(error, BrokerError) and error.__cause__) or error


def closing(connection: AbstractConnection) -> asyncio.Future[Any]:
    """Done when the connection has ended."""
    return connection.closing


async def lost(endings: Iterable[asyncio.Future[Any]]) -> NoReturn:
    """Wait for the first of several endings.

    Raises:
        ConnectionError: it came; or what it says itself.
    """
    done, _ = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
    for ending in done:
        ending.result()
    raise BrokerError("the connection to RabbitMQ ended")


@contextlib.contextmanager
def broker_errors() -> Iterator[None]:
    """Whatever the library raises when the broker fails us becomes a BrokerError, if it is no ConnectionError anyway.

    When a channel ends, the library also cancels what waits on it: that is no cancellation of ours.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerError("the connection to RabbitMQ ended") from None
    except ConnectionError:
        raise
    except CONNECTION_EXCEPTIONS as error:
        raise BrokerError(f"RabbitMQ failed: {type(error).__name__}") from error
