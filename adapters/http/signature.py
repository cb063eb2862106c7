"""Is a posted body signed by who shares a secret with us?"""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl

from adapters.http.access import same

MAX_FIELDS = 200  #: of a form whose fields are signed


@dataclass(frozen=True, slots=True)
class Signature:
    """An HMAC (RFC 2104) in a header.

    `signs` is "body", the bytes as they came, or "url_and_form": the full address as the sender called it, followed
    by name and value of every field of the form, in the order of their names, with nothing in between. With SHA-1 and
    base64 the latter is how Twilio signs (its documentation, "Webhooks security").
    """

    header: str
    secret: str = field(repr=False)
    signs: Literal["body", "url_and_form"] = "body"
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""  #: in front of the digest
    url: str = ""  #: our address as the sender knows it; a query is taken from the request

    def __post_init__(self) -> None:
        if self.signs == "url_and_form" and not self.url:
            raise ValueError("a signature over the URL needs the webhook's URL as the carrier knows it")

    def matches(self, given: str, raw_path: str, body: bytes) -> bool:
        """Whether that header's value signs a request to `raw_path`, which is the path with the query as it came."""
        signed = body if self.signs == "body" else self._url_and_form(raw_path, body)
        if signed is None:
            return False
        digest = hmac.digest(self.secret.encode(), signed, self.algorithm)
        if self.encoding == "base64":
            return same(given, f"{self.prefix}{b64encode(digest).decode()}")
        return same(given.lower(), f"{self.prefix}{digest.hex()}".lower())

    def _url_and_form(self, raw_path: str, body: bytes) -> bytes | None:
        try:
            fields = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
        except ValueError:
            return None
        query = raw_path.partition("?")[2]
        url = self.url.partition("?")[0] + (f"?{query}" if query else "")
        # A field that comes twice with one value is signed once, as the sender's own libraries check it.
        return (url + "".join(f"{name}{value}" for name, value in sorted(set(fields)))).encode()
