"""Bodies of up to 500 items and 1 MiB."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from adapters.rabbitmq.packing import job_bodies, pack
from adapters.wire import MAX_BODY_BYTES, MAX_JOBS, decode_jobs
from engine.message import Category
from tests.rabbitmq_setup import job


@given(st.lists(st.sampled_from([1, 100, 2_000, 300_000, 524_287, MAX_BODY_BYTES - 2]), max_size=30))
def test_bodies_hold_every_item_in_order_and_none_is_too_large(sizes: list[int]) -> None:
    items = [(number, b'"' + b"x" * max(size - 2, 0) + b'"') for number, size in enumerate(sizes)]
    bodies = list(pack(items))
    assert [number for numbers, _ in bodies for number in numbers] == list(range(len(sizes)))
    for numbers, body in bodies:
        assert len(json.loads(body)) == len(numbers)
        assert len(body) <= MAX_BODY_BYTES


def test_a_body_is_filled_to_the_last_byte() -> None:
    half = (MAX_BODY_BYTES - 3) // 2
    items = [(0, b"1" * half), (1, b"1" * (MAX_BODY_BYTES - 3 - half))]
    [(_, body)] = pack(items)
    assert len(body) == MAX_BODY_BYTES
    assert len(list(pack([*items, (2, b"1")]))) == 2


def test_a_body_holds_500_jobs() -> None:
    now = job().enqueued_at
    bodies = job_bodies([job(enqueued_at=now) for _ in range(MAX_JOBS + 1)])
    assert [len(each.jobs) for each in bodies] == [MAX_JOBS, 1]


def test_jobs_travel_with_others_of_their_category_time_and_trace_only() -> None:
    first = job(Category.OTP)
    later = job(Category.OTP, enqueued_at=first.enqueued_at.replace(year=2020))
    traced = job(Category.OTP, enqueued_at=first.enqueued_at, traceparent="00-ab-cd-01")
    other = job(Category.PROMOTION, enqueued_at=first.enqueued_at)
    alike = job(Category.OTP, enqueued_at=first.enqueued_at)
    bodies = list(job_bodies([first, later, traced, other, alike]))
    assert [list(each.jobs) for each in bodies] == [[first, alike], [later], [traced], [other]]
    for each in bodies:
        read = decode_jobs(
            each.body,
            each.category,
            received_at=first.enqueued_at,
            enqueued_at=each.slip.enqueued_at,
            traceparent=each.slip.traceparent,
        )
        assert read == list(each.jobs)
