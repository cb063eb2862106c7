"""What do receipts look like as rows? Column by column, in the order of the queries and sorted by key.

Two recorders that store receipts of the same jobs lock rows in the same order this way, and cannot deadlock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.wire import encode_receipt
from engine.receipts import merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from uuid import UUID

    from engine.receipts import Receipt

Columns = list[tuple[object, ...]]


def merged(receipts: Iterable[Receipt]) -> dict[UUID, Receipt]:
    """The receipt that stands of each job, with the earliest time of submission that any of them knows; by job."""
    standing: dict[UUID, Receipt] = {}
    for receipt in receipts:
        known = standing.get(receipt.job)
        earliest = min((r.submitted_at for r in (known, receipt) if r and r.submitted_at), default=None)
        stands = merge(known, receipt)
        standing[receipt.job] = stands if stands.submitted_at == earliest else stands._replace(submitted_at=earliest)
    return dict(sorted(standing.items()))


def of_receipts(receipts: Sequence[Receipt], days: Mapping[UUID, date]) -> Columns:
    """Rows of `receipts`."""
    keyed = sorted(((r.job, r.id, r) for r in receipts), key=lambda row: row[:2])
    return _columns(
        (job, id_, days[job], r.at, r.final, r.state.value, encode_receipt(r).decode()) for job, id_, r in keyed
    )


def of_messages(merged: Mapping[UUID, Receipt], days: Mapping[UUID, date]) -> Columns:
    """Rows of `messages`."""
    return _columns(
        (
            job, days[job], r.rank, r.id, r.account, r.to, r.signature, r.template, r.category.value, r.ref,
            r.state.value, r.final, r.code, r.channel, r.carrier_id, r.segments, r.attempts,
            r.enqueued_at, r.submitted_at, r.at if r.final else None,
        )
        for job, r in merged.items()
    )  # fmt: skip


def of_submissions(receipts: Iterable[Receipt], days: Mapping[UUID, date]) -> Columns:
    """When some jobs were submitted."""
    return _columns((r.job, days[r.job], r.submitted_at) for r in receipts)


def _columns(rows: Iterable[tuple[object, ...]]) -> Columns:
    return list(zip(*rows, strict=True))
