"""The whole of health, choice, breaker and throttling, as eight workers live through it in jumping time.

Three equal channels unless told; each scenario with several seeds, for no rule may hang on one draw of luck.
"""

from __future__ import annotations

from random import Random

import pytest

from engine.message import Category
from engine.outcomes import Accepted, Outcome, Throttled
from tests.fleet import Behaviour, Fleet, changing, faulty, simulate, well

SEEDS = [1, 2]
DEATH_S = 30.0
DEAD = faulty(1.0, 0.01)


def live(seconds: float, per_s: float, sick: Behaviour | None = None, **facts: object) -> Fleet:
    """A fleet after so many seconds of so many messages; channel `a` is the sick one."""
    behaviours = {"a": sick or well(), "b": well(), "c": well()}
    fleet = Fleet(**{"behaviours": behaviours, **facts})  # type: ignore[arg-type]
    simulate(fleet.run(seconds, per_s))
    return fleet


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_channel_is_left_within_5_s_and_at_the_price_of_30_submits(seed: int) -> None:
    fleet = live(90, 100, changing((0, well()), (DEATH_S, DEAD)), seed=seed)
    opened_at = fleet.changes("a", "breaker")[0]
    assert opened_at[1] == "open"
    assert opened_at[0] - DEATH_S <= 5
    assert fleet.bad(since=DEATH_S) <= 30
    assert fleet.lost == 0


@pytest.mark.parametrize("category", [Category.OTP, Category.PROMOTION])
def test_a_channel_with_30_percent_faults_falls_to_8_percent_of_the_traffic(category: Category) -> None:
    fleet = live(100, 50, changing((0, well()), (10, faulty(0.3))), seed=1, category=category)
    assert fleet.shares(since=70)["a"] <= 0.08
    assert fleet.lost == 0


@pytest.mark.parametrize("category", [Category.OTP, Category.PROMOTION])
def test_failing_fast_is_not_taken_for_being_fast(category: Category) -> None:
    fleet = live(90, 60, faulty(0.5, latency_s=0.2, fault_s=0.001), seed=2, category=category)
    assert fleet.shares(since=30)["a"] < 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_where_all_channels_fail_alike_they_stay_in_use(seed: int) -> None:
    fleet = live(180, 20, seed=seed, behaviours=dict.fromkeys("abc", faulty(0.4)), workers=3)
    assert all(share >= 0.1 for share in fleet.shares(until=180).values())
    assert fleet.most_open() <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_of_two_dead_channels_of_three_one_stays_in_use_for_never_more_than_half_are_left(seed: int) -> None:
    dead = changing((0, well()), (10, DEAD))
    fleet = live(60, 30, seed=seed, behaviours={"a": dead, "b": dead, "c": well()}, workers=3)
    assert fleet.most_open() == 1
    assert fleet.shares(since=20)["c"] > 0.85
    assert fleet.lost == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dead_channel_is_found_by_a_message_a_minute(seed: int) -> None:
    death_s = 1200.0
    fleet = live(2700, 1 / 60, changing((0, well()), (death_s, DEAD)), seed=seed, workers=2)
    opened_at = next(at for at, new in fleet.changes("a", "breaker") if new == "open")
    assert len(fleet.calls("a", death_s, opened_at)) <= 5
    assert fleet.lost == 0


def reports(delay_s: float, share: float = 0.95, until: float = float("inf"), late_s: float | None = None) -> object:
    """Most messages are reported after about so long; after `until` none are, or `late_s` later."""

    def report(at: float, rng: Random) -> float | None:
        if at >= until and late_s is None:
            return None
        around_s = (late_s if at >= until and late_s else delay_s) * rng.uniform(0.7, 1.3)
        return around_s if rng.random() < share else None

    return report


def test_delivery_receipts_that_are_late_for_all_are_held_against_none() -> None:
    late = reports(10, until=200, late_s=600)
    fleet = live(1000, 8, seed=1, workers=2, reports=dict.fromkeys("abc", late))
    assert all(share == pytest.approx(1 / 3, abs=0.05) for share in fleet.shares(since=300).values())
    assert not fleet.changes("a", "receipts")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_channel_whose_delivery_receipts_stop_keeps_a_tenth_of_its_weight(seed: int) -> None:
    due_s, stop_s = 60.0, 200.0
    reported = {"a": reports(10, until=stop_s), "b": reports(10), "c": reports(10)}
    fleet = live(360, 12, seed=seed, workers=2, reports=reported)
    assert [new for _, new in fleet.changes("a", "receipts")] == ["collapsed"]
    collapsed_at = fleet.changes("a", "receipts")[0][0]
    assert stop_s + due_s < collapsed_at <= stop_s + due_s + 60 + 15  # the receipts under way then still came
    assert fleet.shares(since=collapsed_at + 5)["a"] <= 0.08
    assert not fleet.changes("a", "breaker"), "a false outage of receipts must not close a good way"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_flapping_channel_is_left_longer_each_time(seed: int) -> None:
    def flapping(at: float, rng: Random) -> tuple[Outcome, float]:
        return (well() if int(at / 10) % 2 == 0 else DEAD)(at, rng)

    fleet = live(420, 25, flapping, seed=seed, category=Category.NOTIFICATION, workers=3)
    changes = fleet.changes("a", "breaker")
    opened = [at for at, new in changes if new == "open"]
    tried = [at for at, new in changes if new == "half_open"]
    lengths = [end - begin for begin, end in zip(opened, tried, strict=False)]
    assert len(lengths) >= 3
    assert max(lengths) > 1.5 * lengths[0], "it falls short again where the channel was well for long"
    assert fleet.bad() < 0.01 * len(fleet.sent)
    assert fleet.lost == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_no_channel_gets_more_than_its_rate_in_any_second(seed: int) -> None:
    rate = 20.0
    fleet = live(20, 50, seed=seed, rate=rate)
    for name in "abc":
        times = [at for at, _, _ in fleet.calls(name)]
        assert max(sum(1 for at in times if begun <= at < begun + 1 - 1e-6) for begun in times) <= rate
    assert fleet.lost == 0


def test_a_channel_that_says_it_is_too_fast_is_slowed_until_it_says_so_seldom() -> None:
    taken: list[float] = []

    def at_most_10_a_second(at: float, rng: Random) -> tuple[Outcome, float]:
        while taken and taken[0] <= at - 1:
            taken.pop(0)
        if len(taken) >= 10:
            return Throttled("too fast"), 0.02
        taken.append(at)
        return Accepted("1"), 0.2

    fleet = live(90, 60, at_most_10_a_second, seed=1, rate=100)
    outcomes = [outcome for _, outcome, _ in fleet.calls("a", since=30)]
    assert outcomes.count("Throttled") < 0.2 * len(outcomes)
    assert outcomes.count("Accepted") > 60 * 4
    assert not fleet.changes("a", "breaker")
    assert fleet.lost == 0
