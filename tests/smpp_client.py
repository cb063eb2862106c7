"""A bare SMPP client for tests: it says exactly what it is told to say, and shows everything it hears."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self, TypeVar

from adapters.carriers.smpp.commands import Status
from adapters.carriers.smpp.message_bodies import DeliverSm, DeliverSmResp, SubmitSm
from adapters.carriers.smpp.pdu import Body, Frames, Pdu, encode
from adapters.carriers.smpp.session_bodies import BindTransceiver

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

PATIENCE_S = 20.0
B = TypeVar("B", bound=Body)


class SmppClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = Frames()
        self._numbers = itertools.count(1)
        self._unread: list[Pdu] = []

    @classmethod
    @asynccontextmanager
    async def connected(cls, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Self]:
        """Connected, and nothing said yet."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname="localhost" if tls else None
        )
        client = cls(reader, writer)
        try:
            yield client
        finally:
            writer.transport.abort()

    @classmethod
    @asynccontextmanager
    async def bound(
        cls, port: int, kind: type[Body] = BindTransceiver, login: str = "user", password: str = "secret"
    ) -> AsyncIterator[Self]:
        """Let in."""
        async with cls.connected(port) as client:
            answer = await client.ask(kind(login, password))
            assert answer.status == Status.ESME_ROK
            yield client

    def say(self, body: Body, sequence: int | None = None, status: int = 0) -> int:
        """Write a PDU; its sequence number."""
        number = next(self._numbers) if sequence is None else sequence
        self.write(encode(Pdu(body, number, status)))
        return number

    def write(self, octets: bytes) -> None:
        """Write anything."""
        self._writer.write(octets)

    async def ask(self, body: Body) -> Pdu:
        """The answer to a PDU; what else comes meanwhile can be heard later."""
        number = self.say(body)
        while True:
            pdu = await self._read()
            if pdu.sequence == number and pdu.command & 0x80000000:
                return pdu
            self._unread.append(pdu)

    async def hear(self, kind: type[B]) -> tuple[B, int]:
        """The next PDU of a kind and its sequence number; others before it can be heard later."""
        for position, pdu in enumerate(self._unread):
            if isinstance(pdu.body, kind):
                del self._unread[position]
                return pdu.body, pdu.sequence
        while True:
            pdu = await self._read()
            if isinstance(pdu.body, kind):
                return pdu.body, pdu.sequence
            self._unread.append(pdu)

    async def deliver(self, status: int = Status.ESME_ROK) -> DeliverSm:
        """The next message or receipt for us, answered."""
        body, sequence = await self.hear(DeliverSm)
        self.say(DeliverSmResp(), sequence, status)
        return body

    async def rest(self) -> bytes:
        """All the octets until the other side hangs up."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.read()

    async def _read(self) -> Pdu:
        async with asyncio.timeout(PATIENCE_S):
            while (pdu := self._frames.take()) is None:
                octets = await self._reader.read(65536)
                if not octets:
                    raise ConnectionResetError("the other side hung up")
                self._frames.feed(octets)
            return pdu


def text(words: str = "hello", **fields: object) -> SubmitSm:
    """A message of one part, for which a receipt is wanted."""
    told = {"source_addr": "1069", "destination_addr": "8613800001234", "registered_delivery": 1} | fields
    return SubmitSm(**told, short_message=words.encode("ascii"))
