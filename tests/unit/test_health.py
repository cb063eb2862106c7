"""How well a channel does: what raises and what lowers its score, what time makes of it, whom it is compared with."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.health_board import MemoryHealthBoard
from engine import health, pulse
from engine.decay import Spread, Tally, noted, quantile, shrunk, together
from engine.health import HALF_LIFE_S
from engine.outcomes import Accepted, ChannelFault, Outcome, Refused, Throttled, Unanswered
from engine.pulse import Beat, Pulse
from engine.routing import Profile
from engine.terms import Terms
from tests.carriers import message
from tests.fleet import Numbers
from tests.redis_setup import Heard, OwnClock

ACCEPTED, FAULT, UNANSWERED = Accepted("1"), ChannelFault("down"), Unanswered("timeout")


def after(outcomes: list[Outcome], every_s: float = 0.1) -> tuple[MemoryHealthBoard, OwnClock]:
    """A board that saw these outcomes of the channel `alpha`."""
    clock = OwnClock()
    board = MemoryHealthBoard([Terms(Profile("alpha")), Terms(Profile("beta"))], Numbers(), clock, Heard(), Random(1))
    for outcome in outcomes:
        clock.elapse(every_s)
        board.observe("alpha", message(), outcome, 0.1)
    return board, clock


def beat(seen: Pulse, good: bool, latency_s: float, segments: int, now: float) -> Pulse:
    return pulse.after(seen, [Beat(now, good, latency_s, segments)])


def score(*outcomes: Outcome) -> float:
    return after(list(outcomes))[0].score("alpha")


def test_an_unseen_channel_counts_as_one_that_does_as_usual() -> None:
    assert score() == pytest.approx(0.98**4)


def test_acceptances_raise_the_score() -> None:
    assert score() < score(*[ACCEPTED] * 20) < score(*[ACCEPTED] * 200) <= 1


@pytest.mark.parametrize("failure", [FAULT, UNANSWERED])
def test_each_failure_lowers_the_score(failure: Outcome) -> None:
    scores = [score(*[failure] * count) for count in range(30)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 30


@pytest.mark.parametrize("neutral", [Refused("BAD_NUMBER", "No such number."), Throttled("too fast")])
def test_a_refused_message_and_a_throttle_say_nothing_about_health(neutral: Outcome) -> None:
    assert score(FAULT, *[neutral] * 50) == pytest.approx(score(FAULT), abs=0.02)
    assert score(*[neutral] * 50) == score()


def test_a_dead_channel_is_left_within_seconds() -> None:
    assert score(*[ACCEPTED] * 300, *[FAULT] * 100) < 0.4
    assert score(*[FAULT] * 50) < 0.02


def test_one_failure_among_many_hardly_matters() -> None:
    assert score(*[ACCEPTED] * 200, FAULT) > 0.97


def test_time_forgives_and_a_dead_channel_is_tried_again() -> None:
    board, clock = after([FAULT] * 100)
    dead = board.score("alpha")
    clock.elapse(HALF_LIFE_S)
    waited = board.score("alpha")
    clock.elapse(20 * HALF_LIFE_S)
    assert dead < waited < 0.5
    assert board.score("alpha") == pytest.approx(score(), rel=1e-3)


def test_a_half_life_halves_what_was_seen() -> None:
    later = noted(Tally(0.0, 1.0, 0.0), 1.0, 1.0, HALF_LIFE_S, HALF_LIFE_S)
    assert (later.good, later.total) == pytest.approx((1.0, 1.5))


def test_what_workers_saw_apart_adds_up_to_what_one_would_have_seen() -> None:
    one, two, both = Tally(), Tally(), Tally()
    for at in range(50):
        both = noted(both, at % 3 == 0, 1.0, at, 60)
        if at % 2:
            one = noted(one, at % 3 == 0, 1.0, at, 60)
        else:
            two = noted(two, at % 3 == 0, 1.0, at, 60)
    summed = together([one, two], 49, 60)
    assert (summed.good, summed.total) == pytest.approx((both.good, both.total))


def test_little_evidence_leaves_the_parents_rate_and_much_replaces_it() -> None:
    assert shrunk(Tally(0, 0), 0.9) == pytest.approx(0.9)
    assert shrunk(Tally(0, 20), 0.9) == pytest.approx(0.45)
    assert shrunk(Tally(10_000, 10_000), 0.5) == pytest.approx(1.0, abs=0.01)


def test_a_country_and_a_category_have_rates_of_their_own_once_they_are_known_well() -> None:
    counts = {"a": Tally(190, 200), "a|CN": Tally(90, 100), "a|CN|promotion": Tally(0, 60), "a|CN|otp": Tally(0, 49)}

    def rate(category: str) -> float:
        names = health.keys("a", "CN", category)
        return health.submit_rate(lambda key: counts.get(key, Tally()), 0.98, names)

    country = shrunk(counts["a|CN"], shrunk(counts["a"], 0.98))
    assert rate("otp") == rate("notification") == pytest.approx(country)
    assert rate("promotion") == pytest.approx(20 * country / 80)


def test_receipts_are_compared_with_those_of_the_others_and_only_where_enough_are_known() -> None:
    counts = {"a": Tally(40, 100), "b": Tally(80, 100), "c": Tally(90, 100), "d": Tally(0, 49)}
    quality = {
        name: health.receipt_quality(lambda key: counts.get(key, Tally()), list("abcd"), name) for name in "abcd"
    }
    assert quality == pytest.approx({"a": 0.4 / 0.85, "b": 1.0, "c": 1.0, "d": 1.0})


def test_a_single_known_channel_has_nobody_to_be_compared_with() -> None:
    assert health.receipt_quality(lambda key: {"a": Tally(0, 500)}.get(key, Tally()), ["a", "b"], "a") == 1.0


def test_where_all_receipts_are_bad_nobody_is_to_blame() -> None:
    counts = {"a": Tally(5, 100), "b": Tally(49, 100)}
    assert health.receipt_quality(lambda key: counts.get(key, Tally()), ["a", "b"], "a") == 1.0


def test_a_country_that_reports_nothing_is_not_held_against_the_channel() -> None:
    counts = {"a": Tally(90, 100), "b": Tally(90, 100), "a|XX": Tally(0, 60), "b|XX": Tally(55, 60)}
    assert health.receipt_quality(lambda key: counts.get(key, Tally()), ["a", "b"], "a", "XX") == 1.0


def test_latency_goes_up_at_once_and_down_slowly() -> None:
    fast = beat(Pulse(), True, 0.1, 1, 0.0)
    peak = beat(fast, True, 2.0, 1, 1.0)
    assert peak.latency_s == 2.0
    assert beat(peak, True, 0.1, 1, 2.0).latency_s > 1.7
    assert beat(peak, True, 0.1, 1, 100.0).latency_s == pytest.approx(0.1, abs=0.01)


def test_a_fast_failure_counts_as_five_seconds() -> None:
    assert beat(Pulse(), False, 0.001, 1, 0.0).latency_s == 5.0
    assert beat(Pulse(), False, 8.0, 1, 0.0).latency_s == 8.0


def test_a_penalty_is_forgotten_while_nobody_asks() -> None:
    pulse_ = beat(beat(Pulse(), True, 0.1, 1, 0.0), False, 0.0, 1, 1.0)
    assert pulse.latency_s(pulse_, [], 0.1, 1.0) == pytest.approx(5.0)
    assert pulse.latency_s(pulse_, [], 0.1, 61.0) == pytest.approx(0.1, abs=0.02)


def test_the_last_endings_of_several_workers_are_those_of_one_who_saw_all() -> None:
    one, two = Pulse(), Pulse()
    for at in range(60):
        seen = beat(one if at % 3 else two, at % 5 > 0, 0.1, 1, float(at))
        one, two = (seen, two) if at % 3 else (one, seen)
    assert [(e.at, e.good) for e in pulse.last([one, two], 60.0)] == [(float(at), at % 5 > 0) for at in range(40, 60)]


@given(st.lists(st.floats(0.001, 800), min_size=1, max_size=200), st.sampled_from([0.1, 0.5, 0.9]))
def test_a_quantile_is_within_a_bucket_of_the_exact_one(durations: list[float], share: float) -> None:
    spread = Spread()
    for duration in durations:
        spread.note(duration, 0.0)
    found, total = quantile([spread], share)
    ordered = sorted(durations)
    exact = ordered[min(len(ordered) - 1, int(share * len(ordered)))]
    neighbour = ordered[max(0, int(share * len(ordered)) - 1)]
    assert total == len(durations)
    assert min(exact, neighbour) / 1.13 <= found <= max(exact, neighbour) * 1.13


@given(st.lists(st.tuples(st.booleans(), st.floats(-5, 300), st.floats(0, 60)), max_size=60))
def test_the_score_stays_between_nothing_and_one(history: list[tuple[bool, float, float]]) -> None:
    tally, now = Tally(), 0.0
    for success, elapsed_s, _ in history:
        now += elapsed_s
        tally = noted(tally, float(success), 1.0, now, HALF_LIFE_S)
        assert 0 < health.score(shrunk(tally, 0.98), 1.0) <= 1
