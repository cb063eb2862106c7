"""What is known afterwards, from those whose word counts: the carrier's log, the callback queue, Postgres, Redis.

The workers' journal is consulted for two questions only the inside can answer: which fences were granted, and which
jobs were in the hands of a process that died.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
from redis.asyncio import Redis

from tests.redis_setup import unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.faults.callback import Arrival
    from tests.faults.jobs import Job


@dataclass
class Call:
    """One submit as the carrier saw it; times are monotonic, the same clock for all processes of this machine."""

    job: str
    channel: str
    began_at: float
    scope: dict[str, str]  #: account, to, signature, template, category
    answer: str  #: of carrier.ANSWERS
    accepted_at: float | None = None
    ended_at: float = float("inf")
    id: str = ""


@dataclass
class Records:
    """Everything one run left behind."""

    confirmed: Mapping[str, Job]
    calls: list[Call]
    reports: list[dict[str, Any]]  #: delivery receipts, and strays, that a worker has taken
    arrivals: Mapping[str, list[Arrival]]
    rows: Mapping[str, dict[str, Any]]  #: of messages, by job
    stored: set[str]  #: ids of the receipts in Postgres
    rejected: int  #: receipts Postgres did not take
    charged: Mapping[str, list[set[str]]]  #: the jobs in each log of a number, by number
    strays: set[tuple[str, str]]  #: channels and ids of delivery receipts in Postgres whose message is not known
    journal: list[dict[str, Any]]
    depths: Mapping[str, int] = field(default_factory=dict)  #: messages left in queues

    @property
    def accepts(self) -> list[Call]:
        return [call for call in self.calls if call.accepted_at is not None]


def calls(lines: list[dict[str, Any]]) -> list[Call]:
    """The carrier's calls, put together from the lines of its log."""
    found: dict[int, Call] = {}
    for line in lines:
        match line["kind"]:
            case "call":
                scope = {name: line.get(name, "") for name in ("account", "to", "signature", "template", "category")}
                found[line["n"]] = Call(line["job"], line["channel"], line["at"], scope, line["answer"])
            case "accept":
                found[line["n"]].accepted_at, found[line["n"]].id = line["at"], line["id"]
            case "end":
                found[line["n"]].ended_at = line["at"]
    return sorted(found.values(), key=lambda call: call.began_at)


def reports(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The delivery receipts that were taken."""
    return [line for line in lines if line["kind"] in ("report", "stray")]


def journal(path: Path) -> list[dict[str, Any]]:
    """What the workers noted."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def postgres(url: str) -> tuple[dict[str, dict[str, Any]], set[str], int, set[tuple[str, str]]]:
    """The rows of messages by job, the ids of receipts, how many were put aside, and delivery receipts of nobody's."""
    connection = await asyncpg.connect(url)
    try:
        rows = {str(row["job"]): dict(row) for row in await connection.fetch("select * from messages")}
        stored = {str(row["id"]) for row in await connection.fetch("select id from receipts")}
        of_nobody = await connection.fetch("select channel, carrier_id from delivery_receipts where job is null")
        strays = {(row["channel"], row["carrier_id"]) for row in of_nobody}
        return rows, stored, await connection.fetchval("select count(*) from receipts_rejected"), strays
    finally:
        await connection.close()


async def count_stored(url: str) -> int:
    """How many receipts are in Postgres."""
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("select count(*) from receipts"))
    finally:
        await connection.close()


async def redis(url: str, prefix: str) -> dict[str, list[set[str]]]:
    """The members of every number's logs."""
    charged: defaultdict[str, list[set[str]]] = defaultdict(list)
    async with Redis.from_url(url, protocol=2) as client:
        async for key in client.scan_iter(f"{prefix}:*", count=5000):
            name = key.decode()
            if name.startswith(f"{prefix}:{{+") and name.endswith(":l"):
                number = name[name.index("{") + 1 : name.index("}")]
                charged[number] += [set(map(str, log)) for log in unpacked(await client.get(name) or b"")]
    return dict(charged)
