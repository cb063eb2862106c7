"""Redis's clock may go a little slower or faster than ours; a leap is another matter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.redis.drift import MAX_LEAP_S, Drift

NOON = 1_800_000_000.0


def observed(*looks: tuple[float, float]) -> Drift:
    """Redis's clock read at some monotonic times, each answered at once."""
    drift = Drift()
    for redis_s, at in looks:
        drift.observe(redis_s, at, at)
    return drift


def test_nothing_is_expected_before_the_first_look() -> None:
    assert Drift().expected_s(7.0) is None
    assert not Drift().ahead


def test_the_time_goes_on_as_ours_does() -> None:
    assert observed((NOON, 100.0)).expected_s(160.0) == NOON + 60


@given(st.lists(st.tuples(st.floats(0.1, 60), st.floats(-400e-6, 400e-6)), min_size=1, max_size=50))
def test_a_clock_that_is_kept_in_step_never_leaps(steps: list[tuple[float, float]]) -> None:
    redis_s, at, drift = NOON, 0.0, observed((NOON, 0.0))
    for elapsed_s, slew in steps:
        redis_s, at = redis_s + elapsed_s * (1 + slew), at + elapsed_s
        drift.observe(redis_s, at, at)
        assert abs(drift.leap_s) < 0.05


def test_a_slow_answer_is_no_leap() -> None:
    drift = observed((NOON, 0.0))
    drift.observe(NOON + 10.0, 2.0, 12.0)
    assert drift.leap_s == 0


def test_a_leap_ahead_is_told_until_the_clock_is_right_again() -> None:
    drift = observed((NOON, 0.0), (NOON + 62.0, 2.0))
    assert drift.ahead
    drift.observe(NOON + 64.0, 4.0, 4.0)
    assert drift.ahead
    drift.observe(NOON + 6.0, 6.0, 6.0)
    assert not drift.ahead


def test_a_step_back_does_no_harm_to_limits() -> None:
    drift = observed((NOON, 0.0), (NOON - 58.0, 2.0))
    assert not drift.ahead
    assert drift.leap_s < -MAX_LEAP_S
