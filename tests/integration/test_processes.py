"""`sms-engine worker --processes 2`: two share the work, any of them answers for both, and they end together."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

import aio_pika
import aiohttp
import pytest

from tests.servers.processes import alive
from tests.stack import Installation, WorkerProcess, cli, installation, notification, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

SETTINGS = """
drain_timeout_s = 20
[concurrency]
notification = 10
[[limits]]
name = "per number"
key = ["to"]
windows = ["10/1h"]
[[channels]]
name = "alpha"
kind = "simulator"
latency_s = 0.02
receipt_delay_s = 0.1
[[channels]]
name = "posts"
kind = "http"
url = "http://127.0.0.1:1/"
categories = ["promotion"]
[channels.body]
to = "${to}"
[channels.answer]
id_path = "id"
[channels.receipts]
id_path = "id"
status_path = "status"
states = { DELIVRD = "delivered" }
"""
WAIT_S = 90.0  #: bound of a wait; nothing is asserted about the time it takes
SCRAPES = 8  #: each over a connection of its own, which any process may accept


@pytest.fixture
async def installed(amqp_url: str, redis_url: str, postgres_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    settings = tmp_path / "sms.toml"
    settings.write_text(SETTINGS, encoding="utf-8")
    async with installation(amqp_url, redis_url, postgres_url, settings) as found:
        yield found


def pids(running: WorkerProcess) -> dict[int, int]:
    """The process on each seat, the latest by number."""
    return {line["process"]: line["pid"] for line in running.log if line["event"] == "a process was started"}


def heard(running: WorkerProcess, event: str) -> list[dict[str, Any]]:
    return [line for line in running.log if line["event"] == event]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0.02)


async def none_lost(installed: Installation, jobs: int) -> None:
    """All were sent in the end, also by a worker after the one that drained; simulated receipts end with a process."""
    async with worker(installed.environment):
        assert set(await states(installed, jobs, "true")) <= {"submitted", "delivered"}


async def put(installed: Installation, jobs: Iterable[dict[str, Any]]) -> None:
    async with installed.broker() as channel:
        exchange = await channel.get_exchange(f"{installed.prefix}.jobs", ensure=False)
        for job in jobs:
            await exchange.publish(aio_pika.Message(json.dumps(job).encode()), "notification")


async def states(installed: Installation, jobs: int, which: str = "final") -> Counter[str]:
    """How so many jobs ended, once they have."""
    async with installed.database() as database, asyncio.timeout(WAIT_S):
        while await database.fetchval(f"select count(*) from messages where {which}") < jobs:
            await asyncio.sleep(0.05)
        return Counter(row["state"] for row in await database.fetch("select state from messages"))


async def test_two_processes_share_the_work_and_limits_and_every_scrape_tells_all(installed: Installation) -> None:
    beyond = [notification(0) for _ in range(40)]
    jobs = [notification(position) for position in range(1, 301)] + beyond
    async with worker(installed.environment, "--processes", "2") as running:
        await running.ready()
        await put(installed, jobs)
        assert await states(installed, len(jobs)) == {"delivered": 310, "rejected": 30}
        each = [await running.metric("sms_submits_total", process=process) for process in ("1", "2")]
        assert all(each)
        assert sum(each) == 310
        for _ in range(SCRAPES):
            assert await running.metric("sms_submits_total") == 310
            assert await running.metric("sms_submit_seconds_count") == 310
            assert await running.metric("sms_limited_total") == 30
            assert await running.metric("sms_process_up") == 2
        assert await running.stop() == 0
    assert {line.get("process") for line in heard(running, "drained")} == {1, 2}
    assert len(heard(running, "all processes have ended")) == 1


async def test_any_process_answers_for_all_and_readiness_is_that_of_all(installed: Installation) -> None:
    connector = aiohttp.TCPConnector(force_close=True)  # none that a frozen process has accepted before
    async with (
        worker(installed.environment, "--processes", "2") as running,
        aiohttp.ClientSession(connector=connector) as http,
    ):
        await running.ready()
        for number, pid in pids(running).items():
            os.kill(pid, signal.SIGSTOP)
            try:
                job = notification(number)
                async with http.post(f"{running.url}/v1/jobs", json=job) as answer:
                    assert answer.status == 202
                async with http.post(
                    f"{running.url}/v1/receipts/posts", json={"id": "1", "status": "DELIVRD"}
                ) as answer:
                    assert answer.status == 200
                async with http.get(f"{running.url}/readyz") as answer:
                    assert answer.status == 503
                    told = await answer.json()
                assert {number: each["ready"] for number, each in told["processes"].items()} == {
                    str(number): False,
                    str(3 - number): True,
                }
                assert await running.metric("sms_process_up") == 1
            finally:
                os.kill(pid, signal.SIGCONT)
            await running.ready()
            async with asyncio.timeout(WAIT_S):
                while True:
                    async with http.get(f"{running.url}/v1/jobs/{job['id']}") as answer:
                        if answer.status == 200:
                            break
                    await asyncio.sleep(0.05)


async def test_a_process_that_is_killed_is_started_again_and_said_once(installed: Installation) -> None:
    async with worker(installed.environment, "--processes", "2") as running:
        await running.ready()
        before = pids(running)
        os.kill(before[1], signal.SIGKILL)
        await until(lambda: pids(running)[1] != before[1])
        await running.ready()
        (said,) = heard(running, "a process ended and is started again")
        assert (said["process"], said["code"]) == (1, -signal.SIGKILL)
        assert pids(running)[2] == before[2]
        await put(installed, map(notification, range(1, 101)))
        assert await states(installed, 100) == {"delivered": 100}
        assert await running.metric("sms_process_up") == 2
        assert await running.stop() == 0


async def test_when_the_supervisor_is_killed_the_processes_drain_and_none_stays(installed: Installation) -> None:
    async with worker(installed.environment, "--processes", "2") as running:
        await running.ready()
        await put(installed, map(notification, range(1, 301)))
        assert await running.stop(signal.SIGKILL) == -signal.SIGKILL
        await until(lambda: not any(map(alive, pids(running).values())))
        assert {line["process"] for line in heard(running, "drained")} == {1, 2}
    await none_lost(installed, 300)


async def test_a_signal_to_all_processes_at_once_as_systemd_and_terminals_send_it_drains_them(
    installed: Installation,
) -> None:
    async with worker(installed.environment, "--processes", "2") as running:
        await running.ready()
        await put(installed, map(notification, range(1, 301)))
        for pid in (running.process.pid, *pids(running).values()):
            os.kill(pid, signal.SIGTERM)
        assert await running.ended() == 0
        assert not any(map(alive, pids(running).values()))
    assert len(heard(running, "drained")) == 2
    await none_lost(installed, 300)


async def test_a_second_signal_ends_all_at_once(installed: Installation, tmp_path: Path) -> None:
    slow = tmp_path / "slow.toml"
    slow.write_text(SETTINGS.replace("latency_s = 0.02", "latency_s = 7.0"), encoding="utf-8")
    async with worker({**installed.environment, "SMS_CONFIG": str(slow), "SMS_PROCESSES": "2"}) as running:
        await running.ready()
        await put(installed, map(notification, range(1, 31)))
        async with asyncio.timeout(WAIT_S):
            while await running.metric("sms_channel_load", channel="alpha") == 0:
                await asyncio.sleep(0.05)
        running.process.send_alone(signal.SIGTERM)
        await asyncio.sleep(0.5)
        assert await running.stop() == 130
    assert not heard(running, "drained")


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "processes = 2: embedded, everything is in one process"),
        ({"SMS_AMQP_URL": "amqp://127.0.0.1"}, "redis_url (SMS_REDIS_URL) is not set"),
        (
            {"SMS_AMQP_URL": "amqp://h", "SMS_REDIS_URL": "redis://h", "SMS_POSTGRES_URL": "postgres://h/x"},
            "listened on",
        ),
    ],
)
async def test_a_mistake_is_said_once_and_nothing_is_started(environment: dict[str, str], sentence: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = await cli({"SMS_HTTP_PORT": port, **environment}, "worker", "--processes", "2")
    assert code == 2
    assert sentence in said
    assert said.startswith("sms-engine: ")
    assert said.count("\n") == 1
