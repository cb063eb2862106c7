"""Long messages to us: whole however their parts come, and no part is answered before they are safe."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import Any

import pytest

from adapters.carriers.smpp import assembly
from adapters.carriers.smpp.assembly import Assembly, Key, Part, PartsMissingError
from adapters.carriers.smpp.user_data import Fragment

KEY = Key("8613800001234", "1069", "udh8", 7, 3)


class Desk:
    """Takes parts, and keeps what is told."""

    def __init__(self, hold_s: float = 60.0, patience_s: float = 60.0) -> None:
        self.assembly = Assembly(hold_s, patience_s)
        self.told: list[bytes] = []
        self.failing = 0
        self.gate: asyncio.Event | None = None

    async def tell(self, parts: Any) -> None:
        if self.gate:
            await self.gate.wait()
        if self.failing:
            self.failing -= 1
            raise OSError("the disk is full")
        self.told.append(b"".join(part.octets for part in parts))

    def part(self, number: int, octets: bytes | None = None, key: Key = KEY) -> asyncio.Task[None]:
        fragment = Fragment("udh8", key.reference, key.total, number)
        part = Part(octets or b"%d" % number, 0)
        return asyncio.create_task(self.assembly.take(key, fragment, part, self.tell))


@pytest.mark.parametrize("order", [*permutations((1, 2, 3))])
async def test_parts_make_one_message_in_any_order(order: tuple[int, ...]) -> None:
    desk = Desk()
    await asyncio.gather(*[desk.part(number) for number in order])
    assert desk.told == [b"123"]


async def test_no_part_is_answered_before_the_whole_is_safe() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    parts = [desk.part(number) for number in (1, 2, 3)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(part.done() for part in parts)
    desk.gate.set()
    await asyncio.gather(*parts)


async def test_a_part_whose_fellows_do_not_come_is_asked_for_again_and_remembered() -> None:
    desk = Desk(hold_s=0.01)
    for number in (1, 2):
        with pytest.raises(PartsMissingError):
            await desk.part(number)
    await desk.part(3)
    assert desk.told == [b"123"]


async def test_a_part_that_comes_again_behind_the_whole_is_not_told_again() -> None:
    desk = Desk()
    await asyncio.gather(*[desk.part(number) for number in (1, 2, 3)])
    await desk.part(1)
    assert desk.told == [b"123"]


async def test_a_whole_that_could_not_be_kept_is_asked_for_again_in_all_its_parts() -> None:
    desk = Desk()
    desk.failing = 1
    ended = await asyncio.gather(*[desk.part(number) for number in (1, 2, 3)], return_exceptions=True)
    assert [type(each) for each in ended] == [OSError] * 3
    await asyncio.gather(*[desk.part(number) for number in (1, 2, 3)])
    assert desk.told == [b"123"]


async def test_a_part_that_is_broken_off_with_its_link_completes_the_message_over_another() -> None:
    desk = Desk()
    first = desk.part(1)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await asyncio.gather(*[desk.part(number) for number in (1, 2, 3)])
    assert desk.told == [b"123"]


async def test_if_telling_is_broken_off_the_others_are_asked_for_again() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    parts = [desk.part(number) for number in (1, 2, 3)]
    for _ in range(5):
        await asyncio.sleep(0)
    parts[2].cancel()
    ended = await asyncio.gather(*parts, return_exceptions=True)
    assert [type(each) for each in ended] == [PartsMissingError, PartsMissingError, asyncio.CancelledError]


async def test_where_the_others_seem_lost_a_part_that_comes_again_is_told_alone() -> None:
    desk = Desk(hold_s=0.01, patience_s=0.0)
    with pytest.raises(PartsMissingError):
        await desk.part(2)
    await desk.part(2)
    assert desk.told == [b"2"]


async def test_a_reference_used_for_another_text_is_another_message() -> None:
    desk = Desk(hold_s=0.01)
    await asyncio.gather(*[desk.part(number) for number in (1, 2, 3)])
    await asyncio.gather(*[desk.part(number, b"x%d" % number) for number in (1, 2, 3)])
    assert desk.told == [b"123", b"x1x2x3"]


async def test_messages_of_several_senders_do_not_mix() -> None:
    desk = Desk()
    other = KEY._replace(sender="8613900000000")
    await asyncio.gather(*[desk.part(number, key=key) for number in (1, 2, 3) for key in (KEY, other)])
    assert desk.told == [b"123", b"123"]


@pytest.mark.parametrize(("bound", "most"), [("MAX_REMEMBERED", 3), ("MAX_PARTS", 4)])
async def test_what_never_becomes_whole_does_not_gather(monkeypatch: pytest.MonkeyPatch, bound: str, most: int) -> None:
    monkeypatch.setattr(assembly, bound, most)
    desk = Desk(hold_s=0.0)
    for reference in range(10):
        with pytest.raises(PartsMissingError):
            await desk.part(1, key=KEY._replace(reference=reference))
    assert 1 <= len(desk.assembly._messages) <= most
