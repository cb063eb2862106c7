"""The Python client: how does another service hand in its messages?

async with Producer("amqp://guest:guest@127.0.0.1/") as sms:
    await sms.send(to="+8613800000000", category="otp", signature="Acme", template="SMS_1001", params={"code": "4711"})
"""

from __future__ import annotations

import asyncio
import secrets
import time
from itertools import islice
from typing import TYPE_CHECKING, Required, TypedDict, Unpack, cast
from uuid import UUID

from adapters import wire
from adapters.clock import SystemClock
from adapters.coalesce import Coalescer
from adapters.rabbitmq import headers
from adapters.rabbitmq.packing import job_bodies
from adapters.rabbitmq.publisher import Publisher, RefusedError
from adapters.rabbitmq.topology import Names
from engine.message import Category, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from engine.events import Event

TIMEOUT_S = 10.0
AT_ONCE = 8 * wire.MAX_JOBS  #: jobs under way


class JobFields(TypedDict, total=False):
    """One message to be sent, as the contract of the queue describes it."""

    to: Required[str]
    category: Required[str]  #: otp, notification or promotion
    signature: str | None
    template: str | None
    params: Mapping[str, str] | None
    text: str | None
    account: str | None
    ref: str | None
    extend: str | None
    not_before: datetime | None
    expires_at: datetime | None
    id: UUID | str | None  #: a fresh UUIDv7 unless given; a job of the same id is processed once
    traceparent: str | None


class SendError(Exception):
    """Some jobs were not confirmed. They can be sent again: `jobs` have their ids, and an id is processed once."""

    def __init__(self, reason: str, jobs: Sequence[JobFields], *, unknown: bool) -> None:
        became = "it is not known which of them were enqueued" if unknown else "none of them was enqueued"
        super().__init__(f"{reason} Of {len(jobs)} jobs: {became}. They can safely be sent again.")
        self.jobs = jobs
        self.unknown = unknown


class Producer:
    """A connection to the engine's queues; it survives the broker's absences."""

    def __init__(self, url: str, *, prefix: str = "sms", timeout_s: float = TIMEOUT_S) -> None:
        """`timeout_s` is how long a confirm is waited for, connecting included."""
        self._clock = SystemClock()
        self._publisher = Publisher(url, prefix, self._clock, _Nobody())
        self._names = Names(prefix)
        self._timeout_s = timeout_s
        self._sends: Coalescer[Job, None] = Coalescer(self._answer, max_batch=AT_ONCE, max_batches=AT_ONCE)

    async def __aenter__(self) -> Self:
        await self._publisher.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sends.idle()
        await self._publisher.close()

    async def send(self, **job: Unpack[JobFields]) -> UUID:
        """Enqueue one message and answer its id; those that several tasks send at the same time travel together.

        Raises:
            TypeError, ValueError: it is no job.
            SendError: it was not confirmed in time.
        """
        (read,) = _read([job], self._clock.now())
        await self._sends.ask(read)
        return read.id

    async def send_many(
        self, jobs: Iterable[JobFields], *, on_confirmed: Callable[[int], object] | None = None
    ) -> list[UUID]:
        """Enqueue any number of messages, up to 500 in a body, and answer their ids in order.

        `jobs` is read only as far as they are sent; `on_confirmed` is told how many are confirmed so far.

        Raises:
            TypeError, ValueError: one of them is no job; it and the up to 4000 read with it were not sent.
            SendError: some of the up to 4000 read last were not confirmed in time; all before them were.
        """
        ids: list[UUID] = []
        remaining = iter(jobs)
        while chunk := _read(islice(remaining, AT_ONCE), self._clock.now()):
            if failed := await self._publish(chunk):
                raise _send_error(failed)
            ids += (job.id for job in chunk)
            if on_confirmed:
                on_confirmed(len(ids))
        return ids

    async def _answer(self, jobs: Sequence[Job]) -> Sequence[SendError | None]:
        failed = {job.id: (job, error) for job, error in await self._publish(jobs)}
        return [_send_error([failed[job.id]]) if job.id in failed else None for job in jobs]

    async def _publish(self, jobs: Sequence[Job]) -> list[tuple[Job, ConnectionError]]:
        """Enqueue jobs in as few bodies as can be; those that were not confirmed, and why."""
        bodies = list(job_bodies(jobs))
        sent = (
            self._publisher.publish_within(
                self._timeout_s, self._names.jobs, each.category, each.body, headers.of_jobs(each.slip)
            )
            for each in bodies
        )
        failed: list[tuple[Job, ConnectionError]] = []
        for each, error in zip(bodies, await asyncio.gather(*sent, return_exceptions=True), strict=True):
            if isinstance(error, ConnectionError):
                failed += ((job, error) for job in each.jobs)
            elif error is not None:
                raise error
        return failed


def _send_error(failed: Sequence[tuple[Job, ConnectionError]]) -> SendError:
    cause = failed[0][1]
    unknown = any(not isinstance(error, RefusedError) for _, error in failed)
    error = SendError(str(cause), [_fields(job) for job, _ in failed], unknown=unknown)
    error.__cause__ = cause
    return error


def _read(chunk: Iterable[JobFields], now: datetime) -> list[Job]:
    """The jobs as the engine will read them; what it would put aside is raised here instead."""
    jobs = []
    for fields in chunk:
        given = {name: value for name, value in fields.items() if value is not None}
        given["id"] = UUID(str(given.get("id") or uuid7()))
        given["category"] = Category(fields["category"])
        job = Job(**given, enqueued_at=now)  # type: ignore[arg-type]
        wire.decode_jobs(wire.encode_jobs([job]), job.category, received_at=now)
        jobs.append(job)
    return jobs


def _fields(job: Job) -> JobFields:
    return cast("JobFields", {name: getattr(job, name) for name in JobFields.__annotations__})


class _Nobody:
    """Listens to no event: what a caller needs to know is in what `send` raises."""

    def emit(self, event: Event) -> None: ...


def uuid7() -> UUID:
    """A fresh UUIDv7: the time in milliseconds, then 74 random bits."""
    time_ms, random = time.time_ns() // 1_000_000, secrets.randbits(74)
    return UUID(int=time_ms << 80 | 7 << 76 | random >> 62 << 64 | 0b10 << 62 | random & (1 << 62) - 1)
