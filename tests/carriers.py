"""Carriers for tests: what a channel needs to be built, and a small carrier that speaks JSON over real HTTP."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import aiohttp
from aiohttp import web
from hypothesis import strategies as st

from adapters.carriers.http_answer import AnswerFormat, Verdict
from adapters.carriers.http_carrier import HttpCarrier
from adapters.carriers.http_query import QueryFormat
from adapters.carriers.http_receipts import ReceiptFormat
from adapters.carriers.place import Places
from engine.message import Category, Job, Message, Recipient
from engine.receipts import NotSent, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from engine.turns import Answer, Pace


def message(**changes: Any) -> Message:
    """A message that can be handed to a carrier; `changes` are made to its job."""
    job = Job(uuid4(), "+8613800001234", Category.OTP, datetime.now(UTC), signature="Acme", template="SMS_1")
    job = job._replace(**{"params": {"code": "1234"}, **changes})
    return Message(job, Recipient("+8613800001234", "CN"), Category.OTP, "【Acme】Your code is 1234.", 1)


def any_json() -> st.SearchStrategy[object]:
    """Whatever JSON a stranger may send."""
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    names = st.sampled_from(["id", "Code", "data", "reports", "msg", "stat"]) | st.text()
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner), max_leaves=20
    )


class NoRateCap:
    """Stands in where no rate is configured; asking it is a mistake."""

    async def reserve(
        self, channel: str, pace: Pace, segments: int, category: Category, within_s: float, *, again: bool = False
    ) -> Answer:
        raise AssertionError("a channel without a rate asked for a turn")


def places(window: int = 10) -> Places:
    """Room on a channel without a rate."""
    return Places("alpha", window, None, NoRateCap())


class JsonCarrier:
    """A carrier with an API of its own: `POST /send`, answers in `data.id`, receipts as a list under `reports`.

    `GET /find?ref=…` tells of a message by the sender's reference.
    """

    def __init__(self) -> None:
        self.mode = "accept"  #: accept, refuse, fault, throttle or silent
        self.latency_s = 0.0
        self.early = False  #: receipts go out before the answer
        self.report = True
        self.webhook = ""
        self.found_state = "ENROUTE"  #: what it tells of a message when asked for it
        self.asked: list[dict[str, Any]] = []  #: bodies received
        self.taken: list[tuple[str, UUID]] = []  #: carrier id and job of every message taken
        self.url = ""
        self._reports: set[asyncio.Task[None]] = set()

    def describe(self, *, settles_after_s: float = 0.0) -> HttpCarrier:
        """How a channel is to speak to it."""
        return HttpCarrier(
            url=self.url,
            body={"phone": "${to}", "content": "${text}", "ref": "${job}"},
            answer=AnswerFormat(
                id_path="data.id",
                status_path="code",
                values={"OK": Verdict.ACCEPTED, "BUSY": Verdict.THROTTLED, "DOWN": Verdict.FAULT},
                code_path="code",
                reason_path="message",
            ),
            receipts=ReceiptFormat(
                states={"DELIVRD": State.DELIVERED, "UNDELIV": State.UNDELIVERED},
                id_path="id",
                status_path="stat",
                code_path="err",
                list_path="reports",
            ),
            query=QueryFormat(
                url=f"{self.url.removesuffix('/send')}/find?ref=${{job}}",
                states={
                    "DELIVRD": State.DELIVERED,
                    "UNDELIV": State.UNDELIVERED,
                    "ENROUTE": State.SUBMITTED,
                    "UNKNOWN": NotSent(),
                },
                id_path="found.id",
                status_path="stat",
                code_path="err",
                settles_after_s=settles_after_s,
            ),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[JsonCarrier]:
        """The carrier, listening."""
        async with serving(self._answer) as url:
            self.url = f"{url}/send"
            yield self
            for report in self._reports:
                report.cancel()
            await asyncio.gather(*self._reports, return_exceptions=True)

    async def _answer(self, request: web.Request) -> web.Response:
        return await (self._send(request) if request.method == "POST" else self._find(request))

    async def _find(self, request: web.Request) -> web.Response:
        found = next((id_ for id_, job in self.taken if str(job) == request.query["ref"]), None)
        if found is None:
            return web.json_response({"stat": "UNKNOWN"})
        return web.json_response({"stat": self.found_state, "err": "E7", "found": {"id": found}})

    async def _send(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.asked.append(asked)
        match self.mode:
            case "refuse":
                return web.json_response({"code": "BAD_NUMBER", "message": "No such number."})
            case "fault":
                return web.json_response({"code": "DOWN"}, status=503)
            case "throttle":
                return web.json_response({"code": "BUSY"})
        carrier_id = f"c-{len(self.taken)}"
        self.taken.append((carrier_id, UUID(asked["ref"])))
        if self.mode == "silent":
            await asyncio.get_running_loop().create_future()
        if self.early and self.webhook:
            await self._post_receipt(carrier_id)
        await asyncio.sleep(self.latency_s)
        if not self.early and self.report and self.webhook:
            task = asyncio.create_task(self._post_receipt(carrier_id))
            self._reports.add(task)
            task.add_done_callback(self._reports.discard)
        return web.json_response({"code": "OK", "data": {"id": carrier_id}})

    async def _post_receipt(self, carrier_id: str) -> None:
        body = {"reports": [{"id": carrier_id, "stat": "DELIVRD", "err": "000"}]}
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.post(self.webhook, json=body) as response:
                    if response.status == 200:
                        return
                await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """An HTTP server on a free port that gives every request to the handler; its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
