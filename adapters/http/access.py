"""Who may ask? With a token, whoever presents it; without one, only this machine."""

from __future__ import annotations

import hmac
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from adapters.http.answers import problem

if TYPE_CHECKING:
    from aiohttp import web


def refused_bearer(request: web.Request, token: str | None) -> web.Response | None:
    """Why a request to the API is refused, or None if it may pass."""
    if token is None:
        return refused_stranger(request)
    if same(request.headers.get("Authorization", ""), f"Bearer {token}"):
        return None
    response = problem(401, "This needs the header Authorization: Bearer and the API token.")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def refused_stranger(request: web.Request) -> web.Response | None:
    """Why a request without a token is refused, or None if it comes from this machine.

    The socket decides, not what a header claims. A web page in a browser on this machine is a stranger, too: it could
    post here without being asked, and a browser says so with `Origin`.
    """
    if "Origin" in request.headers or not _is_loopback(request):
        return problem(403, "Without a token configured, only programs on this machine are answered.")
    return None


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that tells nothing about where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def _is_loopback(request: web.Request) -> bool:
    peer = request.transport and request.transport.get_extra_info("peername")
    if not peer:
        return False
    address = ip_address(peer[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback
