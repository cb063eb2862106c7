"""A simulated carrier in a process of its own: whatever it accepts is on disk before it answers.

`python -m tests.faults.carrier PORT LOG SEED`. Its log is what the engine is judged by. It is told how to behave by
`PUT /behaviour` and where to report by `PUT /webhooks`; `GET /pending` counts the delivery receipts on their way.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
from aiohttp import web

DRIP_S = 0.3  #: between the bytes of a slow answer
SILENT_S = 60.0  #: longer than any caller's patience
REPORT_AGAIN_S = 0.1  #: after a delivery receipt was not taken

#: how a submit may be answered: HTTP status, and whether the message is accepted first. None: see `_answer`.
ANSWERS: dict[str, tuple[int | None, bool]] = {
    "accept": (200, True),
    "drip": (200, True),  # byte by byte
    "refuse": (400, False),
    "throttle": (429, False),
    "unavailable": (503, False),
    "error": (500, False),
    "error_after": (500, True),
    "hang_up": (None, False),
    "hang_up_after": (None, True),
    "silent": (None, False),
    "silent_after": (None, True),
}


@dataclass(frozen=True)
class Behaviour:
    """What one channel of the carrier does with submits."""

    answers: dict[str, float] = field(default_factory=lambda: {"accept": 1.0})  #: of ANSWERS, by weight
    latency_s: float = 0.005  #: before it decides
    late_s: float = 0.0  #: between accepting and answering
    status: str = "DELIVRD"  #: of delivery receipts; empty: it sends none
    report_s: float = 0.05  #: from accepting to the delivery receipt
    reports: int = 1  #: how often it sends the same one
    early: bool = False  #: the delivery receipt is taken before the submit is answered
    stray: bool = False  #: with each comes another about a message nobody submitted


class Log:
    """Lines that are on disk when `write` returns; those of one moment share one sync."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._waiting: list[asyncio.Future[None]] = []
        self._syncing: asyncio.Task[None] | None = None

    async def write(self, **line: object) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        if self._syncing is None:
            self._syncing = asyncio.create_task(self._sync())
        await done

    async def _sync(self) -> None:
        while waiting := self._waiting:
            self._waiting = []
            self._file.flush()
            await asyncio.to_thread(os.fsync, self._file.fileno())
            for done in waiting:
                done.set_result(None)
        self._syncing = None


class Carrier:
    """Takes submits, and reports on them."""

    def __init__(self, log: Log, rng: Random) -> None:
        self._log = log
        self._rng = rng
        self._numbers = itertools.count(1)
        self._behaviours: dict[str, Behaviour] = {}
        self._webhooks: list[str] = []
        self._accepted: dict[str, tuple[str, str]] = {}
        self._reports: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        application = web.Application()
        application.add_routes(
            [
                web.post("/{channel}/messages", self._submit),
                web.get("/{channel}/messages/{reference}", self._query),
                web.put("/behaviour", self._behave),
                web.put("/webhooks", self._report_to),
                web.get("/pending", self._pending),
            ]
        )
        application.cleanup_ctx.append(self._client)
        return application

    async def _client(self, _: web.Application) -> Any:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as self._session:
            yield

    async def _behave(self, request: web.Request) -> web.Response:
        self._behaviours |= {channel: Behaviour(**told) for channel, told in (await request.json()).items()}
        return web.json_response({})

    async def _report_to(self, request: web.Request) -> web.Response:
        self._webhooks = await request.json()
        return web.json_response({})

    async def _pending(self, _: web.Request) -> web.Response:
        return web.json_response(len(self._reports))

    async def _query(self, request: web.Request) -> web.Response:
        """What became of a message, by the reference it was submitted with."""
        found = self._accepted.get(request.match_info["reference"])
        if found is None:
            return web.json_response({"code": "NOT_FOUND"}, status=404)
        carrier_id, status = found
        return web.json_response({"id": carrier_id, "status": status})

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        channel, began, number = request.match_info["channel"], time.monotonic(), next(self._numbers)
        behaviour = self._behaviours.get(channel, Behaviour())
        message = await request.json()
        answer = self._rng.choices(list(behaviour.answers), list(behaviour.answers.values()))[0]
        await self._log.write(kind="call", n=number, channel=channel, at=began, answer=answer, **message)
        status, accepts = ANSWERS[answer]
        carrier_id = f"{channel}-{message['job']}-{number}"
        await asyncio.sleep(behaviour.latency_s)
        if accepts:
            await self._accept(number, carrier_id, message["job"], channel, behaviour)
        try:
            return await self._answer(request, answer, status, carrier_id)
        finally:
            await self._log.write(kind="end", n=number, at=time.monotonic())

    async def _accept(self, number: int, carrier_id: str, job: str, channel: str, behaviour: Behaviour) -> None:
        await self._log.write(kind="accept", n=number, at=time.monotonic(), id=carrier_id)
        self._accepted[job] = (carrier_id, behaviour.status)
        if behaviour.status:
            reporting = asyncio.create_task(self._report(channel, carrier_id, job, behaviour))
            self._reports.add(reporting)
            reporting.add_done_callback(self._reports.discard)
            if behaviour.early:
                await reporting
        await asyncio.sleep(behaviour.late_s)

    async def _answer(
        self, request: web.Request, answer: str, status: int | None, carrier_id: str
    ) -> web.StreamResponse:
        if status is None:
            if answer.startswith("silent"):
                await asyncio.sleep(SILENT_S)
            if request.transport:
                request.transport.abort()
            return web.Response()  # nobody reads it
        if status != 200:
            return web.json_response({"code": answer.upper()}, status=status)
        if answer == "drip":
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):  # the caller had enough
                for byte in json.dumps({"id": carrier_id}):
                    await response.write(byte.encode())
                    await asyncio.sleep(DRIP_S)
            return response
        return web.json_response({"id": carrier_id})

    async def _report(self, channel: str, carrier_id: str, job: str, behaviour: Behaviour) -> None:
        await asyncio.sleep(0 if behaviour.early else behaviour.report_s)
        for _ in range(behaviour.reports):
            await self._tell(channel, carrier_id, behaviour.status)
            await self._log.write(kind="report", at=time.monotonic(), job=job, id=carrier_id, status=behaviour.status)
        if behaviour.stray:
            await self._tell(channel, f"stray-{carrier_id}", behaviour.status)
            await self._log.write(kind="stray", at=time.monotonic(), channel=channel, id=f"stray-{carrier_id}")

    async def _tell(self, channel: str, carrier_id: str, status: str) -> None:
        """Post a delivery receipt to one worker after the other until one has it safe."""
        assert self._session
        for attempt in itertools.count(self._rng.randrange(100)):
            if self._webhooks:
                url = f"{self._webhooks[attempt % len(self._webhooks)]}/v1/receipts/{channel}"
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with self._session.post(url, json={"id": carrier_id, "status": status}) as response:
                        if response.status == 200:
                            return
            await asyncio.sleep(REPORT_AGAIN_S)


def main(port: int, log: Path, seed: int) -> None:
    """Serve until killed."""
    carrier = Carrier(Log(log), Random(seed))
    # A message whose sender has given up is accepted all the same: handlers are not cancelled.
    web.run_app(carrier.application(), host="127.0.0.1", port=port, print=None, access_log=None, shutdown_timeout=0.1)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
