"""The order in which channels are tried."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from random import Random
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.message import Category, Job, Message, Recipient
from engine.routing import FLOOR, Candidate, Profile, plan, room, weights

DRAWS = 20_000


def shares(*candidates: Candidate) -> dict[str, float]:
    rng = Random(7)
    first = Counter(plan(candidates, Category.OTP, rng)[0] for _ in range(DRAWS))
    return {candidate.name: first[candidate.name] / DRAWS for candidate in candidates}


def message(
    country: str = "CN", category: Category = Category.OTP, operator: str | None = None, **fields: str
) -> Message:
    job = Job(uuid4(), "+8613800000000", category, datetime.now(UTC))._replace(**fields)
    return Message(job, Recipient("+8613800000000", country), category, "text", 1, operator)


def test_equal_channels_share_equally() -> None:
    found = shares(*(Candidate(name, 1.0, 0.96, 0.0) for name in "abc"))
    assert all(share == pytest.approx(1 / 3, abs=0.02) for share in found.values())


def test_weights_are_honoured() -> None:
    found = shares(Candidate("a", 3.0, 0.96, 0.0), Candidate("b", 1.0, 0.96, 0.0))
    assert found["a"] == pytest.approx(0.75, abs=0.02)


def test_a_dead_channel_keeps_the_floor_and_no_more() -> None:
    found = shares(Candidate("dead", 1.0, 0.0, 0.0), Candidate("well", 1.0, 1.0, 0.0))
    assert found["dead"] == pytest.approx(FLOOR / (1 + FLOOR), abs=0.005)


def test_a_full_channel_gets_little() -> None:
    found = shares(Candidate("full", 1.0, 1.0, 1.0), Candidate("idle", 1.0, 1.0, 0.0))
    assert found["full"] < 0.07


def test_all_channels_are_tried_even_when_all_are_dead() -> None:
    assert sorted(plan([Candidate(name, 1.0, 0.0, 1.0) for name in "abc"], Category.OTP, Random(1))) == ["a", "b", "c"]


def test_latency_counts_in_full_for_codes_and_by_its_root_for_the_rest() -> None:
    candidates = [Candidate("slow", 1.0, 1.0, 0.0, latency_s=0.4), Candidate("fast", 1.0, 1.0, 0.0, latency_s=0.1)]
    assert weights(candidates, Category.OTP) == {"slow": 0.25, "fast": 1.0}
    assert weights(candidates, Category.PROMOTION) == {"slow": 0.5, "fast": 1.0}


def test_cost_counts_for_promotions_most_and_for_codes_never() -> None:
    candidates = [Candidate("dear", 1.0, 1.0, 0.0, cost=2.0), Candidate("cheap", 1.0, 1.0, 0.0, cost=1.0)]
    found = {category: weights(candidates, category)["dear"] for category in Category}
    assert found == {Category.OTP: 1.0, Category.NOTIFICATION: 0.5, Category.PROMOTION: 0.25}


def test_being_cheap_is_no_advantage_of_a_much_sicker_channel() -> None:
    candidates = [Candidate("well", 1.0, 0.9, 0.0, cost=2.0), Candidate("sick", 1.0, 0.6, 0.0, cost=1.0)]
    found = weights(candidates, Category.PROMOTION)
    assert found["sick"] / found["well"] == pytest.approx(0.6 / 0.9)


@given(st.lists(st.floats(0, 1), max_size=8), st.integers())
def test_every_candidate_stands_in_the_order_exactly_once(healths: list[float], seed: int) -> None:
    candidates = [Candidate(str(i), 1.0, health, 0.5) for i, health in enumerate(healths)]
    assert sorted(plan(candidates, Category.OTP, Random(seed))) == sorted(candidate.name for candidate in candidates)


def test_a_channel_keeps_its_whole_weight_to_half_load() -> None:
    assert [room(load) for load in (0.0, 0.5, 0.75, 1.0, 1.5)] == [1.0, 1.0, 0.5, 0.05, 0.05]


def test_a_channel_carries_its_countries_and_categories_only() -> None:
    profile = Profile("a", countries=frozenset({"CN"}), categories=frozenset({Category.OTP}))
    assert profile.carries(message())
    assert not profile.carries(message(country="GB"))
    assert not profile.carries(message(category=Category.PROMOTION))
    assert Profile("b").carries(message(country="GB", category=Category.PROMOTION))


def test_a_channel_carries_its_accounts_and_signatures_only() -> None:
    accounts, signatures = Profile("a", accounts=frozenset({"shop"})), Profile("b", signatures=frozenset({"Acme"}))
    assert accounts.carries(message(account="shop"))
    assert not accounts.carries(message())
    assert signatures.carries(message(signature="Acme"))
    assert not signatures.carries(message(signature="Acne"))
    assert not signatures.carries(message())


def test_a_number_of_unknown_operator_goes_only_over_channels_that_are_for_all_operators() -> None:
    some, all_operators = Profile("a", operators=frozenset({"first"})), Profile("b")
    assert some.carries(message("GB", operator="first"))
    assert not some.carries(message("GB", operator="second"))
    assert not some.carries(message("GB"))
    assert all_operators.carries(message("GB"))
    assert all_operators.carries(message("GB", operator="second"))


@settings(max_examples=500)
@given(
    channels=st.lists(st.tuples(st.floats(0, 1), st.floats(0.001, 1000)), min_size=2, max_size=6),
    category=st.sampled_from(Category),
)
def test_cost_never_outweighs_a_health_that_is_much_better(
    channels: list[tuple[float, float]], category: Category
) -> None:
    candidates = [Candidate(str(i), 1.0, health, 0.0, cost=cost) for i, (health, cost) in enumerate(channels)]
    found = weights(candidates, category)
    for well in candidates:
        for sick in candidates:
            if well.health > sick.health + 0.2 + 1e-9:
                assert found[well.name] >= found[sick.name] * (1 - 1e-9)
