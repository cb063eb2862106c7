"""Where carriers post delivery receipts and inbound messages: answered once all are safe, or they repeat them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from adapters.http.access import refused_stranger, same
from adapters.http.answers import problem
from engine.record_receipt import StillInHand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from adapters.http.signature import Signature
    from engine.inbound import InboundMessage
    from engine.receipts import DeliveryReceipt


@dataclass(frozen=True, slots=True)
class Webhook:
    """One channel's way in."""

    read: Callable[[bytes], Sequence[DeliveryReceipt | InboundMessage]]  #: raises ValueError, without quoting
    take: Callable[[DeliveryReceipt | InboundMessage], Awaitable[None]]  #: returns once it is safe
    token: str | None = field(default=None, repr=False)  #: wanted as `?token=`
    signature: Signature | None = None  #: wanted as well; with neither, only this machine is answered
    thanks: str = "{}"  #: what the carrier wants to hear
    thanks_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`POST /v1/receipts/{channel}` and `POST /v1/inbound/{channel}`."""

    channels: Mapping[str, Webhook]
    inbound: Mapping[str, Webhook] = field(default_factory=dict)

    def routes(self) -> list[web.RouteDef]:
        """Where the server finds them."""
        return [
            web.post("/v1/receipts/{channel}", partial(self.receive, self.channels, "receipts")),
            web.post("/v1/inbound/{channel}", partial(self.receive, self.inbound, "messages")),
        ]

    async def receive(self, webhooks: Mapping[str, Webhook], what: str, request: web.Request) -> web.Response:
        """200 once everything in the body is safe."""
        webhook = webhooks.get(request.match_info["channel"])
        if webhook is None:
            return problem(404, f"No channel of this name takes {what} here.")
        if refused := _refused(webhook, request):
            return refused
        body = await request.read()
        if not _signed(webhook, request, body):
            return problem(403, "The signature is wrong.")
        try:
            found = webhook.read(body)
        except ValueError as error:
            return problem(400, f"The {what} cannot be read: {error}.")
        # Each for itself: what was taken before the carrier repeats them all changes nothing a second time.
        ends = await asyncio.gather(*map(webhook.take, found), return_exceptions=True)
        for failed in (end for end in ends if end is not None):
            if not isinstance(failed, StillInHand | ConnectionError):
                raise failed
            return problem(503, f"The {what} could not be taken just now; send them again.")
        return web.Response(text=webhook.thanks, content_type=webhook.thanks_type)


def _refused(webhook: Webhook, request: web.Request) -> web.Response | None:
    """Why a request is refused unread, or None if it may come from the carrier."""
    if webhook.token is None and webhook.signature is None:
        return refused_stranger(request)
    if webhook.token is not None and not same(request.query.get("token", ""), webhook.token):
        return problem(403, "The token is wrong.")
    return None


def _signed(webhook: Webhook, request: web.Request, body: bytes) -> bool:
    """Whether it carries the carrier's signature, if one is wanted."""
    if webhook.signature is None:
        return True
    given = request.headers.get(webhook.signature.header, "")
    return webhook.signature.matches(given, request.raw_path, body)
