"""A channel to any carrier that takes messages over HTTP and reports by webhook, described in configuration alone."""

from __future__ import annotations

import logging
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import aiohttp

from adapters.carriers.http_answer import read_answer
from adapters.carriers.http_inbound import read_inbound
from adapters.carriers.http_query import read_query
from adapters.carriers.http_receipts import read_receipts
from adapters.carriers.http_variables import Question, Submission
from engine.outcomes import ChannelFault, Unanswered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from adapters.carriers.http_carrier import HttpCarrier
    from adapters.carriers.http_request import Request
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


class HttpChannel:
    """A channel to a carrier over HTTP."""

    def __init__(self, profile: Profile, places: Places, carrier: HttpCarrier, clock: Clock) -> None:
        self.profile = profile
        self._places = places
        self._carrier = carrier
        self._write = carrier.submits()
        self._write_question = carrier.asks()
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

    def place(self, message: Message, within_s: float, rate: float = inf) -> AbstractAsyncContextManager[bool]:
        """Wait for room in the channel's window and rate; False if there is none within the time."""
        return self._places.place(message, within_s, rate)

    async def open(self, tell: Callable[[DeliveryReceipt | InboundMessage], Awaitable[None]]) -> None:
        """Be ready; connections are made when they are needed."""
        self._tell = tell
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._places.window, keepalive_timeout=KEEP_IDLE_S),
            # Half of the engine's patience: a carrier that cannot be reached is known in time not to have the message.
            timeout=aiohttp.ClientTimeout(total=None, connect=self.profile.timeout_s / 2),
            headers=self._write.fixed,
            skip_auto_headers=("Content-Type",),
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
        """Send the message once and read the answer."""
        if self._session is None:
            return ChannelFault("The channel is not open.")
        try:
            request = self._write(Submission(message, self._clock))
        except ValueError as error:
            return ChannelFault(f"The request cannot be written ({type(error).__name__}).")
        try:
            async with self._send(self._session, request) as response:
                body = await _read(response.content)
                if body is None:
                    return Unanswered(f"The carrier's answer is longer than {MAX_ANSWER_BYTES} bytes.")
                retry_after = response.headers.get("Retry-After")
                return read_answer(self._carrier.answer, response.status, retry_after, body, self._clock.now())
        except _NOT_SENT as error:
            return ChannelFault(f"No connection to the carrier ({type(error).__name__}).")
        except (aiohttp.ClientError, OSError) as error:
            return Unanswered(f"The connection broke off before the answer ({type(error).__name__}).")

    async def ask(self, receipt: Receipt) -> DeliveryReceipt | NotSent | None:
        """What the carrier says when it is asked for the job by our reference."""
        query = self._carrier.query
        if self._session is None or query is None or self._write_question is None:
            return None
        request = self._write_question(Question(receipt, self._clock, query.utc_offset_h))
        request = replace(request, headers={**self._write_question.fixed, **(request.headers or {})})
        async with self._send(self._session, request) as response:
            body = await _read(response.content)
        now = self._clock.now()
        age_s = (now - (receipt.submitted_at or receipt.at)).total_seconds()
        if body is None:
            return None
        return read_query(query, receipt.job, response.status, body, self.profile.name, now, age_s)

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

    def read_inbound(self, body: bytes) -> list[InboundMessage]:
        """The messages of people in a body that the carrier posted.

        Raises:
            ValueError: the body is not what the carrier's description says.
        """
        if self._carrier.inbound is None:
            raise ValueError("this channel takes no inbound messages")
        return read_inbound(self._carrier.inbound, body, self.profile.name, self._clock.now())

    async def take(self, news: DeliveryReceipt | InboundMessage) -> None:
        """Take one of them; returns once it is safe, and raises whatever kept it from being so.

        Raises:
            ConnectionError: the channel is not open.
        """
        if self._tell is None:
            raise ConnectionError("the channel is not open")
        await self._tell(news)

    def _send(
        self, session: aiohttp.ClientSession, request: Request
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        # aiohttp would send again by itself what it holds idempotent; a submit by GET is not.
        once = () if request.method == "POST" else (_Once(),)
        return session.request(
            request.method,
            request.url,
            data=request.payload,
            headers=request.headers,
            allow_redirects=False,
            middlewares=once,
        )

    def _tell_unknown(self, status: str) -> None:
        if status not in self._unknown_words and len(self._unknown_words) < MAX_UNKNOWN_WORDS:
            self._unknown_words.add(status)
            _log.warning("channel %s reports a status that is not in its description: %r", self.profile.name, status)


class _Once:
    """Lets a request out one time only."""

    def __init__(self) -> None:
        self._sent = False

    async def __call__(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if self._sent:
            raise aiohttp.ServerDisconnectedError
        self._sent = True
        return await send(request)


async def _read(content: aiohttp.StreamReader) -> bytes | None:
    body = bytearray()
    async for chunk in content.iter_chunked(MAX_ANSWER_BYTES):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            return None
    return bytes(body)
