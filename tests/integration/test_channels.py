"""An operator's view of the channels and hand on them, with real workers; and what is written down of decisions."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aio_pika
import pytest

from adapters.postgres.channels import KEPT, ChannelBook
from adapters.postgres.database import Database
from engine.events import ChannelChanged
from engine.pins import Pin
from tests.integration.postgres_database import ClockAt, Listener, now
from tests.stack import Installation, WorkerProcess, cli, installation, notification, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

SETTINGS = """
[[channels]]
name = "alpha"
kind = "simulator"
fault = 1.0
latency_s = 0.001

[[channels]]
name = "beta"
kind = "simulator"
latency_s = 0.005
receipt_delay_s = 0.1
"""
PATIENCE_S = 60.0  #: bound of a wait; nothing is asserted about the time it takes


@pytest.fixture
async def installed(amqp_url: str, redis_url: str, postgres_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    settings = tmp_path / "sms.toml"
    settings.write_text(SETTINGS, encoding="utf-8")
    async with installation(amqp_url, redis_url, postgres_url, settings) as found:
        yield found


async def send(installed: Installation, count: int) -> None:
    """So many notifications, a little apart, so that a worker sees one after the other."""
    async with installed.broker() as channel:
        exchange = await channel.get_exchange(f"{installed.prefix}.jobs", ensure=False)
        for position in range(count):
            body = json.dumps(notification(position)).encode()
            await exchange.publish(aio_pika.Message(body, delivery_mode=2), routing_key="notification")
            await asyncio.sleep(0.02)


async def until(what: Callable[[], Any]) -> None:
    """Wait for something to be so."""
    async with asyncio.timeout(PATIENCE_S):
        while not await what():
            await asyncio.sleep(0.1)


async def state(running: WorkerProcess, channel: str, name: str) -> bool:
    return await running.metric("sms_channel_state", channel=channel, state=name) == 1


async def rows(installed: Installation, sql: str) -> list[tuple[Any, ...]]:
    async with installed.database() as database:
        return [tuple(row) for row in await database.fetch(sql)]


async def test_a_sick_channel_is_left_by_all_workers_shown_and_written_down_once(installed: Installation) -> None:
    async with worker(installed.environment) as one, worker(installed.environment) as two:
        for running in (one, two):
            await running.ready()
        sending = asyncio.create_task(send(installed, 2000))
        for running in (one, two):
            await until(lambda running=running: state(running, "alpha", "open"))
        sending.cancel()
        code, said = await cli(installed.environment, "channels", "--once")
        assert code == 0
        lines = {line.split()[0]: line for line in said.splitlines() if line.strip()}
        assert "open" in lines["alpha"]
        assert "faults in a row" in lines["alpha"]
        assert "closed" in lines["beta"]
        assert await one.metric("sms_channel_share", channel="beta") > 0.5
        sql = "select channel, old, new from channel_events where what = 'breaker' and new = 'open'"

        async def written() -> bool:
            return await rows(installed, sql) == [("alpha", "closed", "open")]

        await until(written)


async def test_what_the_operator_decides_wins_on_every_worker_and_outlives_a_loss_of_redis(
    installed: Installation,
) -> None:
    async with worker(installed.environment) as one, worker(installed.environment) as two:
        for running in (one, two):
            await running.ready()
        code, said = await cli(installed.environment, "channels", "disable", "beta", "--for", "1h")
        assert (code, said) == (0, "beta gets nothing for 1h\n")
        code, said = await cli(installed.environment, "channels", "pin", "alpha", "2.5")
        assert code == 0
        for running in (one, two):
            await until(lambda running=running: state(running, "beta", "disabled"))
            await until(lambda running=running: state(running, "alpha", "pinned"))
            assert await running.metric("sms_channel_weight", channel="alpha") == 2.5
        code, said = await cli(installed.environment, "channels", "enable", "beta")
        assert (code, said) == (0, "beta is left to the engine again\n")
        for running in (one, two):
            await until(lambda running=running: state(running, "beta", "closed"))
    pins = await rows(installed, "select channel, old, new from channel_events where what = 'pin' order by id")
    assert pins == [("beta", "automatic", "disabled"), ("alpha", "automatic", "2.5"), ("beta", "disabled", "automatic")]
    async with worker(installed.environment) as later:
        await until(lambda: state(later, "alpha", "pinned"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["disable", "gamma"], "there is no channel 'gamma': the settings name alpha, beta."),
        (["pin", "alpha", "1", "--for", "soon"], "'soon' is no duration: write 30s, 15m, 2h or 1d."),
    ],
)
async def test_a_mistake_is_one_sentence(installed: Installation, arguments: list[str], sentence: str) -> None:
    code, said = await cli(installed.environment, "channels", *arguments)
    assert (code, said) == (2, f"sms-engine: {sentence}\n")


async def test_decisions_wait_for_the_database_in_a_bounded_place_and_pins_hold_as_last_known() -> None:
    clock = ClockAt(now())
    applied: list[Mapping[str, Pin]] = []
    database = Database("postgresql://127.0.0.1:1/none", clock, Listener())
    book = ChannelBook(database, clock, applied.append)
    for number in range(KEPT + 500):
        book.emit(ChannelChanged("alpha", "score", "90", str(number), "why", "worker"))
    assert len(book._waiting) == KEPT
    assert book._waiting[-1][1].new == str(KEPT + 499)
    assert applied == []
