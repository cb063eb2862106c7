"""The JSON of receipts that others rely on (contract 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID  # noqa: TC003  (msgspec resolves it)

import msgspec
from msgspec.structs import astuple

from adapters.wire import UNREADABLE, BadBodyError, Instant, rfc3339, say
from engine.message import Category  # noqa: TC001  (msgspec resolves it)
from engine.receipts import Receipt, State

if TYPE_CHECKING:
    from collections.abc import Iterable


class Published(NamedTuple):
    """A receipt, and how it was published."""

    receipt: Receipt
    id: UUID
    raw: str


class _ReceiptBody(msgspec.Struct, frozen=True):
    """As it is read: what is derived, and then the fields of a `Receipt` in the order of that."""

    v: int
    id: UUID
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
    id: str
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


_list = msgspec.json.Decoder(list[msgspec.Raw])
_receipt = msgspec.json.Decoder(_ReceiptBody)
_receipts = msgspec.json.Decoder(list[_ReceiptBody])
_encode = msgspec.json.Encoder().encode


def encode_receipts(receipts: Iterable[Receipt]) -> bytes:
    """The body that stands for receipts, always an array."""
    return b"[" + b",".join(map(encode_receipt, receipts)) + b"]"


def encode_receipt(receipt: Receipt) -> bytes:
    """One receipt on its own, for an answer over HTTP or a record in a store."""
    r = receipt
    return _encode(
        _ReceiptFields(
            1, r.id_text, r.job, r.account, r.to, r.signature, r.template, r.category, r.ref, r.state, r.final, r.code,
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
    except UNREADABLE as error:
        raise BadBodyError(say(error)) from None


def decode_receipts(body: bytes) -> list[Receipt]:
    """The receipts of a body.

    Raises:
        BadBodyError: it is no array of receipts.
    """
    try:
        return [_to_receipt(item) for item in _receipts.decode(body)]
    except UNREADABLE as error:
        raise BadBodyError(say(error)) from None


def decode_published(body: bytes) -> list[Published]:
    """The receipts of a body, each with what it was published as.

    Raises:
        BadBodyError: it is no array of receipts.
    """
    try:
        items = [(_receipt.decode(item), str(item, "utf-8")) for item in _list.decode(body)]
    except UNREADABLE as error:
        raise BadBodyError(say(error)) from None
    return [Published(_to_receipt(item), item.id, raw) for item, raw in items]


def published(receipt: Receipt) -> Published:
    """A receipt as it will be published."""
    return Published(receipt, receipt.id, encode_receipt(receipt).decode())


def _to_receipt(body: _ReceiptBody) -> Receipt:
    return Receipt._make(astuple(body)[2:])
