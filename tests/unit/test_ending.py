"""A task that did not hear that it was cancelled is told again."""

from __future__ import annotations

import asyncio

import pytest

from adapters import ending


async def test_a_task_that_swallows_a_cancellation_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "AGAIN_AFTER_S", 0.01)
    heard = 0

    async def deaf() -> None:
        nonlocal heard
        while heard < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                heard += 1

    tasks = [asyncio.create_task(deaf()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)
    await ending.end(tasks)
    assert [task.done() for task in tasks] == [True, True]


async def test_tasks_that_have_ended_are_left_alone() -> None:
    done = asyncio.create_task(asyncio.sleep(0))
    await done
    await ending.end([done])
    assert not done.cancelled()
