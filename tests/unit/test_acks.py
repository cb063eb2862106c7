"""Acknowledgements: everything below a mark at once, single ones above it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.rabbitmq.acks import AckLine


class Broker:
    """Keeps unacknowledged tags as RabbitMQ does: a tag it does not know ends the channel."""

    def __init__(self, deliveries: int) -> None:
        self.unacknowledged = set(range(1, deliveries + 1))
        self.frames = 0

    def hear(self, acknowledgements: list[tuple[int, bool]]) -> None:
        for tag, all_below in acknowledgements:
            assert tag in self.unacknowledged, "unknown delivery tag"
            self.unacknowledged -= {other for other in self.unacknowledged if other < tag and all_below} | {tag}
            self.frames += 1


def settled(*tags: int) -> AckLine:
    line = AckLine()
    for tag in tags:
        line.settle(tag)
    return line


def test_nothing_is_due_at_first() -> None:
    line = AckLine()
    assert line.complete
    assert line.due() == []


def test_a_run_without_a_gap_takes_one_acknowledgement() -> None:
    line = settled(2, 1, 4, 3)
    assert line.due() == [(4, True)]
    assert line.complete


def test_a_slow_message_does_not_hold_up_the_others_for_longer_than_once() -> None:
    line = settled(1, 2, 5, 4)
    assert line.due() == [(2, True)]
    assert not line.complete
    line.settle(6)
    assert line.due() == [(4, False), (5, False)]
    assert line.due() == [(6, False)]
    assert line.complete


def test_what_the_mark_reaches_in_time_is_not_said_on_its_own() -> None:
    line = settled(2, 3)
    assert line.due() == []
    line.settle(1)
    assert line.due() == [(3, True)]
    assert line.complete


def test_nothing_is_acknowledged_twice() -> None:
    line = settled(1, 3)
    assert [line.due(), line.due()] == [[(1, True)], [(3, False)]]
    line.settle(3)
    line.settle(1)
    assert line.complete
    assert line.due() == []


def test_the_mark_is_a_tag_the_broker_still_knows() -> None:
    line = settled(2, 3)
    assert [line.due(), line.due()] == [[], [(2, False), (3, False)]]
    line.settle(1)
    assert line.due() == [(1, True)]


def test_the_mark_passes_a_message_that_was_given_back() -> None:
    line = settled(1, 3)
    line.skip(2)
    assert line.due() == [(3, True)]


@given(st.permutations(range(1, 40)), st.lists(st.integers(0, 39)), st.data())
def test_in_any_order_every_settled_message_is_acknowledged_and_no_other(
    order: list[int], flushes: list[int], data: st.DataObject
) -> None:
    line, broker = AckLine(), Broker(39)
    kept = data.draw(st.sets(st.integers(1, 39)))
    for position, tag in enumerate(order):
        if tag not in kept:
            line.settle(tag)
        if position in flushes:
            broker.hear(line.due())
    while not line.complete:
        broker.hear(line.due())
    assert broker.unacknowledged == kept
