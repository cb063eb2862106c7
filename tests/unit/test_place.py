"""Room on a channel: its window, and its turns under a rate."""

from __future__ import annotations

import asyncio

import pytest

from adapters.carriers.place import Places
from adapters.carriers.room import Room


class Turns:
    """A rate cap that answers what it is told, and notes what it is asked."""

    def __init__(self, *answers: float | None) -> None:
        self.asked: list[tuple[str, float, int]] = []
        self._answers = list(answers)

    async def reserve(self, channel: str, rate: float, segments: int, within_s: float) -> float | None:
        self.asked.append((channel, rate, segments))
        await asyncio.sleep(0)
        return self._answers.pop(0)


class NeverAnswers:
    async def reserve(self, channel: str, rate: float, segments: int, within_s: float) -> float | None:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


async def test_the_rate_counts_segments_of_the_channel() -> None:
    turns = Turns(0.0)
    async with Places("alpha", 2, 100.0, turns).place(3, 30) as free:
        assert free
    assert turns.asked == [("alpha", 100.0, 3)]


async def test_no_turn_within_the_time_is_no_place_and_holds_none() -> None:
    places = Places("alpha", 1, 100.0, Turns(None, 0.0))
    async with places.place(1, 30) as free:
        assert not free
    assert places.load == 0
    async with places.place(1, 30) as free:
        assert free


async def test_a_place_is_given_only_when_its_turn_has_come() -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with Places("alpha", 1, 100.0, Turns(0.05)).place(1, 30) as free:
        assert free
        assert loop.time() - started >= 0.05


async def test_a_rate_cap_that_does_not_answer_gives_no_place() -> None:
    places = Places("alpha", 1, 100.0, NeverAnswers())
    async with places.place(1, 0.02) as free:
        assert not free
    assert places.load == 0


async def test_a_full_window_asks_for_no_turn() -> None:
    turns = Turns(0.0)
    places = Places("alpha", 1, 100.0, turns)
    async with places.place(1, 30), places.place(1, 0.01) as second:
        assert not second
    assert len(turns.asked) == 1


async def test_no_time_at_all_still_gets_what_is_free_now() -> None:
    places = Places("alpha", 1, None, Turns())
    async with places.place(1, 0) as first, places.place(1, 0) as second:
        assert (first, second) == (True, False)


async def test_an_error_inside_frees_the_place_and_passes_through() -> None:
    places = Places("alpha", 1, None, Turns())
    for error in (KeyError, TimeoutError):
        with pytest.raises(error):
            async with places.place(1, 30):
                raise error
        assert places.load == 0


async def test_waiting_can_be_given_up_without_losing_a_place() -> None:
    places = Places("alpha", 1, None, Turns())

    async def wait() -> None:
        async with places.place(1, 30):
            raise AssertionError("there was no room")

    async with places.place(1, 30):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert places.load == 1
    async with places.place(1, 0) as free:
        assert free


async def test_the_load_is_the_share_of_the_window_in_use() -> None:
    places = Places("alpha", 4, None, Turns())
    async with places.place(1, 0), places.place(1, 0):
        assert places.load == 0.5


async def test_a_drained_channel_gives_no_place_any_more() -> None:
    places = Places("alpha", 2, None, Turns())
    async with places.place(1, 0):
        drained = asyncio.create_task(places.drain())
        await asyncio.sleep(0)
        assert not drained.done()
    await drained
    async with places.place(1, 0.01) as free:
        assert not free


async def test_a_window_that_grows_lets_those_in_who_wait_and_one_that_shrinks_lets_nobody_in() -> None:
    places = Places("alpha", 0, None, Turns())
    assert places.load == 1
    got: list[int] = []
    leave = asyncio.Event()

    async def wait(number: int) -> None:
        async with places.place(1, 30) as free:
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
        async with places.place(1, 30):
            pass

    async with places.place(1, 0):
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
    assert not room._waiting
