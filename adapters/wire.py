"""The JSON that others rely on (contract 1 and 2): bodies of jobs in, bodies of receipts out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID  # noqa: TC003  (msgspec resolves it)

import msgspec
from msgspec.structs import astuple

from engine.message import Category, Job
from engine.receipts import Receipt, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_BODY_BYTES = 1024 * 1024
MAX_JOBS = 500
#: how old the time inside a job's UUIDv7 may be to be believed as the time of enqueueing
MAX_TO = 1024  #: characters; whatever is shorter and no number is its job's mistake, not the body's
ID_TIME_TRUSTED = timedelta(days=7)

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


class _ReceiptBody(msgspec.Struct, frozen=True):
    """As it is read: `v`, and then the fields of a `Receipt` in the order of that."""

    v: int
    job: UUID
    account: str
    to: str
    category: Category
    state: State
    final: bool
    at: Instant
    enqueued_at: Instant
    signature: str | None = None
    template: str | None = None
    ref: str | None = None
    extend: str | None = None
    code: str | None = None
    reason: str | None = None
    channel: str | None = None
    carrier_id: str | None = None
    attempts: int = 0
    segments: int = 0
    submitted_at: Instant | None = None


class _ReceiptFields(msgspec.Struct):
    """As it is written, in the order of contract 2; with `extend` where the job has one, to know a reply by."""

    v: int
    id: UUID
    job: UUID
    account: str
    to: str
    signature: str | None
    template: str | None
    category: Category
    ref: str | None
    state: State
    final: bool
    code: str | None
    reason: str | None
    channel: str | None
    carrier_id: str | None
    attempts: int
    segments: int
    at: str
    enqueued_at: str
    submitted_at: str | None
    extend: str | msgspec.UnsetType


_items = msgspec.json.Decoder(msgspec.Raw)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_job = msgspec.json.Decoder(_JobBody)
_jobs = msgspec.json.Decoder(list[_JobBody])
_receipt = msgspec.json.Decoder(_ReceiptBody)
_receipts = msgspec.json.Decoder(list[_ReceiptBody])
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
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBodyError(_say(error)) from None
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
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBodyError(_say(error)) from None
    _check_count(len(items))
    verdicts: list[Job | BadBodyError] = []
    for item in items:
        try:
            verdicts.append(_to_job(_job.decode(item), category, received_at, received_at, None))
        except BadBodyError as error:
            verdicts.append(error)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            verdicts.append(BadBodyError(_say(error)))
    return verdicts


def encode_jobs(jobs: Sequence[Job]) -> bytes:
    """The body that stands for jobs; their category, time and trace travel beside it."""
    return _encode([_job_fields(job) for job in jobs])


def encode_receipts(receipts: Iterable[Receipt]) -> bytes:
    """The body that stands for receipts, always an array."""
    return b"[" + b",".join(map(encode_receipt, receipts)) + b"]"


@lru_cache(maxsize=1024)
def encode_receipt(receipt: Receipt) -> bytes:
    """One receipt on its own, for an answer over HTTP or a record in a store.

    Remembered for a while: what the ledger is told is published right after.
    """
    r = receipt
    return _encode(
        _ReceiptFields(
            1, r.id, r.job, r.account, r.to, r.signature, r.template, r.category, r.ref, r.state, r.final, r.code,
            r.reason, r.channel, r.carrier_id, r.attempts, r.segments, rfc3339(r.at), rfc3339(r.enqueued_at),
            None if r.submitted_at is None else rfc3339(r.submitted_at),
            msgspec.UNSET if r.extend is None else r.extend,
        )
    )  # fmt: skip


def decode_receipt(body: bytes) -> Receipt:
    """What `encode_receipt` encoded.

    Raises:
        BadBodyError: it is no receipt.
    """
    try:
        return _to_receipt(_receipt.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBodyError(_say(error)) from None


def decode_receipts(body: bytes) -> list[Receipt]:
    """The receipts of a body.

    Raises:
        BadBodyError: it is no array of receipts.
    """
    try:
        return [_to_receipt(item) for item in _receipts.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBodyError(_say(error)) from None


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


def _to_receipt(body: _ReceiptBody) -> Receipt:
    return Receipt._make(astuple(body)[1:])


def _check_size(body: bytes) -> None:
    if len(body) > MAX_BODY_BYTES:
        raise BadBodyError(f"the body has {len(body)} bytes; {MAX_BODY_BYTES} are allowed")


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_JOBS:
        raise BadBodyError(f"the array has {count} jobs; 1 to {MAX_JOBS} are allowed")


def _say(error: Exception) -> str:
    if isinstance(error, msgspec.MsgspecError):
        return str(error)
    return "the body is not UTF-8" if isinstance(error, UnicodeDecodeError) else "the body is nested too deeply"
