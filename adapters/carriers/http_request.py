"""The requests of a carrier over HTTP: described in configuration, made ready once, written for every message."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec
from yarl import URL

from adapters.carriers.http_auth import Acs3, Basic, Bearer, Hmac, Sealed
from adapters.carriers.http_template import constant, in_header, in_url, names, ready, ready_text, written
from adapters.carriers.http_variables import Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapters.carriers.http_auth import Auth
    from adapters.carriers.http_template import Variables

M = TypeVar("M", bound=Moment)

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ORIGIN = re.compile(r"https?://[^/?#]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Encoding(StrEnum):
    """How the fields of a request travel."""

    JSON = "json"
    FORM = "form"  #: application/x-www-form-urlencoded
    QUERY = "query"  #: in the URL, with no body


_CONTENT_TYPES = {Encoding.JSON: "application/json", Encoding.FORM: "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class RequestFormat:
    """One kind of request; secrets may stand anywhere in it."""

    url: str = field(repr=False)
    method: str = "POST"
    fields: Mapping[str, object] | None = field(default=None, repr=False)
    encoding: Encoding = Encoding.JSON
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Auth | None = None

    @property
    def names(self) -> set[str]:
        """The variables it names anywhere."""
        return names([self.url, self.fields, *self.headers.values()])


@dataclass(slots=True)
class Request:
    """What goes out for one message."""

    method: str
    url: URL | str = field(repr=False)
    headers: Mapping[str, str] | None = field(repr=False)  #: besides `Writer.fixed`
    payload: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Writer(Generic[M]):
    """Writes one kind of request."""

    fixed: Mapping[str, str] = field(repr=False)  #: headers that are the same in all of them
    _method: str
    _auth: Hmac | Acs3 | None
    _url: Callable[[M], URL | str] = field(repr=False)
    _varying: Callable[[M], dict[str, str] | None] = field(repr=False)
    _payload: Callable[[M], bytes | None] = field(repr=False)

    def __call__(self, source: M) -> Request:
        """The request for a message or about one.

        Raises:
            ValueError: it cannot be written; nothing was sent.
        """
        url, headers, payload = self._url(source), self._varying(source), self._payload(source)
        if self._auth is not None:
            url, headers = URL(url, encoded=True) if isinstance(url, str) else url, headers or {}
            sealed = Sealed(self._method, url, {**self.fixed, **headers}, payload or b"", source)
            headers = headers | self._auth.headers(sealed)
        return Request(self._method, url, headers, payload)


def writer(described: RequestFormat, variables: Variables[M]) -> Writer[M]:
    """What writes such requests.

    Raises:
        ValueError: a template names a variable that does not exist, or a field cannot travel as described.
    """
    fixed, varying = _headers(described, variables)
    return Writer(
        fixed,
        described.method,
        described.auth if isinstance(described.auth, Hmac | Acs3) else None,
        _url(described, variables),
        varying,
        _payload(described, variables),
    )


def _url(described: RequestFormat, variables: Variables[M]) -> Callable[[M], URL | str]:
    """Where to. One that is the same for all is left as it stands; what we put in is encoded once and not again."""
    escaped = {name: in_url(value) if isinstance(value, str) else value for name, value in variables.items()}
    address = ready_text(described.url, escaped, in_url)
    same = constant(described.url, escaped) is not None
    if not same or described.encoding is Encoding.QUERY or isinstance(described.auth, Hmac | Acs3):
        _check(described.url, escaped)
    if described.fields is not None and described.encoding is Encoding.QUERY:
        pairs = _pairs(described.fields, variables)
        joint = "&" if "?" in described.url else "?"
        return lambda source: URL(f"{address(source)}{joint}{pairs(source)}", encoded=True)
    if same:
        return address
    return lambda source: URL(address(source), encoded=True)


def _check(url: str, variables: Variables[M]) -> None:
    """Whom we talk to is the operator's choice alone, and no URL that we write may turn out to be none."""
    if not url.isascii():
        raise ValueError("the url must be percent-encoded")
    found = _ORIGIN.match(url)
    origin = constant(found[0], variables) if found else ""
    if origin is None:
        raise ValueError("the host in the url cannot depend on the message")
    try:
        valid = URL(origin).port is not None
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("the url names no host and port that can be")


def _payload(described: RequestFormat, variables: Variables[M]) -> Callable[[M], bytes | None]:
    if described.fields is None or described.encoding is Encoding.QUERY:
        return lambda _: None
    if described.encoding is Encoding.FORM:
        pairs = _pairs(described.fields, variables)
        return lambda source: pairs(source).encode()
    filled = ready(described.fields, variables)
    return lambda source: msgspec.json.encode(filled(source))


def _pairs(fields: Mapping[str, object], variables: Variables[M]) -> Callable[[M], str]:
    """`name=value` joined by `&`; a field whose variable has no value is left out, an object is written as JSON."""
    if nested := sorted(name for name, value in fields.items() if isinstance(value, dict | list)):
        raise ValueError(f"the field {nested[0]} is a table or list, which only a JSON body can hold")
    filled = [(in_url(name), ready(value, variables)) for name, value in fields.items()]
    return lambda source: "&".join(
        [f"{name}={in_url(written(value))}" for name, fill in filled if (value := fill(source)) is not None]
    )


def _headers(
    described: RequestFormat, variables: Variables[M]
) -> tuple[dict[str, str], Callable[[M], dict[str, str] | None]]:
    """The headers that never change, and what writes the others; those of a signature are not among them."""
    texts = dict(described.headers)
    kind = _CONTENT_TYPES.get(described.encoding) if described.fields is not None else None
    if kind and "content-type" not in map(str.lower, texts):
        texts["Content-Type"] = kind
    for name in texts:
        if not _HEADER.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a header")
    fixed = {name: value for name, text in texts.items() if (value := constant(text, variables)) is not None}
    asking = {name: ready_text(text, variables, in_header) for name, text in texts.items() if name not in fixed}
    if isinstance(described.auth, Bearer | Basic):
        fixed |= described.auth.headers
    if ill := sorted(name for name, value in fixed.items() if _CONTROL.search(value)):
        raise ValueError(f"the header {ill[0]} holds a line end or another control character")
    if not asking:
        return fixed, lambda _: None
    return fixed, lambda source: {name: fill(source) for name, fill in asking.items()}
