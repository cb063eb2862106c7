"""How well a channel does: what raises its score, what lowers it, and what time makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.health_board import MemoryHealthBoard
from engine import health
from engine.health import HALF_LIFE_S, Vitals
from engine.outcomes import Accepted, ChannelFault, Outcome, Refused, Throttled, Unanswered
from tests.redis_setup import OwnClock

ACCEPTED, FAULT, UNANSWERED = Accepted("1"), ChannelFault("down"), Unanswered("timeout")


def after(outcomes: list[Outcome], every_s: float = 0.1) -> tuple[MemoryHealthBoard, OwnClock]:
    """A board that saw these outcomes of the channel `alpha`."""
    clock = OwnClock()
    board = MemoryHealthBoard(clock)
    for outcome in outcomes:
        clock.elapse(every_s)
        board.observe("alpha", outcome, 0.1)
    return board, clock


def score(*outcomes: Outcome) -> float:
    return after(list(outcomes))[0].score("alpha")


def test_an_unseen_channel_counts_as_one_that_does_as_usual() -> None:
    assert score() == pytest.approx(0.98**4)


def test_acceptances_raise_the_score() -> None:
    assert score() < score(*[ACCEPTED] * 20) < score(*[ACCEPTED] * 200) <= 1


@pytest.mark.parametrize("failure", [FAULT, UNANSWERED])
def test_each_failure_lowers_the_score(failure: Outcome) -> None:
    scores = [score(*[failure] * count) for count in range(50)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 50


@pytest.mark.parametrize("neutral", [Refused("BAD_NUMBER", "No such number."), Throttled("too fast")])
def test_a_refused_message_and_a_throttle_say_nothing_about_health(neutral: Outcome) -> None:
    assert score(FAULT, *[neutral] * 50) == pytest.approx(score(FAULT), abs=0.02)
    assert score(*[neutral] * 50) == score()


def test_a_dead_channel_is_left_within_seconds() -> None:
    assert score(*[ACCEPTED] * 300, *[FAULT] * 100) < 0.4
    assert score(*[FAULT] * 50) < 0.02


def test_one_failure_among_many_hardly_matters() -> None:
    assert score(*[ACCEPTED] * 200, FAULT) > 0.97


def test_channels_are_judged_apart() -> None:
    board, _ = after([FAULT] * 50)
    assert board.score("beta") == score()


def test_time_forgives_by_half_each_half_life_and_a_dead_channel_is_tried_again() -> None:
    board, clock = after([FAULT] * 100)
    dead = board.score("alpha")
    clock.elapse(HALF_LIFE_S)
    waited = board.score("alpha")
    clock.elapse(20 * HALF_LIFE_S)
    assert dead < waited < 0.5
    assert board.score("alpha") == pytest.approx(score(), rel=1e-3)


def test_a_half_life_halves_what_was_seen() -> None:
    seen = health.observe(Vitals(), success=False, latency_s=1, now=0)
    later = health.observe(seen, success=True, latency_s=1, now=HALF_LIFE_S)
    assert (later.successes, later.total) == pytest.approx((1.0, 1.5))


def test_latency_is_a_moving_average_of_what_came_before() -> None:
    first = health.observe(Vitals(), success=True, latency_s=1.0, now=5.0)
    assert first.latency_s == 1.0
    soon = health.observe(first, success=True, latency_s=3.0, now=6.0)
    late = health.observe(first, success=True, latency_s=3.0, now=105.0)
    assert 1.0 < soon.latency_s < 1.3
    assert late.latency_s == pytest.approx(3.0, abs=0.01)


@given(st.lists(st.tuples(st.booleans(), st.floats(-5, 300), st.floats(0, 60)), max_size=60))
def test_the_score_stays_between_nothing_and_one(history: list[tuple[bool, float, float]]) -> None:
    vitals, now = Vitals(), 0.0
    for success, elapsed_s, latency_s in history:
        now += elapsed_s
        vitals = health.observe(vitals, success=success, latency_s=latency_s, now=now)
        assert 0 < health.score(vitals, now) <= 1
        assert 0 <= vitals.latency_s <= 60
