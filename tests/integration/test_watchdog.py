"""A stuck event loop ends its process; an idle, a busy and a frozen one do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from adapters.watchdog import EXIT_STUCK

PROGRAM = """
import asyncio, time
from adapters.watchdog import watched

async def main():
    async with watched({patience_s}):
        print("watched", flush=True)
        {body}
    {after}
    print("done", flush=True)

asyncio.run(main())
"""


def started(body: str, after: str = "pass") -> subprocess.Popen[str]:
    program = PROGRAM.format(patience_s=1, body=body, after=after)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "watched\n"
    return process


def test_a_stuck_loop_ends_the_process_with_a_sentence() -> None:
    process = started("time.sleep(100)")
    _, said = process.communicate(timeout=60)
    assert process.returncode == EXIT_STUCK
    assert said == "sms-engine: the event loop is stuck for 1 s; ending the worker\n"


@pytest.mark.parametrize(
    "body", ["await asyncio.sleep(3)", "for _ in range(300): time.sleep(0.01); await asyncio.sleep(0)"]
)
def test_a_loop_that_goes_round_is_left_alone(body: str) -> None:
    process = started(body)
    assert process.communicate(timeout=60) == ("done\n", "")
    assert process.returncode == 0


def test_a_process_that_was_frozen_goes_on() -> None:
    process = started("for _ in range(500): sum(range(200_000)); await asyncio.sleep(0)")
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(process.pid, signal.SIGCONT)
    assert process.communicate(timeout=60) == ("done\n", "")


def test_nobody_watches_after_the_end() -> None:
    process = started("await asyncio.sleep(0.5)", after="time.sleep(2)")
    assert process.communicate(timeout=60) == ("done\n", "")
