"""What do receipts look like as rows? Column by column, in the order of `record.sql` and sorted by key.

Two recorders that store receipts of the same jobs lock rows in the same order this way, and cannot deadlock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.receipts import merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from adapters.wire_receipts import Published

Columns = list[tuple[object, ...]]


def of_receipts(receipts: Sequence[Published], days: Mapping[UUID, date]) -> Columns:
    """Receipts, whether each stands among those of its job here, and when the job was submitted."""
    standing, submitted = _merged(receipts)

    def row(each: Published) -> tuple[object, ...]:
        r, id_, raw = each
        stands = standing[r.job] is each
        return r.job, days[r.job], id_, r.at, raw, stands, r.rank, r.enqueued_at, submitted.get(r.job)

    return _columns(map(row, sorted(receipts, key=_key)))


def of_submissions(receipts: Iterable[Published], jobs: set[UUID], days: Mapping[UUID, date]) -> Columns:
    """When some jobs were submitted."""
    _, submitted = _merged(each for each in receipts if each.receipt.job in jobs)
    return _columns((job, days[job], at) for job, at in sorted(submitted.items()))


def _merged(receipts: Iterable[Published]) -> tuple[dict[UUID, Published], dict[UUID, datetime]]:
    """The receipt that stands of each job, and the earliest time of submission that any of them knows."""
    standing: dict[UUID, Published] = {}
    submitted: dict[UUID, datetime] = {}
    for each in receipts:
        job = each.receipt.job
        if merge(standing.setdefault(job, each).receipt, each.receipt) is each.receipt:
            standing[job] = each
        if (at := each.receipt.submitted_at) is not None:
            submitted[job] = min(at, submitted.get(job, at))
    return standing, submitted


def _key(published: Published) -> tuple[int, int]:
    return published.receipt.job.int, published.id.int


def _columns(rows: Iterable[tuple[object, ...]]) -> Columns:
    return list(zip(*rows, strict=True))
