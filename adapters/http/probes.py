"""Is the process alive, is it ready, and how does it do? For schedulers, load balancers and Prometheus."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from adapters.http.answers import answer
from adapters.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import CollectorRegistry


@dataclass(frozen=True, slots=True)
class Probes:
    """`GET /livez`, `/readyz` and `/metrics`."""

    parts: Mapping[str, Outage | Callable[[], bool]]  #: what work needs; a callable says whether the part is well
    registry: CollectorRegistry

    def routes(self) -> list[web.RouteDef]:
        """Where the server finds them."""
        return [
            web.get("/livez", self.alive),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
        ]

    async def alive(self, _: web.Request) -> web.Response:
        """200: that it is answered at all is the news."""
        return answer(200, {"alive": True})

    async def ready(self, _: web.Request) -> web.Response:
        """200 if every part is well, else 503; one line per part."""
        well = {name: not part.away if isinstance(part, Outage) else part() for name, part in self.parts.items()}
        ready = all(well.values())
        said = {"ready": ready, "parts": {name: "ok" if fine else "away" for name, fine in well.items()}}
        return web.json_response(
            said, status=200 if ready else 503, dumps=lambda body: json.dumps(body, indent=2) + "\n"
        )

    async def metrics(self, _: web.Request) -> web.Response:
        """Everything counted, in Prometheus's text format."""
        return web.Response(body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
