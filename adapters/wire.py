"""The JSON of jobs that others rely on (contract 1), and what all bodies have in common."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID  # noqa: TC003  (msgspec resolves it)

import msgspec

from engine.message import Category, Job

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BODY_BYTES = 1024 * 1024
MAX_JOBS = 500
#: how old the time inside a job's UUIDv7 may be to be believed as the time of enqueueing
MAX_TO = 1024  #: characters; whatever is shorter and no number is its job's mistake, not the body's
ID_TIME_TRUSTED = timedelta(days=7)

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  #: what decoding may raise
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class BadBodyError(ValueError):
    """The body is no job, nor a list of jobs; the message says why, without quoting it."""


class _JobBody(msgspec.Struct, frozen=True):
    id: UUID
    to: Annotated[str, msgspec.Meta(max_length=MAX_TO)]
    signature: str | None = None
    template: str | None = None
    params: dict[str, str] = {}
    text: str | None = None
    account: Annotated[str, msgspec.Meta(min_length=1, max_length=60)] = "default"
    ref: str | None = None
    extend: str | None = None
    not_before: Instant | None = None
    expires_at: Instant | None = None


_items = msgspec.json.Decoder(msgspec.Raw)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_job = msgspec.json.Decoder(_JobBody)
_jobs = msgspec.json.Decoder(list[_JobBody])
_encode = msgspec.json.Encoder().encode


def decode_jobs(
    body: bytes,
    category: Category,
    *,
    received_at: datetime,
    enqueued_at: datetime | None = None,
    traceparent: str | None = None,
) -> list[Job]:
    """The jobs of a body, one object or an array of 1 to 500.

    `enqueued_at` is what the message itself says of its time, if anything.

    Raises:
        BadBodyError: any part of it cannot be read as a job; then none of it counts.
    """
    _check_size(body)
    try:
        bodies = _jobs.decode(body) if body.lstrip()[:1] == b"[" else [_job.decode(body)]
    except UNREADABLE as error:
        raise BadBodyError(say(error)) from None
    _check_count(len(bodies))
    return [_to_job(item, category, received_at, enqueued_at, traceparent) for item in bodies]


def decode_each(body: bytes, category: Category, *, received_at: datetime) -> list[Job | BadBodyError]:
    """Like `decode_jobs`, but with a verdict per item, for a producer who waits for the answer.

    Raises:
        BadBodyError: the body as a whole is no object and no array of 1 to 500 objects.
    """
    _check_size(body)
    try:
        items = _list.decode(body) if body.lstrip()[:1] == b"[" else [_items.decode(body)]
    except UNREADABLE as error:
        raise BadBodyError(say(error)) from None
    _check_count(len(items))
    verdicts: list[Job | BadBodyError] = []
    for item in items:
        try:
            verdicts.append(_to_job(_job.decode(item), category, received_at, received_at, None))
        except BadBodyError as error:
            verdicts.append(error)
        except UNREADABLE as error:
            verdicts.append(BadBodyError(say(error)))
    return verdicts


def encode_jobs(jobs: Sequence[Job]) -> bytes:
    """The body that stands for jobs; their category, time and trace travel beside it."""
    return _encode([_job_fields(job) for job in jobs])


@lru_cache(maxsize=1024)
def rfc3339(at: datetime) -> str:
    """UTC with milliseconds, such as 2026-11-22T10:00:00.000Z. The times of a receipt recur."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _to_job(
    body: _JobBody, category: Category, received_at: datetime, enqueued_at: datetime | None, traceparent: str | None
) -> Job:
    for text in (body.to, body.signature, body.template, body.account, body.ref):
        if text and "\x00" in text:
            raise BadBodyError("a field contains the character U+0000")
    return Job(
        id=body.id,
        to=body.to,
        category=category,
        enqueued_at=_enqueued_at(body.id, enqueued_at, received_at),
        signature=body.signature,
        template=body.template,
        params=body.params,
        text=body.text,
        account=body.account,
        ref=body.ref,
        extend=body.extend,
        not_before=body.not_before,
        expires_at=body.expires_at,
        traceparent=traceparent,
    )


def _enqueued_at(job: UUID, stated: datetime | None, received_at: datetime) -> datetime:
    """What the message says, else the time inside a UUIDv7, else the time it was received.

    A job without a stated time keeps its age through redeliveries this way, and so its validity ends when it should.
    """
    if stated is not None:
        return min(stated, received_at)
    if job.version == 7:
        minted_at = datetime.fromtimestamp((job.int >> 80) / 1000, UTC)
        if received_at - ID_TIME_TRUSTED <= minted_at <= received_at:
            return minted_at
    return received_at


def _job_fields(job: Job) -> dict[str, Any]:
    fields = {
        "id": job.id,
        "to": job.to,
        "signature": job.signature,
        "template": job.template,
        "params": dict(job.params) or None,
        "text": job.text,
        "account": job.account,
        "ref": job.ref,
        "extend": job.extend,
        "not_before": job.not_before,
        "expires_at": job.expires_at,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _check_size(body: bytes) -> None:
    if len(body) > MAX_BODY_BYTES:
        raise BadBodyError(f"the body has {len(body)} bytes; {MAX_BODY_BYTES} are allowed")


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_JOBS:
        raise BadBodyError(f"the array has {count} jobs; 1 to {MAX_JOBS} are allowed")


def say(error: Exception) -> str:
    """Why a body could not be read, without quoting it."""
    if isinstance(error, msgspec.MsgspecError):
        return str(error)
    return "the body is not UTF-8" if isinstance(error, UnicodeDecodeError) else "the body is nested too deeply"
