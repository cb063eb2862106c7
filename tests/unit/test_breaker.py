"""When a channel is left alone, tried again and trusted again."""

from __future__ import annotations

from random import Random

import pytest

from engine import breaker
from engine.breaker import Breaker, Seen, State, advanced, may_open, opened, ramp, verdict
from engine.pulse import Ending


def endings(story: str, every_s: float = 0.1) -> list[Ending]:
    """`+` a good submit, `-` a fault; the last is at second 100."""
    return [Ending(100 - every_s * (len(story) - 1 - i), sign == "+") for i, sign in enumerate(story)]


def seen(story: str, peers: float = 1.0, every_s: float = 0.1, good: int = 0, bad: int = 0) -> Seen:
    return Seen(endings(story, every_s), good, bad, peers)


@pytest.mark.parametrize(
    ("story", "peers", "every_s", "opens"),
    [
        ("+" * 15 + "-" * 5, 1.0, 0.1, False),  # five in a row alone are bad luck
        ("+" * 6 + "-" * 14, 1.0, 0.05, True),  # 30 % of what the peers do
        ("+" * 7 + "-" * 13, 1.0, 0.05, False),
        ("+" * 10 + "-" * 10, 1.0, 0.2, True),  # ten in a row over a second
        ("+" * 10 + "-" * 10, 1.0, 0.05, False),  # a short glitch
        ("-" * 5, 1.0, 0.1, False),  # too few
        ("-" * 5, 1.0, 20.0, True),  # few but over a minute
        ("+++++-----", 1.0, 20.0, True),
        ("+" * 10 + "-" * 10, 0.5, 0.2, False),  # half of the peers' submits fail too: such a streak is luck
        ("-" * 20, 0.0, 1.0, False),  # the peers fail altogether
    ],
)
def test_a_channel_is_left_when_it_does_much_worse_than_its_peers(
    story: str, peers: float, every_s: float, opens: bool
) -> None:
    assert bool(verdict(seen(story, peers, every_s))) is opens


def test_a_channel_half_of_whose_many_submits_fail_is_left_though_one_goes_well_now_and_then() -> None:
    story = "---+" * 5
    assert verdict(seen(story, good=5, bad=15)) is not None
    assert verdict(seen(story, good=5, bad=14)) is None
    assert verdict(seen(story, good=16, bad=15)) is None
    assert verdict(seen(story, peers=0.6, good=5, bad=15)) is None


def test_it_stays_open_longer_each_time_up_to_five_minutes() -> None:
    rng, found, held = Random(3), [], Breaker()
    for _ in range(15):
        held = opened(held, "why", 1000.0, rng)
        assert held.until is not None
        found.append(held.until - 1000.0)
    assert all(0.8 * min(300, 30 * k) <= open_s <= 1.2 * min(300, 30 * k) for k, open_s in enumerate(found, 1))
    assert len(set(found)) == 15, "workers that trip together must not come back together"


def test_what_does_not_heal_by_itself_is_left_for_five_minutes_at_once() -> None:
    held = opened(Breaker(), "login refused", 0.0, Random(1), fatal=True)
    assert held.until == pytest.approx(300, rel=0.2)


def test_an_open_one_is_tried_when_its_time_is_over_and_not_before() -> None:
    held = opened(Breaker(), "why", 0.0, Random(1))
    assert held.until is not None
    assert advanced(held, seen(""), held.until - 0.01, Random(1)) is held
    assert advanced(held, seen(""), held.until, Random(1)).state is State.HALF_OPEN


@pytest.mark.parametrize(
    ("story", "peers", "state"),
    [
        ("+" * 6, 1.0, State.HALF_OPEN),
        ("+" * 7, 1.0, State.CLOSED),
        ("---" + "+" * 7, 1.0, State.CLOSED),
        ("---" + "+" * 6, 1.0, State.HALF_OPEN),
        ("----", 1.0, State.OPEN),
        ("++-+-+", 0.5, State.CLOSED),  # as good as its peers
        ("-" * 6, 0.5, State.HALF_OPEN),
        ("-" * 7, 0.5, State.OPEN),
        ("+++", 0.0, State.CLOSED),
    ],
)
def test_probes_are_judged_by_how_the_peers_do(story: str, peers: float, state: State) -> None:
    half_open = Breaker(State.HALF_OPEN, since=90.0, trips=2)
    assert advanced(half_open, seen(story, peers), 100.0, Random(1)).state is state


def test_failed_probes_make_the_next_time_longer() -> None:
    again = advanced(Breaker(State.HALF_OPEN, since=90.0, trips=2), seen("----"), 100.0, Random(1))
    assert (again.state, again.trips) == (State.OPEN, 3)


def test_trips_are_forgiven_one_each_ten_seconds_once_the_channel_has_all_its_weight_again() -> None:
    held = Breaker(State.HALF_OPEN, since=0.0, trips=2)
    held = advanced(held, seen("+" * 7), 100.0, Random(1))
    assert held.state is State.CLOSED
    trips = []
    for at in (110, 160, 169, 170, 180, 190):
        held = advanced(held, seen(""), float(at), Random(1))
        trips.append(held.trips)
    assert trips == [2, 2, 2, 1, 0, 0]


def test_trips_are_not_forgiven_while_the_channel_does_worse_than_its_peers() -> None:
    flapping = Breaker(State.CLOSED, since=0.0, trips=2, calm_at=60.0)
    assert advanced(flapping, seen("+" * 15 + "-" * 5), 100.0, Random(1)).trips == 2
    assert advanced(flapping, seen("+" * 15 + "-" * 5, peers=0.9), 100.0, Random(1)).trips == 1


def test_a_channel_that_comes_back_gets_its_weight_little_by_little() -> None:
    back = Breaker(State.CLOSED, since=100.0)
    assert [round(ramp(back, at), 2) for at in (100.0, 130.0, 160.0, 500.0)] == [0.1, 0.55, 1.0, 1.0]
    assert ramp(Breaker(), 0.0) == 1.0


def test_never_more_than_half_of_a_group_is_left_this_one_counted() -> None:
    allowed = {n: [may_open(open_ones, n) for open_ones in range(n)].count(True) for n in range(1, 8)}
    assert allowed == {1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 6: 3, 7: 3}


def test_peers_are_compared_by_their_median_and_unused_ones_count_as_usual() -> None:
    assert breaker.peers([endings("+" * 10), endings("-" * 10), endings("+----" * 2)]) == pytest.approx(0.2)
    assert breaker.peers([endings("----")]) == breaker.NO_PEERS
