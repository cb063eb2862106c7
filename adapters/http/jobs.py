"""Enqueue jobs and ask what became of one: the queue's own bodies over HTTP (contract 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from aiohttp import web

from adapters import wire, wire_receipts
from adapters.http.access import refused_bearer
from adapters.http.answers import answer, problem
from engine.message import Category

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.compose import Directory
    from engine.message import Job
    from engine.ports import Clock, JobIntake, MessageStore

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Jobs:
    """`POST /v1/jobs` and `GET /v1/jobs/{id}`."""

    intake: JobIntake
    store: MessageStore
    directory: Directory
    clock: Clock
    token: str | None = field(repr=False)  #: None: only this machine is answered

    def routes(self) -> list[web.RouteDef]:
        """Where the server finds them."""
        return [web.post("/v1/jobs", self.enqueue), web.get("/v1/jobs/{id}", self.show)]

    async def enqueue(self, request: web.Request) -> web.Response:
        """202 with the ids once the queue has confirmed all jobs, else nothing was enqueued."""
        if refused := refused_bearer(request, self.token):
            return refused
        stated = request.query.get("category", Category.NOTIFICATION)
        if stated not in list(Category):
            return problem(400, f"The category must be one of {', '.join(Category)}.")
        body = await request.read()
        try:
            verdicts = wire.decode_each(body, Category(stated), received_at=self.clock.now())
        except wire.BadBodyError as error:
            return problem(400, str(error))
        jobs = [verdict for verdict in verdicts if not isinstance(verdict, wire.BadBodyError)]
        if len(jobs) < len(verdicts):
            return answer(400, {"errors": _errors(body, verdicts)})
        traceparent = request.headers.get("traceparent", "")
        try:
            await self.intake.put([self._prepared(job, traceparent) for job in jobs])
        except ConnectionError:
            return problem(503, "The queue did not confirm; the same jobs can safely be sent again.")
        return answer(202, {"ids": [job.id for job in jobs]})

    async def show(self, request: web.Request) -> web.Response:
        """200 with the receipt that stands."""
        if refused := refused_bearer(request, self.token):
            return refused
        try:
            job = UUID(request.match_info["id"])
        except ValueError:
            return problem(400, "The id is no UUID.")
        receipt = await self.store.latest(job)
        if receipt is None:
            return problem(404, "There is no receipt yet for a job of this id.")
        return web.Response(body=wire_receipts.encode_receipt(receipt), content_type="application/json")

    def _prepared(self, job: Job, traceparent: str) -> Job:
        template = self.directory.templates.get(job.template or "")
        return job._replace(
            category=template.category if template else job.category,
            traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
        )


def _errors(body: bytes, verdicts: Sequence[Job | wire.BadBodyError]) -> list[dict[str, object]]:
    return [
        {"index": index, "id": _id(body, index), "reason": str(verdict)}
        for index, verdict in enumerate(verdicts)
        if isinstance(verdict, wire.BadBodyError)
    ]


def _id(body: bytes, index: int) -> UUID | None:
    # Only what is a UUID is echoed; the rest of a bad item stays unread.
    try:
        items = msgspec.json.decode(body)
        item = items[index] if isinstance(items, list) else items
        return UUID(item["id"])
    except (
        msgspec.MsgspecError,
        UnicodeDecodeError,
        RecursionError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ):
        return None
