"""How is PostgreSQL asked, and what if it is away? Every question waits until the database answers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import asyncpg

from adapters.ending import end
from adapters.outage import NotPreparedError, Outage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from adapters.postgres.partitions import Connection
    from engine.ports import Clock, Telemetry

A = TypeVar("A")
Question: TypeAlias = "Callable[[Connection], Awaitable[A]]"

CONNECTIONS = 4
#: a dead peer would otherwise be waited for as long as TCP does
CONNECT_S, PROBE_S, ANSWER_S, CLOSE_S = 5.0, 5.0, 30.0, 5.0
PROBE_EVERY_S = 5.0
ENDS_WITHIN_S = 0.1  #: a question whose connection is gone
_REFUSED = ("22", "23", "54")  #: SQLSTATE classes: data exception, integrity violation, program limit exceeded


class ValuesRefusedError(Exception):
    """The database answered, and does not take these values; asking again would not help."""


class Database:
    """A pool of connections that outlives the server's absences."""

    def __init__(self, dsn: str, clock: Clock, telemetry: Telemetry) -> None:
        self.outage = Outage("postgres", clock, telemetry)
        self._dsn = dsn
        self._pool: asyncpg.Pool | None = None
        self._probing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start; the server need not be there yet.

        Raises:
            ValueError: the address cannot be one.
        """
        # A server that does not hear that we are gone would keep our rows locked, for us too, as long as TCP lives.
        idle = {"idle_in_transaction_session_timeout": f"{ANSWER_S * 1000:.0f}"}
        self._pool = await asyncpg.create_pool(
            self._dsn, min_size=0, max_size=CONNECTIONS, timeout=CONNECT_S, reset=_leave_as_it_is, server_settings=idle
        )
        await self._attempt(_probe, PROBE_S)  # so that `outage` tells the truth from the start
        self._probing = asyncio.create_task(self._keep_probing())

    async def close(self) -> None:
        """Let go of the server, after what is under way if that ends soon."""
        assert self._pool
        assert self._probing
        await end([self._probing])
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pool.close(), CLOSE_S)

    async def ask(self, question: Question[A]) -> A:
        """What a connection answers to a question, which is asked anew for as long as the server fails.

        Raises:
            ValuesRefusedError: the question's values are what is wrong.
        """
        while (answered := await self._attempt(question, ANSWER_S)) is None:
            pass
        return answered[0]

    async def _attempt(self, question: Question[A], within_s: float) -> tuple[A] | None:
        """The answer, or None after a wait if the server failed."""
        assert self._pool
        try:
            async with self._pool.acquire(timeout=CONNECT_S) as connection:
                answer = await _answer(connection, question, within_s)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            await self.outage.wait(NotPreparedError("The tables are missing: run `sms-engine init`."))
        except asyncpg.ClientConfigurationError:
            raise
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            if _refuses_values(error):
                raise ValuesRefusedError(type(error).__name__) from error
            if self._pool.is_closing():
                raise
            await self.outage.wait(error)
        else:
            self.outage.over()
            return (answer,)
        return None

    async def _keep_probing(self) -> None:
        """Notice that the server is away, or back, while nobody asks anything."""
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            while await self._attempt(_probe, PROBE_S) is None:
                pass


async def _answer(connection: Connection, question: Question[A], within_s: float) -> A:
    """Whoever has waited enough, or is cancelled, gives the connection up: the library would wait for a dead peer."""
    asking = asyncio.ensure_future(question(connection))
    try:
        async with asyncio.timeout(within_s):
            return await asyncio.shield(asking)
    except (TimeoutError, asyncio.CancelledError):
        connection.terminate()  # which ends a question that waits for it; one that waits for others is cancelled
        await asyncio.wait([asking], timeout=ENDS_WITHIN_S)
        asking.cancel()
        await asyncio.wait([asking])
        raise


async def _leave_as_it_is(_: Connection) -> None:
    """No question leaves anything in its session; a transaction that is still open the library ends all the same."""


async def _probe(connection: Connection) -> None:
    await connection.execute("select from messages, scheduled, inbound, opt_outs, delivery_receipts, searches limit 0")


def _refuses_values(error: Exception) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_REFUSED)
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)
