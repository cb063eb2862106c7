"""The HTTP server of a process: alone on the worker's port, or beside others that share it."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from adapters.http.server import HttpServer
from adapters.http.siblings import Siblings
from config.load import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiohttp import web

    from adapters.bootstrap.seat import Seat
    from adapters.http.probes import Probes
    from config.settings import Settings


@asynccontextmanager
async def listening(
    settings: Settings, probes: Probes, api: Sequence[web.RouteDef], seat: Seat | None
) -> AsyncIterator[str]:
    """Answer over HTTP; gives the worker's address.

    Raises:
        ConfigError: it cannot be had.
    """
    async with AsyncExitStack() as stack:
        routes, sockets = probes.routes(), []
        if seat is not None:
            own = HttpServer("", 0, routes, sockets=[socket.socket(fileno=seat.own)])
            await own.open()
            stack.push_async_callback(own.close)
            routes, sockets = Siblings(seat.ports, probes).routes(), [socket.socket(fileno=fd) for fd in seat.shared]
        server = HttpServer(settings.http_host, settings.http_port, [*routes, *api], sockets=sockets)
        try:
            await server.open()
        except OSError as error:
            raise taken(settings, error) from None
        stack.push_async_callback(server.close)
        yield f"http://{settings.http_host}:{server.port}"


def taken(settings: Settings, error: OSError) -> ConfigError:
    """That the worker's address cannot be had, as a sentence."""
    address = f"{settings.http_host}:{settings.http_port}"
    return ConfigError(f"http_host:http_port = {address} cannot be listened on: {error.strerror}.")
