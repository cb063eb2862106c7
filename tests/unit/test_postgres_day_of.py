"""Which day a job is filed under."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres.partitions import day_of

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (as hypothesis wants them)
ANY_V7 = st.integers(0, 2**128 - 1).map(
    lambda bits: UUID(int=bits & ~(0xF << 76) & ~(0b11 << 62) | 0x7 << 76 | 0b10 << 62)
)


def made_at(at: datetime) -> UUID:
    return UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62)


@given(
    made=MOMENTS,
    first=st.timedeltas(timedelta(hours=-23), timedelta(days=7)),
    second=st.timedeltas(timedelta(hours=-23), timedelta(days=7)),
)
def test_a_job_sent_twice_within_a_week_keeps_its_day(made: datetime, first: timedelta, second: timedelta) -> None:
    job = made_at(made)
    assert day_of(job, made + first) == day_of(job, made + second) == made.date()


@given(job=ANY_V7 | st.uuids(), enqueued_at=MOMENTS)
def test_no_id_moves_a_job_far_from_the_time_it_was_enqueued(job: UUID, enqueued_at: datetime) -> None:
    assert timedelta(days=-8) <= day_of(job, enqueued_at) - enqueued_at.date() <= timedelta(days=1)


@given(job=st.uuids(version=4), enqueued_at=MOMENTS)
def test_an_id_without_a_time_counts_for_nothing(job: UUID, enqueued_at: datetime) -> None:
    assert day_of(job, enqueued_at) == enqueued_at.date()


@given(enqueued_at=MOMENTS)
def test_the_time_in_an_id_that_is_not_near_counts_for_nothing(enqueued_at: datetime) -> None:
    for off in (timedelta(days=-8), timedelta(days=1), timedelta(days=3650)):
        assert (
            day_of(made_at(enqueued_at.replace(microsecond=0) + off), enqueued_at.replace(microsecond=0))
            == enqueued_at.date()
        )


def test_the_day_is_that_of_utc() -> None:
    shanghai = timezone(timedelta(hours=8))
    assert day_of(UUID(int=0), datetime(2026, 11, 22, 3, tzinfo=shanghai)).isoformat() == "2026-11-21"
