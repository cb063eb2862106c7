"""How all processes of a worker do, whichever of them is asked.

The one that is asked asks each at its own port, itself too, and puts the answers together. A metric is shown for each
process, with the label `process`, and not as a sum: a sum would fall whenever a process is started again, which
Prometheus takes for a new counter that begins with all the others ever counted. So each series has one writer, as those
of several workers have, and `sum without (process) (rate(...))` is right whatever happens. (Metrics files of
prometheus_client that several processes write to would make each count dearer, and know no gauges that are read when
asked.) `sms_process_up` says who answered.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from adapters.http.exposition import together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.http.probes import Probes

ANSWER_S = 2.0  #: a process that takes longer is not well, and Prometheus waits for 10 s at most

UP = "# HELP sms_process_up Whether a process of this worker answers\n# TYPE sms_process_up gauge\nsms_process_up {}\n"


class Siblings:
    """`GET /livez`, `/readyz` and `/metrics` for all of them."""

    def __init__(self, ports: Sequence[int], probes: Probes) -> None:
        """`ports` are those at which they answer for themselves."""
        self._ports = ports
        self._probes = probes

    def routes(self) -> list[web.RouteDef]:
        """Where the server finds them."""
        return [
            web.get("/livez", self._probes.alive),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
        ]

    async def ready(self, _: web.Request) -> web.Response:
        """200 if every part of every process is well, else 503."""
        answers = await self._ask("readyz")
        said = {number: json.loads(answer) if answer else {"ready": False} for number, answer in answers.items()}
        ready = all(each["ready"] for each in said.values())
        body = json.dumps({"ready": ready, "processes": said}, indent=2) + "\n"
        return web.Response(status=200 if ready else 503, text=body, content_type="application/json")

    async def metrics(self, _: web.Request) -> web.Response:
        """Everything that all counted, in Prometheus's text format."""
        answers = await self._ask("metrics")
        texts = {number: (text or "") + UP.format(int(bool(text))) for number, text in answers.items()}
        return web.Response(body=together(texts).encode(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _ask(self, path: str) -> dict[str, str | None]:
        """What each says, by its number; None of one that does not answer."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as http:
            answers = await asyncio.gather(*(_answer(http, f"http://127.0.0.1:{port}/{path}") for port in self._ports))
        return {str(number): answer for number, answer in enumerate(answers, start=1)}


async def _answer(http: aiohttp.ClientSession, url: str) -> str | None:
    try:
        async with http.get(url) as response:
            return await response.text()
    except (aiohttp.ClientError, TimeoutError):
        return None
