"""How a carrier over HTTP knows that it is us: the header of each scheme, made over the request as it is sent."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl

from adapters.carriers.http_template import in_url, ready_text
from adapters.carriers.http_variables import MOMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yarl import URL

    from adapters.carriers.http_template import Value, Variables
    from adapters.carriers.http_variables import Moment

_ACS3 = "ACS3-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A request that is ready but for its signature."""

    method: str
    url: URL
    headers: Mapping[str, str]
    payload: bytes
    moment: Moment


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token in `Authorization` (RFC 6750)."""

    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What to add to every request."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class Basic:
    """A name and a password in `Authorization` (RFC 7617), in UTF-8."""

    user: str
    password: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What to add to every request."""
        return {"Authorization": f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"}


#: what a signed string may be made of, besides the moment
_PARTS: Mapping[str, Callable[[Sealed], Value]] = {
    "method": lambda request: request.method,
    "url": lambda request: str(request.url),
    "path": lambda request: request.url.raw_path,
    "query": lambda request: request.url.raw_query_string,
    "payload": lambda request: request.payload.decode(),
    "payload_sha256": lambda request: hashlib.sha256(request.payload).hexdigest(),
}


def _of_moment(value: Callable[[Moment], Value]) -> Callable[[Sealed], Value]:
    return lambda request: value(request.moment)


SIGNED: Variables[Sealed] = {**_PARTS, **{name: _of_moment(value) for name, value in MOMENT.items()}}


@dataclass(frozen=True, slots=True)
class Hmac:
    """An HMAC (RFC 2104) over named parts of the request, in a header."""

    header: str
    secret: str = field(repr=False)
    signed: str = "${payload}"  #: see `SIGNED`
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""  #: in front of the digest
    _text: Callable[[Sealed], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_text", ready_text(self.signed, SIGNED))

    def headers(self, request: Sealed) -> dict[str, str]:
        """What to add to the request."""
        digest = hmac.digest(self.secret.encode(), self._text(request).encode(), self.algorithm)
        told = digest.hex() if self.encoding == "hex" else b64encode(digest).decode()
        return {self.header: f"{self.prefix}{told}"}


@dataclass(frozen=True, slots=True)
class Acs3:
    """Alibaba Cloud's signature version 3, ACS3-HMAC-SHA256.

    The host, the content type and every `x-acs-…` header are signed; of those, the action and the API's version are
    the carrier's own headers, the date, the nonce and the hash of the body are added here.
    """

    key: str
    secret: str = field(repr=False)

    def headers(self, request: Sealed) -> dict[str, str]:
        """What to add to the request."""
        digest = hashlib.sha256(request.payload).hexdigest()
        added = {
            "Host": request.url.host_port_subcomponent or "",
            "x-acs-date": f"{request.moment.at:%Y-%m-%dT%H:%M:%SZ}",
            "x-acs-signature-nonce": request.moment.nonce,
            "x-acs-content-sha256": digest,
        }
        signed = {name.lower(): value.strip() for name, value in {**request.headers, **added}.items() if _signs(name)}
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        query = _canonical_query(request.url)
        canonical = f"{request.method}\n{request.url.raw_path}\n{query}\n{lines}\n{names}\n{digest}"
        to_sign = f"{_ACS3}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self.secret.encode(), to_sign.encode(), "sha256").hex()
        return {**added, "Authorization": f"{_ACS3} Credential={self.key},SignedHeaders={names},Signature={signature}"}


Auth = Bearer | Basic | Hmac | Acs3


def _signs(header: str) -> bool:
    name = header.lower()
    return name.startswith("x-acs-") or name in ("host", "content-type")


def _canonical_query(url: URL) -> str:
    pairs = sorted(parse_qsl(url.raw_query_string, keep_blank_values=True))
    return "&".join(f"{in_url(name)}={in_url(value)}" for name, value in pairs)
