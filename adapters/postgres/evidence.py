"""What do carriers' delivery receipts look like as rows, and how are they found again?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import asyncpg

from adapters.postgres import partitions
from engine.carrier_ids import Rule, buckets
from engine.evidence import Evidence, links
from engine.receipts import DeliveryReceipt, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from adapters.postgres.partitions import Connection
    from engine.receipts import Receipt

_SQL = {file.stem: file.read_text("utf-8") for file in Path(__file__).with_name("queries").glob("*evidence*.sql")}
_NAMESPACE = UUID("b3c1a3de-8a3c-5c0b-9d5a-6f0d6b6f7a52")

Row = tuple[object, ...]


async def keep(connection: Connection, evidence: Sequence[Evidence], today: date) -> None:
    """Store delivery receipts; repeats change nothing, but that one of unknown job may be given its job."""
    columns = list(zip(*_rows(evidence, today), strict=True))
    try:
        await connection.execute(_SQL["keep_evidence"], *columns)
    except asyncpg.CheckViolationError:  # a day that has no partition (yet)
        await partitions.create(connection, columns[1])
        await connection.execute(_SQL["keep_evidence"], *columns)


async def of_job(connection: Connection, job: UUID) -> list[Evidence]:
    """What is stored about a job, oldest first."""
    return _read(await connection.fetch(_SQL["evidence_of_job"], job))


async def about(connection: Connection, receipts: Sequence[Receipt]) -> list[Evidence]:
    """Final ones of parts of these messages, and those of unknown job that may mean them; oldest first."""
    own = [link for r in receipts for link in links(r.carrier_id or "", r.to, r.job)]
    channels = {r.job: r.channel or "" for r in receipts}
    in_parts = sorted({link.job for link in own if link.parts > 1})
    found = list(await connection.fetch(_SQL["evidence_of_parts"], in_parts)) if in_parts else []
    sought = sorted({(channels[link.job], bucket) for link in own for bucket in buckets(link.carrier_id)})
    since = min((r.at for r in receipts), default=None)
    if since is not None:
        columns = list(zip(*sought, strict=True))
        found += await connection.fetch(_SQL["evidence_of_nobody"], *columns, since.date() - partitions.DAY)
    return sorted(_read(found), key=lambda evidence: evidence.received_at)


def _rows(evidence: Iterable[Evidence], today: date) -> list[Row]:
    """One row for each thing that was said, sorted by key: two recorders lock rows in the same order this way."""
    rows: dict[tuple[UUID, date], Row] = {}
    for each in evidence:
        dlr, came = each.dlr, each.received_at.date()
        key = (_id(dlr), came if partitions.is_current(came, today) else today)
        if key in rows and each.job is None:
            continue
        rows[key] = (
            *key, each.received_at, dlr.at, each.job, each.part, dlr.channel, dlr.carrier_id,
            buckets(dlr.carrier_id)[0], dlr.to, dlr.state.value, dlr.code, dlr.status, each.rule and each.rule.value,
        )  # fmt: skip
    return [row for _, row in sorted(rows.items())]


def _id(dlr: DeliveryReceipt) -> UUID:
    """The time is no part of it: carriers that tell none say the same thing again at another time."""
    said = (dlr.channel, dlr.carrier_id, dlr.to or "", dlr.state.value, dlr.code or "", dlr.status)
    return uuid5(_NAMESPACE, "\x1f".join(said))


def _read(rows: Iterable[asyncpg.Record]) -> list[Evidence]:
    return [
        Evidence(
            DeliveryReceipt(
                row["channel"],
                row["carrier_id"],
                State(row["state"]),
                row["at"],
                row["code"],
                row["status"],
                row["recipient"],
            ),
            row["received_at"],
            row["job"],
            row["rule"] and Rule(row["rule"]),
            row["part"],
        )
        for row in rows
    ]
