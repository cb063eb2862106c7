"""How fast is it, beside what people would write instead? All in one run on the same servers. (`tests/run --bench`)

What is printed are figures; only that every message has its receipts and its row, once, can fail. An ordinary run of
the tests measures a few hundred messages once, lest the benchmark rots.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from adapters.rabbitmq.producer import Producer
from tests.benchmarks import pace
from tests.benchmarks.contest import (
    STALLED_S,
    Result,
    bodies,
    code,
    engine,
    promotion,
    publish,
    ready_worker,
    settings,
    timed,
    yardstick,
)
from tests.benchmarks.table import Figures
from tests.benchmarks.usage import rss_mib
from tests.stack import Installation, WorkerProcess, installation, worker
from tests.suite import BENCH_RUNS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import aio_pika

LONGEST_S = 3600


class Size(NamedTuple):
    """How much is measured."""

    runs: int
    messages: int
    backlog: int  #: promotions that wait
    for_s: float  #: of each load
    loads: tuple[float, ...] = (0.25, 0.5, 0.8)
    contestants: tuple[str, ...] = ()  #: all, unless some are named


FULL = Size(3, 20_000, 1_000_000, 15.0)
SMALL = Size(1, 300, 2_000, 1.0, (0.5,), ("bare", "naive", "single jobs", "arrays of 50"))


@pytest.fixture
def size() -> Size:
    runs = os.environ.get(BENCH_RUNS)
    return FULL._replace(runs=int(runs)) if runs else SMALL


@pytest.fixture
def urls(amqp_url: str, redis_url: str, postgres_url: str) -> tuple[str, str, str]:
    return amqp_url, redis_url, postgres_url


@pytest.mark.timeout(LONGEST_S)
async def test_every_message_is_told_of_once_at_any_speed(
    urls: tuple[str, str, str], size: Size, tmp_path: Path
) -> None:
    figures = Figures()
    await _contest(figures, urls, size, tmp_path)
    await _loads(figures, urls, size, tmp_path)
    await _backlog(figures, urls, size, tmp_path)
    await _parts(figures, urls, size, tmp_path)
    figures.show()


async def _contest(figures: Figures, urls: tuple[str, str, str], size: Size, folder: Path) -> None:
    silent, reporting = settings(folder), settings(folder, receipts=True)

    async def run(path: Path, **how: int) -> Result:
        async with installation(*urls, path) as installed:
            return await engine(installed, size.messages, **how)

    every: dict[str, Callable[[], Awaitable[Result]]] = {
        "bare": lambda: yardstick("bare", urls, size.messages),
        "naive": lambda: yardstick("naive", urls, size.messages // 3),
        "naive, arrays of 50": lambda: yardstick("naive", urls, size.messages // 3, array=50),
        "single jobs": lambda: run(silent),
        "arrays of 50": lambda: run(silent, array=50),
        "single jobs, 2 processes": lambda: run(silent, processes=2),
        "arrays of 50, 2 processes": lambda: run(silent, array=50, processes=2),
        "arrays of 50, with delivery receipts": lambda: run(reporting, array=50, each=2),
    }
    contestants = {name: every[name] for name in size.contestants or every}
    results: dict[str, list[Result]] = {name: [] for name in contestants}
    for number in range(size.runs):  # in turn, so that a slow moment of the machine is not one contestant's
        for name, contestant in contestants.items():
            figures.step(f"run {number + 1} of {size.runs}: {name}")
            results[name].append(await contestant())
    for name, runs in results.items():
        figures.put(name, runs)


async def _loads(figures: Figures, urls: tuple[str, str, str], size: Size, folder: Path) -> None:
    most = figures.results["single jobs"]["rate"]
    async with installation(*urls, settings(folder)) as installed, ready_worker(installed):
        for position, share in enumerate(size.loads):
            figures.step(f"{share:.0%} of {most:,.0f} codes a second for {size.for_s:.0f} s")
            found = await pace.codes(installed, share * most, size.for_s, first=position * 1_000_000)
            figures.latencies[f"{share:.0%} load"] = found


async def _backlog(figures: Figures, urls: tuple[str, str, str], size: Size, folder: Path) -> None:
    most = figures.results["single jobs"]["rate"]
    name = f"half load, {size.backlog:,} promotions waiting"
    async with installation(*urls, settings(folder)) as installed, installed.broker() as channel:
        figures.step(f"enqueueing {size.backlog:,} promotions")
        for start in range(0, size.backlog, 100_000):
            some = [promotion(n) for n in range(start, min(start + 100_000, size.backlog))]
            await publish(channel, f"{installed.prefix}.jobs", "promotion", bodies(some, 500))
        async with ready_worker(installed) as running:
            figures.step(f"{most / 2:,.0f} codes a second for {size.for_s:.0f} s beside them")
            figures.latencies[name] = await pace.codes(installed, most / 2, size.for_s)
            figures.others["MiB of a worker with them waiting"] = rss_mib(running.process.pid)
            left = await _waiting(channel, f"{installed.prefix}.jobs.promotion")
            figures.others["promotions still waiting then"] = 500 * left
            sent = await running.metric("sms_submits_total", category="promotion")
            figures.others["promotions a second beside the codes"] = sent / size.for_s


async def _parts(figures: Figures, urls: tuple[str, str, str], size: Size, folder: Path) -> None:
    async with installation(*urls, settings(folder)) as installed:
        figures.step("the Python client")
        total = await _client(figures, installed, size)
        figures.step("the recorder alone")
        async with ready_worker(installed, "--role", "deliver") as running:
            await _all_told(running, total)
        async with ready_worker(installed, "--role", "record") as running, installed.database() as database:
            recorded = await timed(database, running.process.pid, total)
        figures.others["receipts a second, recorder alone"] = recorded.rate
        figures.others["µs of CPU per receipt, recorder alone"] = recorded.cpu_us["own"]
    async with installation(*urls, settings(folder)) as installed, installed.broker() as channel:
        figures.step("the stages of a worker")
        jobs = [code(n) for n in range(size.messages)]
        await publish(channel, f"{installed.prefix}.jobs", "otp", bodies(jobs, 50))
        samples = folder / "samples.json"
        program = ("tests.benchmarks.sampled", str(samples))
        async with worker(installed.environment, program=program) as running:
            await _all_told(running, len(jobs))
            assert await running.stop() == 0
        figures.stages = dict(sorted(json.loads(samples.read_text()).items(), key=lambda each: -each[1]))


async def _client(figures: Figures, installed: Installation, size: Size) -> int:
    """How fast jobs are enqueued from Python, together and one by one; how many were."""
    jobs = [{**code(n), "category": "otp"} for n in range(size.messages + size.messages // 4)]
    together, alone = jobs[: size.messages], jobs[size.messages :]
    async with Producer(installed.environment["SMS_AMQP_URL"], prefix=installed.prefix) as sms:
        began = time.monotonic()
        await sms.send_many(together)
        figures.others["jobs a second, send_many"] = len(together) / (time.monotonic() - began)
        began = time.monotonic()
        for start in range(0, len(alone), 100):
            await asyncio.gather(*(sms.send(**job) for job in alone[start : start + 100]))
        figures.others["jobs a second, send, 100 at once"] = len(alone) / (time.monotonic() - began)
    return len(jobs)


async def _all_told(running: WorkerProcess, count: int) -> None:
    await running.ready()
    async with asyncio.timeout(STALLED_S):
        while await running.metric("sms_receipts_total") < count:
            await asyncio.sleep(0.2)


async def _waiting(channel: aio_pika.abc.AbstractChannel, queue: str) -> int:
    return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0
