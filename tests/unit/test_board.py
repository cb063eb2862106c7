"""Which channels may be tried, by what is known and decided of them."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from adapters.memory.health_board import MemoryHealthBoard
from engine import sharing
from engine.board import Board
from engine.breaker import Breaker, State
from engine.message import Category, Message
from engine.outcomes import Accepted, ChannelFault, Throttled
from engine.overview import overview
from engine.pins import Pin
from engine.routing import Candidate, Profile
from engine.sightings import GROUPS
from engine.standing import Stands
from engine.terms import Terms
from tests.carriers import message
from tests.fleet import Numbers
from tests.redis_setup import Heard, OwnClock

ACCEPTED, FATAL = Accepted("1"), ChannelFault("the login is refused", fatal=True)


class Way:
    """A channel that is only looked at."""

    load = 0.0

    def __init__(self, name: str, *, ready: bool = True) -> None:
        self.profile, self.ready = Profile(name), ready


class Bench:
    def __init__(self, *names: str, cap: float | None = 100.0) -> None:
        self.clock = OwnClock()
        self.clock.elapse(5000)
        self.ways = [Way(name) for name in names]
        terms = [Terms(way.profile, cap) for way in self.ways]
        self.board = MemoryHealthBoard(terms, Numbers(), self.clock, Heard(), Random(1))

    def see(
        self, channel: str, *outcomes: object, category: Category = Category.NOTIFICATION, every_s: float = 0.1
    ) -> None:
        for outcome in outcomes:
            self.clock.elapse(every_s)
            self.board.observe(channel, some(category), outcome, 0.05)  # type: ignore[arg-type]

    def candidates(self, category: Category = Category.NOTIFICATION) -> dict[str, Candidate]:
        found = self.board.candidates(some(category), self.ways)  # type: ignore[arg-type]
        return {candidate.name: candidate for candidate in found}


def some(category: Category = Category.NOTIFICATION, country: str = "CN") -> Message:
    made = message()
    return made._replace(category=category, recipient=made.recipient._replace(country=country))


def test_a_channel_that_is_not_connected_is_no_candidate() -> None:
    bench = Bench("a", "b")
    bench.ways[0].ready = False
    assert list(bench.candidates()) == ["b"]


def test_a_pause_is_kept_while_there_are_others_and_waited_for_where_there_are_none() -> None:
    bench = Bench("a", "b")
    bench.see("a", Throttled("too fast", 1.5))
    assert list(bench.candidates()) == ["b"]
    bench.ways[1].ready = False
    assert bench.candidates()["a"].wait_s == pytest.approx(1.5)
    bench.see("a", Throttled("too fast", 30.0))
    assert bench.candidates() == {}
    bench.clock.elapse(30)
    assert bench.candidates()["a"].wait_s == 0


def test_a_channel_without_a_cap_is_slowed_by_what_was_in_use_and_is_free_again_later() -> None:
    bench = Bench("a", "b", cap=None)
    assert bench.board.rate("a") == float("inf")
    bench.see("a", *[ACCEPTED] * 60, Throttled("too fast"))
    assert bench.board.rate("a") == pytest.approx(0.7 * 20)
    bench.see("b", *[ACCEPTED] * 600, Throttled("too fast"), every_s=0.01)
    assert bench.board.rate("b") == pytest.approx(0.7 * 100, rel=0.1)
    bench.clock.elapse(60)
    bench.candidates()
    assert bench.board.rate("a") == float("inf")


def test_what_the_operator_decided_wins_over_what_the_engine_would_do() -> None:
    bench = Bench("a", "b")
    bench.see("a", FATAL)
    bench.board.pins = {"a": Pin("a", 3.0), "b": Pin("b", None)}
    found = bench.candidates()
    assert list(found) == ["a"]
    assert (found["a"].weight, found["a"].health, found["a"].latency_s) == (3.0, 1.0, None)
    assert not bench.board.enabled("b")
    assert [view.state for view in overview(bench.board)] == ["pinned", "disabled"]


def test_what_the_operator_decided_for_a_time_ends_by_itself() -> None:
    bench = Bench("a", "b")
    bench.board.pins = {"a": Pin("a", None, until=bench.clock.now() + timedelta(seconds=60))}
    bench.clock.elapse(59)
    assert list(bench.candidates()) == ["b"]
    bench.clock.elapse(1)
    assert list(bench.candidates()) == ["a", "b"]


def test_a_code_is_no_probe_while_another_channel_is_well_unless_nothing_else_comes() -> None:
    bench = Bench("a", "b")
    bench.see("a", FATAL)
    bench.clock.elapse(361)
    assert bench.candidates()["a"].probe
    assert "a" not in bench.candidates(Category.OTP)
    bench.clock.elapse(30)
    assert bench.candidates(Category.OTP)["a"].probe


def test_promotions_that_fail_do_not_spoil_the_score_for_codes() -> None:
    bench = Bench("a", "b")
    bench.see("a", *[ACCEPTED] * 300, category=Category.OTP)
    bench.see("a", *[ACCEPTED, ChannelFault("unwell")] * 30, category=Category.PROMOTION)
    codes, promotions = (bench.candidates(category)["a"].health for category in (Category.OTP, Category.PROMOTION))
    assert codes > 0.85
    assert promotions < 0.35


def test_memory_is_bounded_however_many_countries_are_sent_to() -> None:
    bench = Bench("a", "b")
    for number in range(2 * GROUPS):
        bench.board.observe("a", some(country=f"X{number}"), ACCEPTED, 0.05)
    bench.clock.elapse(61)
    bench.candidates()
    assert len(bench.board.own.submits) <= GROUPS
    assert "a" in bench.board.own.submits, "what counts for most stays"


def test_what_is_told_between_workers_holds_on_each_ones_own_clock() -> None:
    one, two = Bench("a", "b"), Bench("a", "b")
    two.clock.elapse(70_000)
    one.see("a", *[ACCEPTED] * 20, FATAL)
    one.see("b", Throttled("too fast"))
    told = sharing.share(one.board, one.clock.monotonic())
    stands = {name: (3.0, Stands(made, ours=False)) for name, made in told.decisions.items()}
    listening: Board = two.board
    sharing.take(listening, two.clock.monotonic(), sharing.share(listening, 0.0), [(3.0, told.report)], stands)
    here, there = two.clock.monotonic(), one.clock.monotonic() + 3.0
    ours, theirs = (each.standings.get("a", Breaker) for each in (two.board, one.board))
    assert ours.state is State.OPEN
    assert ours.until is not None
    assert theirs.until is not None
    assert ours.until - here == pytest.approx(theirs.until - there)
    one.clock.elapse(3)
    assert two.board.rate("b") == one.board.rate("b") == pytest.approx(70)
    assert two.board.score("a") == pytest.approx(one.board.score("a"))
    assert two.board.reading().latency_s("a") == pytest.approx(one.board.reading().latency_s("a"))
