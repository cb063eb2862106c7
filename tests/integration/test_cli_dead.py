"""`sms-engine dead` and `sms-engine job` as a person meets them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import aio_pika
import pytest

from tests.stack import Installation, cli, installation, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_S = 60.0


@pytest.fixture
async def installed(amqp_url: str, redis_url: str, postgres_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    settings = tmp_path / "sms.toml"
    settings.write_text("", encoding="utf-8")
    async with installation(amqp_url, redis_url, postgres_url, settings) as found:
        yield found


async def put_aside(here: Installation, *letters: tuple[bytes, str, str]) -> None:
    """Body, reason and origin of messages that somebody put aside."""
    async with here.broker() as channel:
        for body, reason, origin in letters:
            headers: dict[str, aio_pika.abc.FieldValue] = {"x-reason": reason, "x-routing-key": origin}
            message = aio_pika.Message(body, headers=headers, delivery_mode=2)
            await channel.default_exchange.publish(message, f"{here.prefix}.dead")


async def waiting(here: Installation, queue: str) -> int:
    async with here.broker() as channel:
        declared = await channel.declare_queue(f"{here.prefix}.{queue}", passive=True)
        return declared.declaration_result.message_count or 0


async def becomes(here: Installation, queue: str, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await waiting(here, queue) != count:
            await asyncio.sleep(0.05)


async def test_an_empty_queue_is_said_to_be_empty(installed: Installation) -> None:
    assert await cli(installed.environment, "dead", "ls") == (0, "no dead letters\n")


async def test_dead_letters_are_listed_without_what_they_say_and_stay(installed: Installation) -> None:
    await put_aside(installed, (b'{"to": "+8613800000000"}', "no id", "otp"), (b"hello", "JSON is malformed", "otp"))
    for _ in range(2):
        code, said = await cli(installed.environment, "dead", "ls")
        assert code == 0
        assert said.index("no id") < said.index("JSON is malformed")
        assert "2 shown of 2" in said
        assert "13800000000" not in said
    code, said = await cli(installed.environment, "dead", "ls", "--filter", "malformed")
    assert "no id" not in said
    assert "1 shown of 2" in said
    await becomes(installed, "dead", 2)


async def test_one_is_shown_whole_but_cannot_command_the_terminal(installed: Installation) -> None:
    await put_aside(installed, (b"first", "one", "otp"), (b"second \x1b[2J \xff", "two", "promotion"))
    code, said = await cli(installed.environment, "dead", "show", "2")
    assert code == 0
    assert "two" in said
    assert "second" in said
    assert "\x1b" not in said
    code, said = await cli(installed.environment, "dead", "show", "3")
    assert (code, said) == (2, "sms-engine: there are 2 dead letters, and none is number 3.\n")
    await becomes(installed, "dead", 2)


async def test_dead_letters_go_back_to_where_they_came_from_and_keep_their_ids(installed: Installation) -> None:
    mine, other = str(uuid4()).encode(), str(uuid4()).encode()
    await put_aside(
        installed, (mine, "its workers ended", "otp"), (other, "no id", "promotion"), (b"?", "?", "nowhere")
    )
    code, said = await cli(installed.environment, "dead", "redrive", "--filter", "workers", "--dry-run")
    assert (code, said) == (0, "1 would be put back, 2 left as they are\n")
    assert await waiting(installed, "jobs.otp") == 0
    code, said = await cli(installed.environment, "dead", "redrive", "--filter", "WORKERS", "--rate", "100")
    assert (code, said) == (0, "1 put back, 2 left as they are\n")
    async with installed.broker() as channel:
        back = await (await channel.get_queue(f"{installed.prefix}.jobs.otp")).get(no_ack=True)
    assert back.body == mine
    assert back.delivery_mode == 2
    code, said = await cli(installed.environment, "dead", "redrive")
    assert (code, said) == (0, "1 put back, 1 left as they are\n")
    await becomes(installed, "dead", 1)
    await becomes(installed, "jobs.promotion", 1)


async def test_a_broker_that_is_away_is_one_sentence() -> None:
    environment = {
        "SMS_AMQP_URL": "amqp://127.0.0.1:1/",
        "SMS_REDIS_URL": "redis://x",
        "SMS_POSTGRES_URL": "postgres://x",
    }
    code, said = await cli(environment, "dead", "ls")
    assert code == 2
    assert said == "sms-engine: RabbitMQ does not answer (AMQPConnectionError).\n"


async def test_a_jobs_history_is_told_from_its_receipts_and_its_standing(installed: Installation) -> None:
    arguments = ["--to", "+8613800000000", "--signature", "Acme", "--template", "SMS_1001", "--param", "code=4711"]
    code, sent = await cli(installed.environment, "send", *arguments, "--ref", "order 7")
    assert code == 0
    code, said = await cli(installed.environment, "job", sent.strip())
    assert code == 2
    assert said.endswith("in Postgres. A job that has none yet is found with --to NUMBER.\n")
    async with worker(installed.environment):
        async with asyncio.timeout(PATIENCE_S):
            while "delivered (final)" not in (said := (await cli(installed.environment, "job", sent.strip()))[1]):
                await asyncio.sleep(0.05)
    enqueued, *receipts, now = said.splitlines()
    assert "ref order 7" in enqueued
    assert "to +86*******0000" in enqueued
    assert "submitted, by simulated" in receipts[0]
    assert now.startswith("now: granted 1 times, 0 submits given back, no worker holds it")
    assert "13800000000" not in said
    assert "4711" not in said


async def test_a_job_in_hand_is_found_by_its_number(installed: Installation) -> None:
    job = uuid4()
    await put_aside(installed, (json.dumps({"id": str(job)}).encode(), "x", "otp"))
    code, said = await cli(installed.environment, "job", str(job), "--to", "13800000000")
    assert code == 2
    assert "there is no receipt" in said
