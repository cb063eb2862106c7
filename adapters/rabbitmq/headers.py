"""What travels beside a body: since when it waits, how much longer it shall wait, why it was put aside?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pamqp.commands import Basic

from adapters.wire import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/json"
PERSISTENT = 2
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_S = 365 * 86_400.0  #: of one wait
MAX_TRACEPARENT = 128
MAX_FOREIGN = 16_384  #: characters of others' headers that go along to the dead letters; one frame must hold them all
_BROKERS_OWN = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "CC", "BCC")


@dataclass(frozen=True, slots=True)
class Slip:
    """The headers of a body of jobs that the engine reads and writes."""

    enqueued_at: datetime | None = None
    wait_s: float = 0.0  #: still to wait in the tiers: by no clock, for those of two workers may differ
    deferrals: int = 0
    traceparent: str | None = None
    redrives: int = 0  #: how often it came through triage
    crashes: int = 0  #: how often handling it raised


def read(properties: Basic.Properties) -> Slip:
    """The slip of a message from anybody: what makes no sense counts as absent."""
    headers: Mapping[str, Any] = properties.headers or {}
    traceparent = headers.get("traceparent")
    return Slip(
        enqueued_at=_instant(headers.get("x-enqueued-at")) or properties.timestamp,
        wait_s=_wait_s(headers.get("x-wait-ms")),
        deferrals=_count(headers.get("x-deferrals")),
        traceparent=traceparent if isinstance(traceparent, str) and len(traceparent) <= MAX_TRACEPARENT else None,
        redrives=_count(headers.get("x-redrives")),
        crashes=_count(headers.get("x-crashes")),
    )


def last_queue(properties: Basic.Properties) -> str:
    """The queue a broker took a dead letter out of; nothing for a message that is none."""
    deaths = (properties.headers or {}).get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    return str(last.get("queue", "")) if isinstance(last, dict) else ""


def of_jobs(slip: Slip) -> Basic.Properties:
    """The properties of a body of jobs, without anything a broker added on an earlier trip.

    In particular without `x-death`: up to 3.13 the broker drops a message that seems to run in circles.
    """
    counts = {"x-deferrals": slip.deferrals, "x-redrives": slip.redrives, "x-crashes": slip.crashes}
    headers: dict[str, Any] = {name: count for name, count in counts.items() if count}
    if slip.enqueued_at is not None:
        headers["x-enqueued-at"] = rfc3339(slip.enqueued_at)
    if slip.wait_s > 0:
        headers["x-wait-ms"] = round(slip.wait_s * 1000)
    if slip.traceparent is not None:
        headers["traceparent"] = slip.traceparent
    return Basic.Properties(content_type=JSON, delivery_mode=PERSISTENT, headers=headers, timestamp=slip.enqueued_at)


def of_receipts() -> Basic.Properties:
    """The properties of a body of receipts or of inbound messages."""
    return Basic.Properties(content_type=JSON, delivery_mode=PERSISTENT)


def of_dead_letter(own: Basic.Properties, reason: str, received_at: datetime, routing_key: str) -> Basic.Properties:
    """The properties under which a message is put aside: ours, and its own as far as a broker takes them back."""
    foreign = {
        name: value
        for name, value in (own.headers or {}).items()
        if isinstance(value, str | int) and not name.startswith(_BROKERS_OWN)
    }
    if sum(len(name) + len(str(value)) for name, value in foreign.items()) > MAX_FOREIGN:
        foreign = {}
    ours = {
        "x-reason": reason,
        "x-received-at": rfc3339(received_at),
        "x-routing-key": routing_key,
        "x-message-id": own.message_id or "",
    }
    return Basic.Properties(
        content_type=own.content_type,
        content_encoding=own.content_encoding,
        correlation_id=own.correlation_id,
        timestamp=own.timestamp,
        delivery_mode=PERSISTENT,
        headers={**foreign, **ours},
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _instant(value: object) -> datetime | None:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return instant if instant is not None and instant.tzinfo is not None and instant >= EPOCH else None


def _wait_s(value: object) -> float:
    return value / 1000 if isinstance(value, int) and 0 < value <= LONGEST_S * 1000 else 0.0
