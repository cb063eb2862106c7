"""A small stand-in for Alibaba Cloud's SMS service (Dysmsapi 2017-05-25), after its documentation.

It checks the signature of every request on its own: parameters are decoded and encoded again, headers are taken as
they came.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

from aiohttp import web

KEY, SECRET = "LTAI5tFakeKeyId000001", "FakeSecretFakeSecretFakeSecret"
_AUTHORIZATION = re.compile(r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([a-z0-9;-]+),Signature=([0-9a-f]{64})")
_MUST_SIGN = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}


class Aliyun:
    """Takes messages; what it does not like about a number, it is told by `errors`."""

    def __init__(self) -> None:
        self.secret = SECRET
        self.errors: dict[str, tuple[int, str]] = {}  #: number to HTTP status and code
        self.silent = False  #: carries requests out and does not say so
        self.taken: list[dict[str, str]] = []  #: the parameters of the messages
        self.details: list[dict[str, Any]] = []  #: what it tells of messages sent
        self.asked: list[dict[str, str]] = []  #: the parameters of questions
        self.nonces: set[str] = set()

    async def answer(self, request: web.Request) -> web.Response:
        """One request to the API."""
        body = await request.read()
        if wrong := self._unsigned(request, body):
            return self._error(*wrong)
        parameters = dict(parse_qsl(request.raw_path.partition("?")[2] + "&" + body.decode(), keep_blank_values=True))
        match request.headers["x-acs-action"]:
            case "SendSms" if request.method == "POST":
                return self._send(parameters)
            case "QuerySendDetails":
                return self._tell(parameters)
        return self._error(404, "InvalidAction.NotFound")

    def _unsigned(self, request: web.Request, body: bytes) -> tuple[int, str] | None:
        found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        if not found:
            return 400, "IncompleteSignature"
        key, names, signature = found.groups()
        if key != KEY:
            return 404, "InvalidAccessKeyId.NotFound"
        if not set(names.split(";")) >= _MUST_SIGN or names.split(";") != sorted(names.split(";")):
            return 400, "IncompleteSignature"
        digest = hashlib.sha256(body).hexdigest()
        path, _, query = request.raw_path.partition("?")
        pairs = sorted(parse_qsl(query, keep_blank_values=True))
        canonical = "\n".join(
            [
                request.method,
                path,
                "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs),
                "".join(f"{name}:{request.headers[name].strip()}\n" for name in names.split(";")),
                names,
                digest,
            ]
        )
        to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
        expected = hmac.new(self.secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
        if signature != expected or request.headers["x-acs-content-sha256"] != digest:
            return 400, "SignatureDoesNotMatch"
        at = datetime.strptime(request.headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if abs(datetime.now(UTC) - at) > timedelta(minutes=15):
            return 400, "InvalidTimeStamp.Expired"
        if request.headers["x-acs-version"] != "2017-05-25":
            return 400, "InvalidVersion"
        nonce = request.headers["x-acs-signature-nonce"]
        if nonce in self.nonces:
            return 400, "SignatureNonceUsed"
        self.nonces.add(nonce)
        return None

    def _send(self, parameters: dict[str, str]) -> web.Response:
        if missing := [name for name in ("PhoneNumbers", "SignName", "TemplateCode") if not parameters.get(name)]:
            return self._error(400, f"Missing{missing[0]}")
        if parameters["PhoneNumbers"] in self.errors:
            return self._error(*self.errors[parameters["PhoneNumbers"]])
        self.taken.append(parameters)
        if self.silent:
            return web.Response(status=500)
        return web.json_response({"Code": "OK", "Message": "OK", "BizId": f"33600664693705033{len(self.taken)}^0"})

    def _tell(self, parameters: dict[str, str]) -> web.Response:
        self.asked.append(parameters)
        listed = {"SmsSendDetailDTO": self.details}
        total = str(len(self.details))
        return web.json_response({"Code": "OK", "Message": "OK", "TotalCount": total, "SmsSendDetailDTOs": listed})

    def _error(self, status: int, code: str) -> web.Response:
        return web.json_response({"RequestId": "A57FBFD7", "Code": code, "Message": "It is as it is."}, status=status)
