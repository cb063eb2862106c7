"""Concurrent calls become batches, and each caller gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from adapters.coalesce import Coalescer


class Doubler:
    """Answers with twice the number; remembers its batches; can be held up."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, numbers: Sequence[int]) -> Sequence[int | BaseException]:
        self.batches.append(list(numbers))
        await self.gate.wait()
        if -1 in numbers:
            raise ConnectionError("away")
        return [ValueError(str(n)) if n == 13 else n * 2 for n in numbers]


async def test_questions_of_one_tick_are_answered_in_one_batch() -> None:
    doubler = Doubler()
    coalescer = Coalescer(doubler, max_batch=100)
    assert await asyncio.gather(*(coalescer.ask(n) for n in range(5))) == [0, 2, 4, 6, 8]
    assert doubler.batches == [[0, 1, 2, 3, 4]]


async def test_questions_asked_while_a_batch_is_under_way_form_the_next_one() -> None:
    doubler = Doubler()
    doubler.gate.clear()
    coalescer = Coalescer(doubler, max_batch=100)
    first = asyncio.ensure_future(coalescer.ask(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.ensure_future(coalescer.ask(n)) for n in (2, 3)]
    await asyncio.sleep(0)
    doubler.gate.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6]
    assert doubler.batches == [[1], [2, 3]]


async def test_a_batch_has_a_largest_size() -> None:
    doubler = Doubler()
    coalescer = Coalescer(doubler, max_batch=2)
    assert await asyncio.gather(*(coalescer.ask(n) for n in range(5))) == [0, 2, 4, 6, 8]
    assert doubler.batches == [[0, 1], [2, 3], [4]]


async def test_an_error_reaches_the_one_who_asked() -> None:
    coalescer = Coalescer(Doubler(), max_batch=10)
    answers = await asyncio.gather(*(coalescer.ask(n) for n in (1, 13)), return_exceptions=True)
    assert answers[0] == 2
    assert isinstance(answers[1], ValueError)


async def test_a_failed_batch_fails_all_of_its_askers_and_no_later_one() -> None:
    coalescer = Coalescer(Doubler(), max_batch=10)
    answers = await asyncio.gather(*(coalescer.ask(n) for n in (1, -1)), return_exceptions=True)
    assert all(isinstance(answer, ConnectionError) for answer in answers)
    assert await coalescer.ask(4) == 8


async def test_a_cancelled_asker_disturbs_nobody() -> None:
    doubler = Doubler()
    doubler.gate.clear()
    coalescer = Coalescer(doubler, max_batch=10)
    tasks = [asyncio.ensure_future(coalescer.ask(n)) for n in (1, 2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks[0].cancel()
    doubler.gate.set()
    assert await tasks[1] == 4
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_idle_waits_for_every_question() -> None:
    doubler = Doubler()
    coalescer = Coalescer(doubler, max_batch=1)
    tasks = [asyncio.ensure_future(coalescer.ask(n)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    await coalescer.idle()
    assert doubler.batches == [[1], [2], [3]]
    assert await asyncio.gather(*tasks) == [2, 4, 6]


async def test_a_batch_keeps_a_distance_from_a_large_one_where_that_is_asked_for() -> None:
    doubler = Doubler()
    coalescer = Coalescer(doubler, max_batch=100, rest_s=0.3, max_rest_s=0.3)
    started = asyncio.get_running_loop().time()
    assert await coalescer.ask(1) == 2
    others = []
    for number in (2, 3, 4):
        others.append(asyncio.ensure_future(coalescer.ask(number)))
        await asyncio.sleep(0.01)
    await coalescer.idle()
    assert await asyncio.gather(*others) == [4, 6, 8]
    assert doubler.batches == [[1], [2, 3, 4]]
    assert asyncio.get_running_loop().time() - started >= 0.3


async def test_the_rest_after_a_batch_grows_with_it_up_to_a_limit() -> None:
    loop, coalescer = asyncio.get_running_loop(), Coalescer(Doubler(), max_batch=100, rest_s=0.1, max_rest_s=0.2)
    for questions, rest_s in ((1, 0.1), (50, 0.2)):
        asked_at = loop.time()
        await asyncio.gather(*(coalescer.ask(n) for n in range(20, 20 + questions)))
        await coalescer.ask(1)
        assert loop.time() - asked_at >= rest_s
        await asyncio.sleep(0.1)
