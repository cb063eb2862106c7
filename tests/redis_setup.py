"""Clocks, claims and Redis connections for the tests of the ledger and its neighbours.

`OwnTimeConnection` lets a test own Redis's time: it sends the very scripts, with the one place where they read the
clock, `redis.call('TIME')`, replaced by the time of the test's clock. So thousands of random histories with any steps
of time run in seconds, and nothing in the scripts or the adapter knows of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from secrets import token_hex
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis

from adapters.clock import SystemClock
from adapters.redis.connection import NEVER_US, Connection, Reply
from adapters.redis.scripts import Call, Script
from engine.claims import Claim
from engine.events import Event
from engine.limits import Charge, Rule, Window, parse_window
from engine.message import Category
from engine.ports import Clock, Telemetry
from engine.receipts import Receipt, State
from tests.servers import PrivateRedis
from tests.servers.processes import OwnProcess

NUMBER = "+8613800000000"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
READS_CLOCK, OWN_TIME = "redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}"


class OwnClock:
    """A clock that stands until the test moves it."""

    def __init__(self) -> None:
        self.us = (datetime.now(UTC) - EPOCH) // timedelta(microseconds=1)  #: the wall clock
        self._elapsed_us = 0

    def now(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.us)

    def monotonic(self) -> float:
        return self._elapsed_us / 1_000_000

    def elapse(self, seconds: float) -> None:
        self.elapse_us(round(seconds * 1_000_000))

    def elapse_us(self, us: int) -> None:
        self.us += us
        self._elapsed_us += us

    def step_back_us(self, us: int) -> None:
        """The wall clock is set back; no time passes."""
        self.us -= us


class Heard(list[Event]):
    """Telemetry that keeps what it hears."""

    def emit(self, event: Event) -> None:
        self.append(event)


class OwnTimeConnection(Connection):
    """Redis with the time of the test's clock."""

    def __init__(self, url: str, clock: OwnClock, telemetry: Telemetry) -> None:
        super().__init__(url, clock, telemetry)
        self._own_time = clock
        self.twice = False  #: whether every call is sent twice, as after a lost answer

    def latest_us(self) -> int:
        return NEVER_US

    async def ask(self, call: Call) -> Reply:
        if call.script is not None and READS_CLOCK in call.script.text:
            script = own_time(call.script)
            seconds, microseconds = divmod(self._own_time.us, 1_000_000)
            call = Call(("EVALSHA", script.sha, *call.words[2:], seconds, microseconds), script)
        if self.twice:
            await super().ask(call)
        return await super().ask(call)


class LastingRedis(PrivateRedis):
    """Redis that has each write on disk before it answers."""

    def _spawn(self, binary: object) -> OwnProcess:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder.path, "save": ""}
        options |= {"appendonly": "yes", "appendfsync": "always"}
        flags = [part for option, value in options.items() for part in (f"--{option}", str(value))]
        return OwnProcess([str(binary), *flags], output=self.log)


@cache
def own_time(script: Script) -> Script:
    """The same script with the time taken from its last two arguments."""
    assert script.text.count(READS_CLOCK) == 1
    return Script(script.text.replace(READS_CLOCK, OWN_TIME))


def unpacked(logs: bytes) -> list[dict[UUID, int]]:
    """The logs of a number (`logs.lua`): of each the jobs and their times in microseconds, oldest first."""
    found = []
    while logs:
        length, logs = int.from_bytes(logs[12:16]), logs[16:]
        entries, logs = logs[:length], logs[length:]
        times = [(entries[at : at + 7], entries[at + 7 : at + 23]) for at in range(0, length, 23)]
        found.append({UUID(bytes=job): int.from_bytes(time) for time, job in times})
    return found


@asynccontextmanager
async def redis_prefix(url: str) -> AsyncIterator[str]:
    """A prefix for the keys of one test, which are gone afterwards."""
    prefix = f"test-{token_hex(6)}"
    yield prefix
    async with Redis.from_url(url) as client:
        if keys := [key async for key in client.scan_iter(f"{prefix}:*", count=5000)]:
            await client.unlink(*keys)


@asynccontextmanager
async def connected(url: str, clock: Clock | None = None) -> AsyncIterator[Connection]:
    """A connection as the engine makes it."""
    async with Connection(url, clock or SystemClock(), Heard()) as connection:
        yield connection


def rule(*windows: str, key: Sequence[str] = ("to",), name: str = "rule") -> Rule:
    """A rule as an operator writes it."""
    return Rule(name, tuple(key), tuple(parse_window(window) for window in windows))


def charge(of: Rule, scope: str = "") -> Charge:
    """A charge to a rule's count; each scope has its own."""
    return Charge(of, f"{of.name}\x1f{scope}")


def claim(*charges: Charge, job: UUID | None = None, recipient: str = NUMBER, visibility_s: float = 30.0) -> Claim:
    """A worker's wish for a job, a new one unless told."""
    return Claim(job or uuid4(), recipient, charges, visibility_s)


def receipt(job: UUID, state: State = State.SUBMITTED, *, final: bool | None = None, **fields: Any) -> Receipt:
    """A receipt of a job as the engine makes it."""
    at = SystemClock().now()
    final = state not in (State.SUBMITTED, State.UNKNOWN) if final is None else final
    facts: dict[str, Any] = {"account": "default", "to": NUMBER, "category": Category.OTP, "segments": 1, "attempts": 1}
    return Receipt(job=job, state=state, final=final, at=at, enqueued_at=at, **(facts | fields))


def window_us(window: Window) -> int:
    """A window's length in microseconds."""
    return window.seconds * 1_000_000
