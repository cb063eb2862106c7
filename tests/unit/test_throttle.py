"""A channel that says it is too fast: down at once, up slowly, and second sends within a budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import throttle
from engine.budget import RetryBudget
from engine.throttle import Throttle, cut, rate


def test_a_throttle_takes_a_third_of_the_rate_and_pauses_the_channel() -> None:
    once = cut(Throttle(), 100.0, 1.0, 10.0)
    assert rate(once, 10.0) == pytest.approx(70)
    assert throttle.pause_s(once, 10.2) == pytest.approx(0.8)
    assert throttle.pause_s(once, 11.0) == 0


def test_a_burst_of_throttles_is_one_decrease_a_second() -> None:
    held = Throttle()
    for number in range(20):
        held = cut(held, 100.0, 1.0, 10.0 + number / 25)
    assert rate(held, 11.0) == pytest.approx(70)
    assert rate(cut(held, 100.0, 1.0, 11.0), 11.0) == pytest.approx(49)


def test_the_carriers_own_pause_is_kept() -> None:
    held = cut(Throttle(), 100.0, 30.0, 10.0)
    assert throttle.pause_s(cut(held, 100.0, 1.0, 10.5), 30.0) == 10


def test_the_rate_rises_after_five_clean_seconds_by_a_twentieth_of_the_cap_each_second() -> None:
    held = cut(Throttle(), 100.0, 1.0, 0.0)
    assert [rate(held, at) for at in (5.0, 6.0, 10.0, 11.0, 60.0)] == pytest.approx([70, 75, 95, 100, 100])
    assert not throttle.over(held, 10.9)
    assert throttle.over(held, 11.0)


def test_a_channel_never_throttled_has_no_rate_of_its_own() -> None:
    assert rate(Throttle(), 5.0) == float("inf")


@given(st.lists(st.floats(0, 20), max_size=60), st.floats(1, 5000))
def test_the_rate_stays_between_a_twentieth_of_the_cap_and_the_cap(waits: list[float], cap: float) -> None:
    held, now = Throttle(), 0.0
    for wait in waits:
        now += wait
        held = cut(held, cap, 1.0, now)
        assert cap / 20 * 0.999 <= rate(held, now) <= cap
        assert rate(held, now + 1000) == cap


def test_second_sends_are_a_fifth_of_the_first_and_five_a_second() -> None:
    budget = RetryBudget()
    for number in range(1000):
        budget.sent(number / 100)
    assert sum(budget.spend(9.99) for _ in range(1000)) == 200 + 50


def test_the_budget_is_forgotten_after_ten_seconds() -> None:
    budget = RetryBudget()
    assert sum(budget.spend(0.0) for _ in range(100)) == 50
    assert not budget.spend(9.0)
    assert sum(budget.spend(10.0) for _ in range(100)) == 50
