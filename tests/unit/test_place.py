"""Room on a channel: its window, and its turns under a rate."""

from __future__ import annotations

import asyncio

import pytest

from adapters.carriers.place import Places
from adapters.carriers.room import Room
from engine.message import Category, Message
from engine.turns import Answer, Later, Pace, Turn
from tests.carriers import message


class Turns:
    """A rate cap that answers what it is told, and notes what it is asked."""

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[tuple[str, Pace, int, bool]] = []
        self._answers = list(answers)

    async def reserve(
        self, channel: str, pace: Pace, segments: int, category: Category, within_s: float, *, again: bool = False
    ) -> Answer:
        self.asked.append((channel, pace, segments, again))
        await asyncio.sleep(0)
        return self._answers.pop(0)


class NeverAnswers:
    async def reserve(
        self, channel: str, pace: Pace, segments: int, category: Category, within_s: float, *, again: bool = False
    ) -> Answer:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


def of(category: Category) -> Message:
    return message()._replace(category=category)


async def test_the_rate_counts_segments_of_the_channel() -> None:
    turns = Turns(Turn(0.0))
    async with Places("alpha", 2, 100.0, turns).place(message()._replace(segments=3), 30) as free:
        assert free
    assert turns.asked == [("alpha", Pace(100.0, burst=1), 3, False)]


async def test_no_turn_within_the_time_is_no_place_and_holds_none() -> None:
    places = Places("alpha", 1, 100.0, Turns(None, Turn(0.0)))
    async with places.place(message(), 30) as free:
        assert not free
    assert places.load == 0
    async with places.place(message(), 30) as free:
        assert free


async def test_a_place_is_given_only_when_its_turn_has_come() -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with Places("alpha", 1, 100.0, Turns(Turn(0.05))).place(message(), 30) as free:
        assert free
        assert loop.time() - started >= 0.05


async def test_a_rate_cap_that_does_not_answer_gives_no_place() -> None:
    places = Places("alpha", 1, 100.0, NeverAnswers())
    async with places.place(message(), 0.02) as free:
        assert not free
    assert places.load == 0


async def test_a_full_window_asks_for_no_turn() -> None:
    turns = Turns(Turn(0.0))
    places = Places("alpha", 1, 100.0, turns)
    async with places.place(message(), 30), places.place(message(), 0.01) as second:
        assert not second
    assert len(turns.asked) == 1


async def test_no_time_at_all_still_gets_what_is_free_now() -> None:
    places = Places("alpha", 1, None, Turns())
    async with places.place(message(), 0) as first, places.place(message(), 0) as second:
        assert (first, second) == (True, False)


async def test_an_error_inside_frees_the_place_and_passes_through() -> None:
    places = Places("alpha", 1, None, Turns())
    for error in (KeyError, TimeoutError):
        with pytest.raises(error):
            async with places.place(message(), 30):
                raise error
        assert places.load == 0


async def test_waiting_can_be_given_up_without_losing_a_place() -> None:
    places = Places("alpha", 1, None, Turns())

    async def wait() -> None:
        async with places.place(message(), 30):
            raise AssertionError("there was no room")

    async with places.place(message(), 30):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert places.load == 1
    async with places.place(message(), 0) as free:
        assert free


async def test_the_load_is_the_share_of_the_window_in_use() -> None:
    places = Places("alpha", 4, None, Turns())
    async with places.place(message(), 0), places.place(message(), 0):
        assert places.load == 0.5


async def test_a_drained_channel_gives_no_place_any_more() -> None:
    places = Places("alpha", 2, None, Turns())
    async with places.place(message(), 0):
        drained = asyncio.create_task(places.drain())
        await asyncio.sleep(0)
        assert not drained.done()
    await drained
    async with places.place(message(), 0.01) as free:
        assert not free


async def test_a_window_that_grows_lets_those_in_who_wait_and_one_that_shrinks_lets_nobody_in() -> None:
    places = Places("alpha", 0, None, Turns())
    assert places.load == 1
    got: list[int] = []
    leave = asyncio.Event()

    async def wait(number: int) -> None:
        async with places.place(message(), 30) as free:
            assert free
            got.append(number)
            await leave.wait()

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    places.resize(2)
    await asyncio.sleep(0.01)
    assert got == [0, 1]
    places.resize(1)
    assert places.load == 1
    leave.set()
    await asyncio.gather(*waiting)
    assert got == [0, 1, 2]
    assert places.load == 0


async def test_a_place_given_just_when_it_is_given_up_goes_to_the_next() -> None:
    places = Places("alpha", 1, None, Turns())

    async def wait() -> None:
        async with places.place(message(), 30):
            pass

    async with places.place(message(), 0):
        first, second = asyncio.create_task(wait()), asyncio.create_task(wait())
        await asyncio.sleep(0)
    first.cancel()
    await second
    assert places.load == 0


async def test_nothing_is_kept_of_those_who_waited_in_vain() -> None:
    room = Room(0)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await room.take()
    assert not any(room._lines.values())


async def test_the_carriers_present_rate_counts_where_it_is_below_the_cap() -> None:
    turns = Turns(Turn(0.0), Turn(0.0), Turn(0.0))
    for rate in (70.0, 500.0):
        async with Places("alpha", 1, 100.0, turns, burst=5).place(message(), 30, rate) as free:
            assert free
    async with Places("alpha", 1, None, turns).place(message(), 30, 70.0) as free:
        assert free
    assert [pace for _, pace, _, _ in turns.asked] == [Pace(70.0, 5), Pace(100.0, 5), Pace(70.0, 1)]


async def test_who_is_told_to_ask_again_does_so_then_and_says_that_it_is_the_second_time() -> None:
    loop = asyncio.get_running_loop()
    turns = Turns(Later(0.05), Turn(0.0))
    started = loop.time()
    async with Places("alpha", 1, 100.0, turns).place(of(Category.PROMOTION), 30) as free:
        assert free
        assert loop.time() - started >= 0.05
    assert [again for *_, again in turns.asked] == [False, True]


async def test_a_code_has_the_only_place_while_a_promotion_waits_to_ask_again() -> None:
    places = Places("alpha", 1, 100.0, Turns(Later(30.0), Turn(0.0)))

    async def wait() -> None:
        async with places.place(of(Category.PROMOTION), 60):
            raise AssertionError("it had no turn")

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    async with places.place(of(Category.OTP), 0.01) as free:
        assert free
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert places.load == 0


async def test_of_those_who_wait_for_a_place_codes_come_first_and_promotions_last() -> None:
    places = Places("alpha", 1, None, Turns())
    got: list[Category] = []

    async def wait(category: Category) -> None:
        async with places.place(of(category), 30) as free:
            assert free
            got.append(category)

    async with places.place(of(Category.OTP), 0):
        waiting = [asyncio.create_task(wait(category)) for category in (*reversed(Category), *reversed(Category))]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert got == sorted(got, key=list(Category).index)
    assert len(got) == 6


async def test_a_turn_that_comes_with_the_end_of_patience_costs_no_place() -> None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Answer] = loop.create_future()

    class Tardy:
        async def reserve(
            self, channel: str, pace: Pace, segments: int, category: Category, within_s: float, *, again: bool = False
        ) -> Answer:
            return await answer

    places = Places("alpha", 1, 100.0, Tardy())
    # The answer is there, and in the same turn of the loop the time is over.
    loop.call_at(loop.time() + 0.02, answer.set_result, Turn(0.0))
    async with places.place(message(), 0.02):
        pass
    assert places.load == 0
