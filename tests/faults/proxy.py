"""A TCP proxy that does to a connection what networks do: delay, stall, swallow, cut, reset, refuse.

There is no netem on the machines this runs on, and a proxy of our own also knows which byte it cut at.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHUNK = 65536
RESET = struct.pack("ii", 1, 0)  #: SO_LINGER on, 0 s: closing sends RST instead of FIN


class Way(Enum):
    """A direction of a connection."""

    UP = "to the server"
    DOWN = "to the client"


class Proxy:
    """Stands before one server, on a port that stays the same."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port  #: may be changed, as by a failover; connections there are stay
        self.port = 0
        self.accepted = 0  #: connections so far
        self.delay_s = 0.0  #: of every chunk, either way
        self._cut_after: dict[Way, int] = {}
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._links: set[_Link] = set()
        self._listener: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._links)

    def before(self, url: str) -> str:
        """The address of the server through this proxy."""
        parts = urlsplit(url)
        login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{self.port}"))

    async def accept(self) -> None:
        """Take connections (again)."""
        self._listener = await asyncio.start_server(self._open, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no more connections and reset those there are, as a server that is down."""
        if self._listener:
            self._listener.close()
            self._listener = None
        self.reset()

    def reset(self) -> None:
        """RST to both ends of every connection; new ones are taken."""
        for link in list(self._links):
            link.reset()

    def stall(self) -> None:
        """Pass nothing on, over old connections and new ones; nothing is lost."""
        self._flowing.clear()

    def flow(self) -> None:
        """End a stall."""
        self._flowing.set()

    def swallow(self, *ways: Way) -> None:
        """Lose everything from now on over the connections there are, also their end: a half-open connection."""
        for link in self._links:
            link.swallowed |= set(ways or Way)

    def cut_after(self, count: int, way: Way) -> None:
        """Reset the first connection over which that many more bytes have gone in this direction; once."""
        self._cut_after[way] = count
        for link in self._links:
            link.passed[way] = 0

    async def close(self) -> None:
        self.refuse()
        self.flow()
        await asyncio.gather(*(link.ended.wait() for link in list(self._links)))

    async def _open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            _reset(writer)
            return
        link = _Link(writer, server_writer)
        self._links.add(link)
        try:
            ways = (Way.UP, reader, server_writer), (Way.DOWN, server_reader, writer)
            await asyncio.gather(*(self._pass_on(link, *way) for way in ways))
        finally:
            self._links.discard(link)
            link.reset()
            link.ended.set()

    async def _pass_on(self, link: _Link, way: Way, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                await self._flowing.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if way in link.swallowed:
                    continue
                limit = self._cut_after.get(way)
                if limit is not None and link.passed[way] + len(data) >= limit:
                    del self._cut_after[way]
                    target.write(data[: limit - link.passed[way]])
                    await target.drain()
                    return link.reset()
                link.passed[way] += len(data)
                target.write(data)
                await target.drain()
        await self._flowing.wait()
        if way in link.swallowed:  # the end is lost as well, until somebody resets
            return await link.broken.wait() and None
        if target.can_write_eof() and not target.is_closing():
            with contextlib.suppress(OSError):
                target.write_eof()


class _Link:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.swallowed: set[Way] = set()
        self.passed = dict.fromkeys(Way, 0)
        self.broken = asyncio.Event()
        self.ended = asyncio.Event()
        self._writers = (client, server)

    def reset(self) -> None:
        self.broken.set()
        for writer in self._writers:
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


@contextlib.asynccontextmanager
async def proxy(server_port: int) -> AsyncIterator[Proxy]:
    """A proxy before a port of this machine."""
    between = Proxy(server_port)
    await between.accept()
    try:
        yield between
    finally:
        await between.close()
