"""The tables in the settings of a carrier over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from config.section import Seconds, Section

Path = Annotated[str, Field(min_length=1)]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
VariableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Status = Annotated[int, Field(ge=100, le=599)]
Verdict = Literal["accepted", "refused", "fault", "fatal", "throttled", "unanswered"]
Answer = Literal["delivered", "undelivered", "submitted", "not_sent"]
Algorithm = Literal["sha1", "sha256", "sha512"]
Encoding = Literal["json", "form"]


class BearerSettings(Section):
    """A token in the header Authorization."""

    kind: Literal["bearer"]
    token: Path


class BasicSettings(Section):
    """A name and a password in the header Authorization."""

    kind: Literal["basic"]
    user: str
    password: str


class HmacSettings(Section):
    """An HMAC over named parts of the request, in a header."""

    kind: Literal["hmac"]
    header: Path
    secret: Path
    signed: Path = "${payload}"
    algorithm: Algorithm = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""


class Acs3Settings(Section):
    """Alibaba Cloud's ACS3-HMAC-SHA256."""

    kind: Literal["acs3"]
    key: Path
    secret: Path


AuthSettings = Annotated[BearerSettings | BasicSettings | HmacSettings | Acs3Settings, Field(discriminator="kind")]


class AnswerSettings(Section):
    """Where the JSON answer of a carrier says what (dotted paths), and what its words mean."""

    id_path: Path = "id"
    status_path: Path | None = None
    values: dict[str, Verdict] = {}
    code_path: Path | None = None
    codes: dict[str, Verdict] = {}
    reason_path: Path | None = None
    statuses: dict[Status, Verdict] = {}


class ReceiptSettings(Section):
    """Where a delivery receipt that a carrier posts to the webhook says what, and what its status words mean."""

    encoding: Encoding = "json"
    id_path: Path = "id"
    status_path: Path = "status"
    code_path: Path | None = None
    list_path: Path | None = None
    states: Annotated[dict[str, Literal["delivered", "undelivered", "submitted"]], Field(min_length=1)]
    reply: str = "{}"
    reply_type: Path = "application/json"


class InboundSettings(Section):
    """Where a message of a person that a carrier posts to the webhook says what."""

    encoding: Encoding = "json"
    sender_path: Path
    to_path: Path
    text_path: Path
    id_path: Path | None = None
    list_path: Path | None = None
    reply: str = "{}"
    reply_type: Path = "application/json"
    webhook_url: Url | None = None


class SignatureSettings(Section):
    """An HMAC that a carrier puts in a header of what it posts to the webhook."""

    header: Path
    secret: Path
    signs: Literal["body", "url_and_form"] = "body"
    algorithm: Algorithm = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""


class QuerySettings(Section):
    """Where a carrier is asked for a message by our reference, and what its answer means."""

    url: Url
    headers: dict[str, str] = {}
    id_path: str = "id"
    status_path: Path = "status"
    code_path: Path | None = None
    states: Annotated[dict[str, Answer], Field(min_length=1)]
    list_path: Path | None = None
    ref_path: Path | None = None
    utc_offset_h: Annotated[float, Field(ge=-14, le=14)] = 0.0
    not_sent_statuses: list[Status] = []
    settles_after_s: Seconds = 60.0
