"""How do messages come out of a connection at a third of the library's price?

aiormq awaits three times for each of the three frames of a message, passes every frame through a queue, and starts a
task for the message: 40 us. Here deliveries are taken out of the bytes as they come in, by the way that the library
offers for this, a transport of one's own. All else goes on to the library, which stays in charge of the connection.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from aiormq import TransportFactory
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from yarl import URL

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8  #: kinds of frames (AMQP 0-9-1, 4.2.3)
FRAME = struct.Struct(">BHI")  #: its kind, its channel, the length of what follows; then comes one byte more
DELIVER = Basic.Deliver.index.to_bytes(4, "big")  #: the class and the method, as such a frame begins
TAG = struct.Struct(">Q?")  #: and whether it was handed out before
CONTENT = struct.Struct(">HHQ")  #: a class, nothing, the length of the body; then come the properties
ALIVE = Heartbeat().marshal()
ALIVE_EVERY_S = 1.0
SLIP = Basic.Properties.flags["headers"] | Basic.Properties.flags["timestamp"]


class Arrival(NamedTuple):
    """A message as it was handed to a consumer."""

    body: bytes
    tag: int
    encoded: bytes  #: its properties
    routing_key: str

    @property
    def size(self) -> int:
        """In bytes, about."""
        return len(self.body) + len(self.encoded)

    @property
    def is_bare(self) -> bool:
        """Whether it has neither headers nor a timestamp: most have none, and reading properties takes long."""
        return not int.from_bytes(self.encoded[:2], "big") & SLIP

    @property
    def properties(self) -> Basic.Properties:
        """What it says of itself; whatever anybody wrote there must not cost the connection: see `lenient.py`."""
        header = ContentHeader()
        try:
            header.unmarshal(bytes(CONTENT.size) + self.encoded)
        except Exception:  # noqa: BLE001
            return Basic.Properties()
        return header.properties


class Deliveries(TransportFactory):
    """Which messages are whose, over one connection after another."""

    def __init__(self) -> None:
        self._receivers: dict[bytes, Callable[[Arrival], None]] = {}

    def expect(self, consumer_tag: str, receive: Callable[[Arrival], None]) -> None:
        """Have the messages of a consumer received from now on; `receive` never waits."""
        self._receivers[consumer_tag.encode()] = receive

    def forget(self, consumer_tag: str) -> None:
        """There will be no more for that consumer."""
        self._receivers.pop(consumer_tag.encode(), None)

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect (for aiormq, which closes what it gets)."""
        assert url.host is not None
        assert url.port is not None
        tls = await options["ssl_context_provider"].get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = Sieve(self._receivers)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.create_connection(lambda: protocol, url.host, url.port, ssl=tls)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


@dataclass(slots=True)
class _Content:
    receive: Callable[[Arrival], None]
    tag: int
    routing_key: str
    encoded: bytes = b""
    missing: int = 0
    parts: list[bytes] = field(default_factory=list)


class Sieve(asyncio.StreamReader):
    """Keeps deliveries out of what is read."""

    def __init__(self, receivers: dict[bytes, Callable[[Arrival], None]]) -> None:
        super().__init__()
        self._receivers = receivers
        self._rest = b""  #: the beginning of a frame
        self._contents: dict[int, _Content] = {}  #: by channel, for those may alternate
        self._alive_at = float("-inf")

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        """Called with whatever came in."""
        data = self._rest + data
        begin = at = 0
        others: list[bytes] = []
        while len(data) - at > FRAME.size:
            kind, channel, length = FRAME.unpack_from(data, at)
            if kind not in (METHOD, HEADER, BODY, HEARTBEAT):  # that is no broker, as the library will find
                at = len(data)
                break
            end = at + FRAME.size + length + 1
            if end > len(data):
                break
            if self._is_taken(kind, channel, data[at + FRAME.size : end - 1]):
                others.append(data[begin:at])
                begin = end
            at = end
        if begin and (now := asyncio.get_running_loop().time()) >= self._alive_at:
            self._alive_at = now + ALIVE_EVERY_S
            others.append(ALIVE)  # the library gives up a connection over which it sees nothing
        others.append(data[begin:at])
        self._rest = data[at:]
        super().feed_data(b"".join(others))

    def _is_taken(self, kind: int, channel: int, payload: bytes) -> bool:
        if kind == METHOD:
            self._contents.pop(channel, None)
            return payload.startswith(DELIVER) and self._announce(channel, payload)
        content = self._contents.get(channel)
        if content is None:
            return False
        if kind == HEADER:
            _, _, content.missing = CONTENT.unpack_from(payload)
            content.encoded = payload[CONTENT.size :]
        else:
            content.parts.append(payload)
            content.missing -= len(payload)
        if content.missing <= 0:
            del self._contents[channel]
            self._complete(content)
        return True

    def _announce(self, channel: int, payload: bytes) -> bool:
        consumer_tag, at = _short(payload, len(DELIVER))
        receive = self._receivers.get(consumer_tag)
        if receive is None:
            return False
        tag, _ = TAG.unpack_from(payload, at)
        _, at = _short(payload, at + TAG.size)  # the exchange
        routing_key, _ = _short(payload, at)
        self._contents[channel] = _Content(receive, tag, routing_key.decode("utf-8", "ignore"))
        return True

    def _complete(self, content: _Content) -> None:
        body = content.parts[0] if len(content.parts) == 1 else b"".join(content.parts)
        try:
            content.receive(Arrival(body, content.tag, content.encoded, content.routing_key))
        except Exception as error:  # noqa: BLE001  (a defect over one message must not cost the connection)
            told = {"message": "a message could not be received", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)


def _short(payload: bytes, at: int) -> tuple[bytes, int]:
    """A short string, and where it ends."""
    end = at + 1 + payload[at]
    return payload[at + 1 : end], end
