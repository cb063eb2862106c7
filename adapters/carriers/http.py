"""A channel to any carrier that takes JSON over HTTP and reports by webhook, described in configuration alone.

aiohttp resends a request by itself only for methods it holds idempotent; POST, by which we submit, is sent once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from adapters.carriers import http_body
from adapters.carriers.http_answer import AnswerFormat, read_answer
from adapters.carriers.http_query import QueryFormat, read_query
from adapters.carriers.http_receipts import ReceiptFormat, read_receipts
from engine.outcomes import ChannelFault, Unanswered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from adapters.carriers.place import Places
    from engine.inbound import InboundMessage
    from engine.message import Message
    from engine.outcomes import Outcome
    from engine.ports import Clock
    from engine.receipts import DeliveryReceipt, NotSent, Receipt
    from engine.routing import Profile

MAX_ANSWER_BYTES = 64 * 1024
#: shorter than servers usually keep idle connections (5 s and up), so that a submit hardly ever meets one just closing
KEEP_IDLE_S = 4.0
MAX_UNKNOWN_WORDS = 100  #: told of; a hostile sender must not fill the log
#: raised only until a connection is made, so not a byte of the request has left
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HttpCarrier:
    """How a carrier wants its messages and says what became of them; secrets may stand anywhere in the first three."""

    url: str = field(repr=False)
    body: Mapping[str, object] = field(repr=False)  #: see `http_body.VARIABLES`
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    answer: AnswerFormat = field(default_factory=AnswerFormat)
    receipts: ReceiptFormat | None = None  #: None: it sends none
    query: QueryFormat | None = None  #: None: it cannot be asked

    def __post_init__(self) -> None:
        names = http_body.check(self.body)
        if self.query is not None and "job" not in names:
            raise ValueError("a query needs ${job} in the body too, or the carrier would know no message by it")


class HttpChannel:
    """A channel to a carrier over HTTP."""

    def __init__(self, profile: Profile, places: Places, carrier: HttpCarrier, clock: Clock) -> None:
        self.profile = profile
        self._places = places
        self._carrier = carrier
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._tell: Callable[[DeliveryReceipt | InboundMessage], Awaitable[None]] | None = None
        self._unknown_words: set[str] = set()

    @property
    def ready(self) -> bool:
        """Whether it was opened; connections are made when they are needed."""
        return self._session is not None

    @property
    def load(self) -> float:
        """How full its window is, from 0 to 1."""
        return self._places.load

    def place(self, segments: int, within_s: float) -> AbstractAsyncContextManager[bool]:
        """Wait for room in the channel's window and rate; False if there is none within the time."""
        return self._places.place(segments, within_s)

    async def open(self, tell: Callable[[DeliveryReceipt | InboundMessage], Awaitable[None]]) -> None:
        """Be ready; connections are made when they are needed."""
        self._tell = tell
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._places.window, keepalive_timeout=KEEP_IDLE_S),
            # Half of the engine's patience: a carrier that cannot be reached is known in time not to have the message.
            timeout=aiohttp.ClientTimeout(total=None, connect=self.profile.timeout_s / 2),
            headers={"Content-Type": "application/json", **self._carrier.headers},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Wait for the answers under way, then disconnect."""
        await self._places.drain()
        self._tell = None
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def submit(self, message: Message) -> Outcome:
        """Post the message once and read the answer."""
        if self._session is None:
            return ChannelFault("The channel is not open.")
        data = msgspec.json.encode(http_body.fill(self._carrier.body, message))
        try:
            async with self._session.post(self._carrier.url, data=data, allow_redirects=False) as response:
                body = await _read(response.content)
                if body is None:
                    return Unanswered(f"The carrier's answer is longer than {MAX_ANSWER_BYTES} bytes.")
                retry_after = response.headers.get("Retry-After")
                return read_answer(self._carrier.answer, response.status, retry_after, body)
        except _NOT_SENT as error:
            return ChannelFault(f"No connection to the carrier ({type(error).__name__}).")
        except (aiohttp.ClientError, OSError) as error:
            return Unanswered(f"The connection broke off before the answer ({type(error).__name__}).")

    async def ask(self, receipt: Receipt) -> DeliveryReceipt | NotSent | None:
        """What the carrier says when it is asked for the job by our reference."""
        query = self._carrier.query
        if self._session is None or query is None:
            return None
        async with self._session.get(query.url_for(receipt.job), allow_redirects=False) as response:
            body = await _read(response.content)
        now = self._clock.now()
        age_s = (now - (receipt.submitted_at or receipt.at)).total_seconds()
        return None if body is None else read_query(query, response.status, body, self.profile.name, now, age_s)

    def read(self, body: bytes) -> list[DeliveryReceipt]:
        """The delivery receipts in a body that the carrier posted.

        Raises:
            ValueError: the body is not what the carrier's description says.
        """
        if self._carrier.receipts is None:
            raise ValueError("this channel takes no delivery receipts")
        receipts = read_receipts(self._carrier.receipts, body, self.profile.name, self._clock.now())
        for unknown in {dlr.status for dlr in receipts} - self._carrier.receipts.states.keys():
            self._tell_unknown(unknown)
        return receipts

    async def take(self, dlr: DeliveryReceipt) -> None:
        """Take one of them; returns once it is safe, and raises whatever kept it from being so.

        Raises:
            ConnectionError: the channel is not open.
        """
        if self._tell is None:
            raise ConnectionError("the channel is not open")
        await self._tell(dlr)

    def _tell_unknown(self, status: str) -> None:
        if status not in self._unknown_words and len(self._unknown_words) < MAX_UNKNOWN_WORDS:
            self._unknown_words.add(status)
            _log.warning("channel %s reports a status that is not in its description: %r", self.profile.name, status)


async def _read(content: aiohttp.StreamReader) -> bytes | None:
    body = bytearray()
    async for chunk in content.iter_chunked(MAX_ANSWER_BYTES):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            return None
    return bytes(body)
