"""A database that was prepared once, for others to be copied from: migrations take longer than most tests."""

from __future__ import annotations

import asyncio
import atexit
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg

from adapters.postgres.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any


@cache
def prepared(url: str) -> str:
    """The name of a database on the server as `sms-engine init` leaves it; it goes when the tests end."""
    name = f"sms_prepared_{secrets.token_hex(6)}"
    run_now(execute(url, f"create database {name}"))
    atexit.register(lambda: asyncio.run(execute(url, f"drop database {name} with (force)")))
    run_now(migrate(urlsplit(url)._replace(path=f"/{name}").geturl()))
    return name


async def execute(url: str, sql: str) -> None:
    """Run a statement over a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def run_now(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine to its end on a loop of its own, wherever we are called from."""
    with ThreadPoolExecutor(1) as aside:
        aside.submit(asyncio.run, coroutine).result()
