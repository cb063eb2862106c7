"""However large messages are, what is held of a queue stays within its room, and nothing goes back for ever."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rabbitmq.job_queue import AT_HAND
from adapters.rabbitmq.prefetch import FEW, LARGEST, MOST, ROOM, Prefetch
from adapters.rabbitmq.topology import DELIVERY_LIMIT


@dataclass
class Broker:
    """Sends a consumer as many as were asked for, before it hears anything of what became of them."""

    sizes: list[int]
    most: int = 600
    enough: int = MOST
    waiting: deque[int] = field(default_factory=deque)
    held: deque[int] = field(default_factory=deque)
    returns: Counter[int] = field(default_factory=Counter)
    largest_held: int = 0

    def __post_init__(self) -> None:
        self.waiting.extend(range(len(self.sizes)))
        self.prefetch = Prefetch(self.most, self.enough)

    def work_off(self, settle_at_once: int = 1) -> None:
        unsettled = 0  # by the present consumers
        while self.waiting or self.held:
            excess = []
            grown = False
            while self.waiting and unsettled < self.prefetch.count and not grown:
                tag = self.waiting.popleft()
                unsettled += 1
                if self.prefetch.admit(tag, self.sizes[tag]):
                    self.held.append(tag)
                    self.largest_held = max(self.largest_held, sum(self.sizes[each] for each in self.held))
                    grown = not excess and self.prefetch.too_few
                else:
                    excess.append(tag)
            if excess:
                grown = False
                self.returns.update(excess)
                self.waiting.extendleft(reversed(excess))
                self.prefetch.shrink()
                while not self.prefetch.roomy:
                    self.settle_oldest()
            if grown:
                self.prefetch.grow()
            if excess:
                unsettled = 0
            if excess or grown:
                continue
            for _ in range(min(settle_at_once, len(self.held))):
                self.settle_oldest()
                unsettled = max(0, unsettled - 1)

    def settle_oldest(self) -> None:
        self.prefetch.release(self.held.popleft())


def test_small_messages_are_soon_asked_for_in_full_even_if_none_is_settled() -> None:
    prefetch = Prefetch(300)
    asked = [prefetch.count]
    for tag in range(300):
        assert prefetch.admit(tag, 300)
        if prefetch.too_few:
            prefetch.grow()
            asked.append(prefetch.count)
    assert asked == [FEW, 4 * FEW, 16 * FEW, 300]


def test_of_arrays_only_so_many_are_held_that_others_get_some_too() -> None:
    broker = Broker([10_000] * 400, enough=AT_HAND)  # of fifty jobs each
    broker.work_off()
    assert broker.prefetch.count == 4 * FEW


def test_no_more_are_asked_for_than_shall_be() -> None:
    assert Prefetch(2).count == 2


def test_large_messages_are_asked_for_a_few_at_a_time() -> None:
    broker = Broker([LARGEST] * 100)
    broker.work_off()
    assert broker.prefetch.count == FEW
    assert not broker.returns


def test_what_finds_no_room_goes_back_and_comes_again() -> None:
    broker = Broker([300] * 500 + [LARGEST] * 300)
    broker.work_off()
    assert broker.largest_held <= ROOM
    assert broker.returns
    assert max(broker.returns.values()) < DELIVERY_LIMIT / 2


def test_a_message_larger_than_the_room_is_held_alone() -> None:
    broker = Broker([300, *[4 * ROOM] * 5, 300])
    broker.work_off()
    assert broker.largest_held == 4 * ROOM
    assert max(broker.returns.values()) < DELIVERY_LIMIT / 2


@pytest.mark.parametrize("small", [1, 5, 8, 30, 36, 113, 150, 200, 301])
@pytest.mark.parametrize("large", [1, 10, 20, 60])
def test_no_mixture_goes_back_until_it_is_taken_for_poison(small: int, large: int) -> None:
    broker = Broker(([300] * small + [LARGEST] * large) * (1500 // (small + large)))
    broker.work_off()
    assert broker.largest_held <= ROOM
    assert not broker.returns or max(broker.returns.values()) < DELIVERY_LIMIT


@given(
    st.lists(st.tuples(st.integers(1, 300), st.sampled_from([300, 20_000, 200_000, LARGEST])), max_size=12),
    st.integers(1, 600),
    st.integers(1, 600),
)
def test_whatever_comes_stays_within_the_room(runs: list[tuple[int, int]], most: int, settle_at_once: int) -> None:
    broker = Broker([size for count, size in runs for _ in range(count)], most)
    broker.work_off(settle_at_once)
    assert broker.largest_held <= ROOM
    assert not broker.returns or max(broker.returns.values()) < DELIVERY_LIMIT
