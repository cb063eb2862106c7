"""How a test or a person at the keyboard changes a carrier while it runs, and looks at what came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from adapters.carriers.smsc.behaviour import WireBehaviour, read_behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from adapters.carriers.smsc.carrier import Carrier


class FromPhone(msgspec.Struct):
    """A message that somebody shall have written."""

    sender: str
    to: str
    text: str
    account: str = ""


class Control:
    """The routes; whoever reaches them may do everything."""

    def __init__(
        self,
        carrier: Carrier,
        accounts: Collection[str],
        stats: Callable[[], Mapping[str, Any]],
        by_hand: Callable[[], None],
        disconnect: Callable[[], int],
    ) -> None:
        """`by_hand` is called before a change, for the script to stop; `disconnect` ends all binds, and counts them."""
        self._carrier = carrier
        self._accounts = accounts
        self._stats = stats
        self._by_hand = by_hand
        self._disconnect = disconnect

    def routes(self) -> list[web.RouteDef]:
        """Where a server finds them."""
        return [
            web.get("/behaviour", self._show),
            web.put("/behaviour", self._replace),
            web.patch("/behaviour", self._change),
            web.post("/inbound", self._receive),
            web.post("/disconnect", self._end),
            web.get("/stats", self._count),
            web.get("/submits", self._submits),
        ]

    async def _show(self, _: web.Request) -> web.Response:
        return _answer(self._carrier.behaviour)

    async def _replace(self, request: web.Request) -> web.Response:
        """What is not named is as it is by default."""
        return await self._behave(request, WireBehaviour())

    async def _change(self, request: web.Request) -> web.Response:
        """What is not named stays."""
        return await self._behave(request, self._carrier.behaviour)

    async def _behave(self, request: web.Request, base: WireBehaviour) -> web.Response:
        try:
            behaviour = read_behaviour(msgspec.json.decode(await request.read(), type=dict[str, Any]), base)
        except (ValueError, msgspec.MsgspecError) as error:
            return _answer({"error": str(error)}, 400)
        self._by_hand()
        self._carrier.behave(behaviour)
        return _answer(behaviour)

    async def _receive(self, request: web.Request) -> web.Response:
        """A person writes to an account; which one need not be said if there is only one."""
        try:
            told = msgspec.json.decode(await request.read(), type=FromPhone)
        except msgspec.MsgspecError as error:
            return _answer({"error": str(error)}, 400)
        account = told.account or next(iter(self._accounts))
        if account not in self._accounts:
            return _answer({"error": f"account is none of {', '.join(self._accounts)}"}, 400)
        return _answer({"message_id": self._carrier.receive(account, told.sender, told.to, told.text)}, 202)

    async def _end(self, _: web.Request) -> web.Response:
        """Every bind ends as `disconnect_by` says."""
        return _answer({"disconnected": self._disconnect()})

    async def _count(self, _: web.Request) -> web.Response:
        return _answer(self._stats())

    async def _submits(self, _: web.Request) -> web.Response:
        """The newest accepted messages, oldest first, whole."""
        return _answer([{"message_id": carrier_id, **told._asdict()} for carrier_id, told in self._carrier.shown])


def _answer(body: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
