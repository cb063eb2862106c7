"""Where carriers post their delivery receipts. They are answered once the receipts are safe, and repeat the rest."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from adapters.http.access import refused_stranger, same
from adapters.http.answers import answer, problem
from engine.record_receipt import StillInHand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from engine.receipts import DeliveryReceipt


@dataclass(frozen=True, slots=True)
class Webhook:
    """One channel's way in."""

    read: Callable[[bytes], Sequence[DeliveryReceipt]]  #: raises ValueError, which says why without quoting
    take: Callable[[DeliveryReceipt], Awaitable[None]]  #: returns once the receipt is safe
    token: str | None = field(default=None, repr=False)  #: wanted as `?token=`; None: only this machine is answered


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`POST /v1/receipts/{channel}`."""

    channels: Mapping[str, Webhook]

    def routes(self) -> list[web.RouteDef]:
        """Where the server finds it."""
        return [web.post("/v1/receipts/{channel}", self.receive)]

    async def receive(self, request: web.Request) -> web.Response:
        """200 once every receipt in the body is safe."""
        webhook = self.channels.get(request.match_info["channel"])
        if webhook is None:
            return problem(404, "No channel of this name takes delivery receipts here.")
        if webhook.token is None:
            if refused := refused_stranger(request):
                return refused
        elif not same(request.query.get("token", ""), webhook.token):
            return problem(403, "The token is wrong.")
        body = await request.read()
        try:
            receipts = webhook.read(body)
        except ValueError as error:
            return problem(400, f"The receipts cannot be read: {error}.")
        # Each for itself: what was taken before the carrier repeats them all changes nothing a second time.
        ends = await asyncio.gather(*map(webhook.take, receipts), return_exceptions=True)
        for failed in (end for end in ends if end is not None):
            if not isinstance(failed, StillInHand | ConnectionError):
                raise failed
            return problem(503, "The receipts could not be taken just now; send them again.")
        return answer(200, {})
