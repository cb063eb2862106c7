"""What goes together into one body?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from adapters import wire
from adapters.rabbitmq.headers import Slip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.message import Category, Job

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JobBody:
    """Jobs that travel as one message."""

    jobs: Sequence[Job]
    category: Category
    slip: Slip
    body: bytes


def job_bodies(jobs: Iterable[Job]) -> Iterator[JobBody]:
    """Jobs in as few bodies as can be: category, time and trace are those of a whole body."""
    alike: dict[tuple[Category, Slip], list[Job]] = defaultdict(list)
    for job in jobs:
        alike[job.category, Slip(job.enqueued_at, traceparent=job.traceparent)].append(job)
    for (category, slip), group in alike.items():
        for packed, body in pack((job, wire.encode_jobs([job])[1:-1]) for job in group):
            yield JobBody(packed, category, slip, body)


def pack(items: Iterable[tuple[T, bytes]]) -> Iterator[tuple[list[T], bytes]]:
    """JSON arrays of up to 500 items and 1 MiB, with what their items stand for; one item always fits."""
    things: list[T] = []
    encoded: list[bytes] = []
    size = 1
    for thing, item in items:
        if encoded and (len(encoded) == wire.MAX_JOBS or size + len(item) + 1 > wire.MAX_BODY_BYTES):
            yield things, b"[" + b",".join(encoded) + b"]"
            things, encoded, size = [], [], 1
        things.append(thing)
        encoded.append(item)
        size += len(item) + 1
    if encoded:
        yield things, b"[" + b",".join(encoded) + b"]"
