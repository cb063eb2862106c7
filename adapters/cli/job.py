"""`sms-engine job`: what became of one job, step by step."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated
from uuid import UUID  # noqa: TC003  (cyclopts reads it)

from cyclopts import Parameter

from adapters.cli.errors import CommandError
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001
from adapters.clock import SystemClock
from adapters.numbers import PhoneNumbers
from adapters.postgres.store import PostgresMessageStore
from adapters.redis.connection import Connection
from adapters.redis.ledger import RedisLedger
from adapters.telemetry.fanout import Fanout
from adapters.telemetry.masked import masked
from adapters.wire import rfc3339
from config.load import load
from config.servers import urls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.redis.ledger import Standing
    from config.settings import Settings
    from engine.evidence import Evidence
    from engine.receipts import Receipt

ANSWER_S = 10.0


def job(
    job_id: UUID,
    /,
    *,
    to: Annotated[str | None, Parameter(help="Its recipient, for a job that has no receipt yet.")] = None,
    config: Config = None,
) -> None:
    """Print a job's history: its receipts and its carrier's other words from Postgres, and how it stands in Redis now.

    The number is masked, as in logs; `sms-engine receipts` prints receipts whole.
    """
    settings = load({"config": config})
    if settings.embedded:
        raise CommandError("no server is configured; an embedded worker answers GET /v1/jobs/ID instead.")
    for line in run(_history(settings, job_id, to)):
        print(line)


async def _history(settings: Settings, job: UUID, to: str | None) -> list[str]:
    _, redis_url, postgres_url = urls(settings)
    clock = SystemClock()
    try:
        async with (
            asyncio.timeout(ANSWER_S),
            PostgresMessageStore(postgres_url, clock, Fanout()) as store,
            Connection(redis_url, clock, Fanout(), settings.prefix) as redis,
        ):
            receipts, evidence = await store.receipts_of(job), await store.evidence_of(job)
            recipient = receipts[-1].to if receipts else _number(settings, to)
            standing = await RedisLedger(redis, settings.prefix).peek(recipient, job) if recipient else None
    except TimeoutError:
        raise CommandError("Postgres or Redis does not answer, or `sms-engine init` was not run.") from None
    if not receipts and standing is None:
        hint = "" if recipient else " A job that has none yet is found with --to NUMBER."
        raise CommandError(f"there is no receipt of job {job} in Postgres.{hint}")
    return [*_told(receipts, evidence), *_now(standing)]


def _number(settings: Settings, to: str | None) -> str | None:
    if to is None:
        return None
    recipient = PhoneNumbers(settings.default_region).read(to)
    return recipient.number if recipient else to


def _told(receipts: Sequence[Receipt], evidence: Sequence[Evidence]) -> list[str]:
    if not receipts:
        return ["no receipt is stored yet"]
    first = receipts[0]
    about = [first.category.value, f"to {masked(first.to)}", f"account {first.account}"]
    about += [f"template {first.template}"] if first.template else []
    about += [f"ref {first.ref}"] if first.ref else []
    steps = [(receipt.at, _step(receipt)) for receipt in receipts] + [(e.dlr.at, _word(e)) for e in evidence]
    timeline = [f"{rfc3339(at)}  {step}" for at, step in sorted(steps, key=lambda step: step[0])]
    return [f"{rfc3339(first.enqueued_at)}  enqueued: {', '.join(about)}", *timeline]


def _step(receipt: Receipt) -> str:
    how = [f"by {receipt.channel}" if receipt.channel else "", f"as {receipt.carrier_id}" if receipt.carrier_id else ""]
    how += [f"attempt {receipt.attempts}" if receipt.attempts else "", receipt.code or "", receipt.reason or ""]
    return f"{receipt.state.value}{' (final)' if receipt.final else ''}{''.join(f', {part}' for part in how if part)}"


def _word(evidence: Evidence) -> str:
    """What a carrier said that changed nothing, or nothing by itself."""
    dlr = evidence.dlr
    how = [f"of part {evidence.part}" if evidence.part else "", f"as {dlr.carrier_id}", dlr.code or "", dlr.status]
    return f"{dlr.channel} reported {dlr.state.value}{''.join(f', {part}' for part in how if part)}"


def _now(standing: Standing | None) -> list[str]:
    if standing is None:
        return ["now: Redis knows nothing of it (it forgets a day after the last receipt)"]
    facts = [f"granted {standing.fence} times", f"{standing.attempts} submits given back"]
    if standing.lease_s is not None and standing.lease_s > 0:
        facts.append(f"a worker holds it for another {standing.lease_s:.1f} s")
    elif standing.lease_s is not None:
        facts.append("its worker never came back; the next to take it reports it unknown")
    else:
        facts.append("no worker holds it")
    if standing.receipt:
        facts.append(f"it stands as {standing.receipt.state.value}{' (final)' if standing.receipt.final else ''}")
    return ["now: " + ", ".join(facts)]
