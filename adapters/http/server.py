"""One HTTP server in the loop of the worker, which keeps its own ways with signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from adapters.http.answers import in_json
from adapters.wire import MAX_BODY_BYTES

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Sequence

CLOSE_S = 5.0  #: for answers under way when the server closes


class HttpServer:
    """Answers on one address until it is closed."""

    def __init__(
        self, host: str, port: int, routes: Iterable[web.RouteDef], *, sockets: Sequence[socket.socket] = ()
    ) -> None:
        """Port 0 means any free one; with `sockets`, which listen already, these instead."""
        self._host = host
        self._port = port
        self._sockets = sockets
        app = web.Application(middlewares=[in_json], client_max_size=MAX_BODY_BYTES)
        app.add_routes(routes)
        # No access log: its lines would hold the tokens of webhooks.
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=CLOSE_S)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._runner.addresses[0][1]) if self._runner.addresses else self._port

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        await self._runner.setup()
        if not self._sockets:
            await web.TCPSite(self._runner, self._host, self._port).start()
        for each in self._sockets:
            await web.SockSite(self._runner, each).start()

    async def close(self) -> None:
        """Listen no more, and give answers under way a moment to end."""
        await self._runner.cleanup()
