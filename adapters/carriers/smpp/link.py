"""One connection to a carrier: octets in, PDUs out; neither end can make the other's memory grow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from adapters.carriers.smpp.pdu import Frames, Pdu, PduError, encode

if TYPE_CHECKING:
    from collections.abc import Callable

FLUSH_S = 2.0  #: for what is still to be written when a connection is closed


class NotWrittenError(ConnectionError):
    """The link ended, and surely not one octet of the request had left."""


class Link(asyncio.Protocol):
    """Hands every PDU that comes to `hear`, every malformed one to `mishear`, and the reason of the end to `end`.

    A carrier that does not read what we write is not read either, so that it cannot have us answer without bound.
    """

    def __init__(
        self, hear: Callable[[Pdu], None], mishear: Callable[[PduError], None], end: Callable[[str], None]
    ) -> None:
        self.heard_at = 0.0  #: of the loop's clock, the last octets
        self._hear = hear
        self._mishear = mishear
        self._end = end
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._closed = False
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._writable.set()
        self.heard_at = self._loop.time()
        if self._closed:  # given up while it was being made
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        self._frames.feed(data)
        while not self._closed:
            try:
                pdu = self._frames.take()
            except PduError as error:
                self._mishear(error)
                if error.fatal:
                    return
                continue
            if pdu is None:
                return
            self._hear(pdu)

    def connection_lost(self, error: Exception | None) -> None:
        self.close()
        self._end(f"the connection broke off ({type(error).__name__})" if error else "the carrier hung up")

    def pause_writing(self) -> None:
        self._writable.clear()
        if self._transport:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._writable.set()
        if self._transport and not self._closed:
            self._transport.resume_reading()

    async def writable(self) -> None:
        """Wait until a request may be written.

        Raises:
            NotWrittenError: the link has ended.
        """
        await self._writable.wait()
        if self._closed or self._transport is None or self._transport.is_closing():
            raise NotWrittenError("the link has ended")

    def send(self, pdu: Pdu) -> None:
        """Write a PDU; after the end it goes nowhere.

        Raises:
            ValueError: a field holds what cannot be written; then nothing is.
        """
        octets = encode(pdu)
        if self._transport and not self._closed:
            self._transport.write(octets)

    def close(self) -> None:
        """Take nothing more, write what is still to be written if that goes quickly, and hang up."""
        if self._closed:
            return
        self._closed = True
        self._writable.set()
        if self._transport:
            self._transport.close()
            self._loop.call_later(FLUSH_S, self._transport.abort)
