"""Databases, receipts and listeners for the tests of the message store."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from adapters.clock import SystemClock
from engine.message import Category
from engine.receipts import Receipt, State
from tests.database import execute, prepared, run_now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.events import Event


class ClockAt(SystemClock):
    """A clock whose date a test decides."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


class Listener:
    """Telemetry that keeps what it hears, and can be waited on."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self._more = asyncio.Event()

    def emit(self, event: Event) -> None:
        self.heard.append(event)
        self._more.set()

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    async def hears(self, kind: type) -> Any:
        """The first event of a kind, waited for."""
        while not (found := self.of(kind)):
            self._more.clear()
            await self._more.wait()
        return found[0]


@contextlib.contextmanager
def new_database(url: str, *, ready: bool = False) -> Iterator[str]:
    """A database of its own on a server, empty or as `sms-engine init` leaves it; its address."""
    name = f"sms_test_{secrets.token_hex(6)}"
    run_now(execute(url, f"create database {name} template {prepared(url) if ready else 'template1'}"))
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        run_now(execute(url, f"drop database {name} with (force)"))


def job_made_at(at: datetime) -> UUID:
    """A new UUIDv7."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62 | secrets.randbits(62))


def now() -> datetime:
    """The real time."""
    return SystemClock().now()


def receipt(job: UUID | None = None, state: State = State.SUBMITTED, **fields: Any) -> Receipt:
    """A receipt of a job, which was made and enqueued just now unless told."""
    at = fields.pop("at", None) or now()
    enqueued_at = fields.pop("enqueued_at", None) or at
    defaults: dict[str, Any] = {
        "account": "default",
        "to": "+8613800000000",
        "category": Category.OTP,
        "final": state not in (State.SUBMITTED, State.UNKNOWN),
    }
    return Receipt(job=job or job_made_at(at), state=state, at=at, enqueued_at=enqueued_at, **(defaults | fields))


EVERY_FIELD: dict[str, Any] = {
    "account": "shop",
    "to": "+447400000000",
    "category": Category.PROMOTION,
    "signature": "Acme",
    "template": "SMS_1001",
    "ref": "order ☃ \"7\" \\ '8'",
    "code": "DELIVERED_LATE",
    "reason": "The carrier reported DELIVRD.",
    "channel": "alpha",
    "carrier_id": "a1-b2",
    "attempts": 3,
    "segments": 2,
    "submitted_at": datetime(2026, 11, 20, 10, 0, 0, 123000, tzinfo=UTC),
}
