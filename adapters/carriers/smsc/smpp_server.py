"""The SMPP side of a carrier: its listener, which refuses connections while the carrier is down, and its sessions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from adapters.carriers.smsc.smpp_session import SmppSession

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from adapters.carriers.smsc.carrier import Carrier


class SmppServer:
    """Listens for clients of one carrier."""

    def __init__(
        self,
        carrier: Carrier,
        host: str,
        port: int,
        logins: Mapping[str, str],
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`logins`: password by system_id. Port 0 means any free one, and the same one from then on."""
        self.sessions: set[SmppSession] = set()
        self.port = port
        self._carrier = carrier
        self._host = host
        self._logins = logins
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._changing = asyncio.Lock()
        self._changes: set[asyncio.Task[None]] = set()
        self._alone = asyncio.Event()
        self._alone.set()

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        self._carrier.watch(self._follow)
        await self._listen()

    async def close(self) -> None:
        """Listen no more and end all sessions."""
        await asyncio.gather(*self._changes)
        await self._hang_up()

    def _session(self) -> SmppSession:
        return SmppSession(self._carrier, self._logins, self._begun, self._ended)

    def _begun(self, session: SmppSession) -> None:
        self.sessions.add(session)
        self._alone.clear()

    def _ended(self, session: SmppSession) -> None:
        self.sessions.discard(session)
        if not self.sessions:
            self._alone.set()

    def _follow(self) -> None:
        """The carrier behaves differently from now on."""
        change = asyncio.get_running_loop().create_task(self._change())
        self._changes.add(change)
        change.add_done_callback(self._changes.discard)
        for session in list(self.sessions):
            session.follow()

    async def _change(self) -> None:
        async with self._changing:
            if self._carrier.behaviour.state == "down":
                await self._hang_up()
            else:
                await self._listen()

    async def _listen(self) -> None:
        if self._server is None and self._carrier.behaviour.state != "down":
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                self._session, self._host, self.port, ssl=self._tls, reuse_address=True
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            server.close()
        for session in list(self.sessions):
            session.abort()
        await self._alone.wait()
