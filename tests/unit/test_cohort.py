"""Delivery receipts are told of messages sent at the same time, once they are due."""

from __future__ import annotations

import pytest

from engine.cohort import Cohorts, due_s
from engine.receipts import State

KEYS = ("a",)
TO = "+8613800000000"


def heard(
    cohorts: Cohorts,
    sent_s: float,
    after_s: float,
    state: State = State.DELIVERED,
    code: str | None = None,
    to: str = TO,
) -> None:
    cohorts.heard(KEYS, sent_s, sent_s + after_s, 60.0, state, code, to)


def told(*parts: Cohorts, at: float) -> tuple[float, float]:
    """Good and all, over the parts of several workers."""
    for cohorts in parts:
        cohorts.fold(lambda channel: 60.0, at, at)
    tallies = [cohorts.slow["a"] for cohorts in parts if "a" in cohorts.slow]
    return sum(tally.good for tally in tallies), sum(tally.total for tally in tallies)


def test_nothing_is_told_of_messages_that_are_not_due() -> None:
    cohorts = Cohorts()
    cohorts.sent(KEYS, 1000.0)
    heard(cohorts, 1000.0, 1.0)
    assert told(cohorts, at=1069.9) == (0, 0)
    assert told(cohorts, at=1070.0) == (1, 1)


def test_the_fast_receipts_of_a_slow_day_do_not_count_before_the_others() -> None:
    cohorts = Cohorts()
    for number in range(10):
        cohorts.sent(KEYS, 1000.0 + number)
    heard(cohorts, 1000.0, 1.0)
    assert told(cohorts, at=1070.0) == (1, 10)


def test_a_receipt_that_comes_too_late_is_a_failure_and_stays_one() -> None:
    cohorts = Cohorts()
    cohorts.sent(KEYS, 1000.0)
    heard(cohorts, 1000.0, 61.0)
    assert told(cohorts, at=1100.0) == (0, 1)


def test_one_worker_submits_and_another_hears() -> None:
    submits, hears = Cohorts(), Cohorts()
    submits.sent(KEYS, 1000.0)
    submits.sent(KEYS, 1001.0)
    heard(hears, 1000.0, 5.0)
    assert told(submits, hears, at=1070.0) == (1, 2)


@pytest.mark.parametrize(("code", "counts"), [("ABSENT", 0), ("INBOX_FULL", 0), ("EXPIRED", 1), (None, 1)])
def test_what_the_recipient_caused_says_nothing_of_the_channel(code: str | None, counts: int) -> None:
    cohorts = Cohorts()
    cohorts.sent(KEYS, 1000.0)
    heard(cohorts, 1000.0, 5.0, State.UNDELIVERED, code)
    assert told(cohorts, at=1070.0) == (0, counts)


def test_a_number_that_fails_again_within_the_hour_counts_once() -> None:
    cohorts = Cohorts()
    for _ in range(3):
        cohorts.sent(KEYS, 1000.0)
        heard(cohorts, 1000.0, 5.0, State.UNDELIVERED, "EXPIRED")
    assert told(cohorts, at=1070.0) == (0, 1)


def test_memory_is_bounded_however_long_it_goes_on() -> None:
    cohorts = Cohorts()
    for second in range(0, 24_000, 2):
        cohorts.sent(KEYS, float(second))
        heard(cohorts, float(second), 5.0, State.UNDELIVERED, "EXPIRED", to=str(second))
        cohorts.fold(lambda channel: 60.0, float(second), float(second))
    assert len(cohorts._slots["a"]) <= 8
    assert len(cohorts._failed) <= 10_000


def test_a_receipt_is_due_by_what_the_channel_needs_within_bounds() -> None:
    assert due_s(5.0, 49) == 300.0
    assert [due_s(p90, 50) for p90 in (5.0, 100.0, 3600.0)] == [60.0, 150.0, 900.0]
