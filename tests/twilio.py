"""A small stand-in for Twilio's Messages API, after its documentation: it checks who asks and signs what it posts."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

SID = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
TOKEN = "f4k3-t0ken"


class Twilio:
    """Takes messages at one account's address; what it does not like about a number, it is told by `errors`."""

    def __init__(self) -> None:
        self.token = TOKEN
        self.errors: dict[str, tuple[int, int]] = {}  #: number to HTTP status and code
        self.retry_after: str | None = None
        self.taken: list[dict[str, str]] = []  #: the forms of the messages

    async def answer(self, request: web.Request) -> web.Response:
        """One request to the API."""
        login = base64.b64encode(f"{SID}:{self.token}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {login}":
            return self._error(401, 20003, "Authenticate")
        if (request.method, request.path) != ("POST", f"/2010-04-01/Accounts/{SID}/Messages.json"):
            return self._error(404, 20404, "The requested resource was not found")
        if request.content_type != "application/x-www-form-urlencoded":
            return self._error(400, 21604, "A 'To' phone number is required.")
        form = {name: str(value) for name, value in (await request.post()).items()}
        if form["To"] in self.errors:
            status, code = self.errors[form["To"]]
            return self._error(status, code, "It is as it is.")
        self.taken.append(form)
        sid = f"SM{len(self.taken):032x}"
        told = {"sid": sid, "status": "queued", "to": form["To"], "body": form["Body"], "error_code": None}
        return web.json_response(told, status=201)

    def _error(self, status: int, code: int, message: str) -> web.Response:
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        more = f"https://www.twilio.com/docs/errors/{code}"
        body = {"code": code, "message": message, "more_info": more, "status": status}
        return web.json_response(body, status=status, headers=headers)

    async def post(
        self, public_url: str, server: str, form: dict[str, str], *, token: str | None = None
    ) -> tuple[int, str, str]:
        """Call a webhook by its public address, which a proxy hands to `server`; what it answers."""
        text = public_url + "".join(name + form[name] for name in sorted(form))
        digest = hmac.new((token or self.token).encode(), text.encode(), hashlib.sha1).digest()
        headers = {"X-Twilio-Signature": base64.b64encode(digest).decode()}
        there = server + urlsplit(public_url).path
        data: Any = form
        async with (
            aiohttp.ClientSession() as session,
            session.post(there, data=data, headers=headers) as response,
        ):
            return response.status, response.content_type, await response.text()
