"""The HTTP side of a carrier, which speaks as the `http` channel of `config/channels.example.toml` expects.

`POST /v2/messages` takes `recipient`, `message`, `from` and `client_reference`, `GET /v2/messages?client_reference=…`
tells of the message. While the carrier is down connections are refused, and while it is mute nothing is answered.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from adapters.carriers.smsc.messages import Submit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from adapters.carriers.smsc.carrier import Carrier
    from adapters.carriers.smsc.known import Known

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ACCOUNT = "http"  #: whose messages all are that come by HTTP
PATH = "/v2/messages"
CLOSE_S = 0.5  #: for answers under way when the carrier ends

#: HTTP status and error code of what is not accepted
ERRORS = {
    "refused": (400, "INVALID_RECIPIENT"),
    "fault": (503, "UNAVAILABLE"),
    "throttled": (429, "TOO_FAST"),
    "queue_full": (429, "QUEUE_FULL"),
}


class Body(msgspec.Struct):
    """What is posted to us."""

    recipient: str
    message: str
    client_reference: str | None = None
    sender: str = msgspec.field(default="", name="from")


class HttpServer:
    """Takes messages over HTTP for one carrier."""

    def __init__(self, carrier: Carrier, host: str, port: int) -> None:
        """Port 0 means any free one, and the same one from then on."""
        self.port = port
        self._carrier = carrier
        self._host = host
        self._decode = msgspec.json.Decoder(Body).decode
        app = web.Application(middlewares=[self._as_it_behaves])
        app.add_routes([web.post(PATH, self._submit), web.get(PATH, self._query)])
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=CLOSE_S)
        self._site: web.TCPSite | None = None
        self._changing = asyncio.Lock()
        self._changes: set[asyncio.Task[None]] = set()
        self._heard = asyncio.Event()

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        self._carrier.watch(self._follow)
        await self._runner.setup()
        await self._change()

    async def close(self) -> None:
        """Listen no more."""
        self._heard.set()
        await asyncio.gather(*self._changes)
        await self._runner.cleanup()

    def _follow(self) -> None:
        change = asyncio.get_running_loop().create_task(self._change())
        self._changes.add(change)
        change.add_done_callback(self._changes.discard)

    async def _change(self) -> None:
        async with self._changing:
            state = self._carrier.behaviour.state
            if state == "mute":
                self._heard.clear()
            else:
                self._heard.set()
            if state == "down" and self._site is not None:
                site, self._site = self._site, None
                await site.stop()
            elif state != "down" and self._site is None:
                self._site = web.TCPSite(self._runner, self._host, self.port, reuse_address=True)
                await self._site.start()
                self.port = int(self._runner.addresses[0][1])

    @web.middleware
    async def _as_it_behaves(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._heard.is_set():
            await self._heard.wait()
        if self._carrier.behaviour.state == "down":
            return _hang_up(request)  # on a connection from before
        return await handler(request)

    async def _submit(self, request: web.Request) -> web.Response:
        try:
            body = self._decode(await request.read())
        except msgspec.MsgspecError:
            self._carrier.counts["malformed"] += 1
            return _answer(400, {"error": {"code": "MALFORMED", "message": "recipient and message are wanted"}})
        submit = Submit(ACCOUNT, body.sender, body.recipient, body.message, "http", body.client_reference)
        try:
            answer = self._carrier.submit(submit)
            if answer.safe is not None:
                await answer.safe
        except OSError:  # the log
            return _refusal("fault")
        if answer.fate == "silent":
            await asyncio.get_running_loop().create_future()
        if answer.after_s:
            await asyncio.sleep(answer.after_s)
        if answer.fate == "accepted":
            return _answer(200, {"data": {"message_id": answer.carrier_id}})
        return _refusal(answer.fate)

    async def _query(self, request: web.Request) -> web.Response:
        known = self._carrier.known.ask_by_reference(request.query.get("client_reference", ""))
        if known is None:
            return _answer(404, {"error": {"code": "NOT_FOUND", "message": "no such message"}})
        return _answer(200, {"messages": [_told(known)]})


def _told(known: Known) -> dict[str, str]:
    return {"message_id": known.carrier_id, "status": known.status}


def _refusal(fate: str) -> web.Response:
    status, code = ERRORS[fate]
    return _answer(status, {"error": {"code": code, "message": "the rehearsal carrier says so"}})


def _answer(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)
