"""How we answer over HTTP: JSON always, also where something went wrong, and never with what we were sent."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_S = 30.0  #: after which a request that waits for a server of ours is answered with 503
RETRY_AFTER_S = 5

_log = logging.getLogger(__name__)
_REASONS = {
    404: "There is nothing here.",
    405: "This method is not allowed here.",
    413: "The body is longer than 1 MiB.",
}


def answer(status: int, body: object) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def problem(status: int, reason: str) -> web.Response:
    """A JSON answer that says in one sentence why not; with a time to come back if it is our fault."""
    response = answer(status, {"error": reason})
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


@web.middleware
async def in_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer in time and in JSON, whatever happens."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await handler(request)
    except web.HTTPException as error:
        response = problem(error.status, _REASONS.get(error.status, error.reason))
        response.headers.update({name: error.headers[name] for name in ("Allow",) if name in error.headers})
        return response
    except web.RequestPayloadError:
        return problem(400, "The body cannot be read as its headers describe it.")
    except (TimeoutError, ConnectionError):  # of a server of ours, or the caller's own, who then hears no more
        return problem(503, "This cannot be answered at the moment; try again.")
    except Exception as error:  # noqa: BLE001  (a defect of ours: told to the log, not to the caller)
        _log.error("answering %s raised %s", request.match_info.route.resource, type(error).__name__, exc_info=error)
        return problem(500, "Something is wrong on our side.")
