"""A receipt as a job's record keeps it (`record.lua`): a third of its JSON."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  (msgspec resolves it)
from uuid import UUID  # noqa: TC003  (msgspec resolves it)

import msgspec
from msgspec.structs import astuple

from adapters.wire_receipts import decode_receipt
from engine.message import Category  # noqa: TC001  (msgspec resolves it)
from engine.receipts import Receipt, State

TOP_RANK = 4  #: of what is final and known; a carrier took, or may have taken, whatever has a lower one


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """The fields of a `Receipt`, in the order of that."""

    job: UUID
    account: str
    to: str
    category: Category
    state: State
    final: bool
    at: datetime
    enqueued_at: datetime
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
    submitted_at: datetime | None = None


_encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


def facts(receipt: Receipt) -> tuple[int, int, str, bytes]:
    """A receipt as `merge.lua` takes it."""
    rank = receipt.rank
    taken = rank < TOP_RANK or receipt.taken
    return rank, int(taken), str(receipt.id) if receipt.unresolved else "", _encode(receipt)


def kept(text: bytes) -> Receipt:
    """The receipt that was kept."""
    if text.startswith(b"{"):  # as until November 2026
        return decode_receipt(text)
    return Receipt._make(astuple(_decode(text)))
