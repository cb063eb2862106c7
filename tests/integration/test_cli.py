"""The command line as a person meets it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.stack import ROOT, Installation, cli, installation, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_S = 60.0


@pytest.fixture
async def installed(amqp_url: str, redis_url: str, postgres_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    settings = tmp_path / "sms.toml"
    settings.write_text("", encoding="utf-8")
    async with installation(amqp_url, redis_url, postgres_url, settings) as found:
        yield found


async def test_help_names_every_command_and_how_to_begin() -> None:
    code, said = await cli({}, "--help")
    assert code == 0
    assert all(word in said for word in ("demo", "init", "worker", "send", "receipts", "SMS_AMQP_URL"))


@pytest.mark.parametrize(
    ("environment", "arguments", "sentence"),
    [
        ({"SMS_HTTP_PORT": "abc"}, ["worker"], "http_port (SMS_HTTP_PORT) = 'abc'"),
        ({"SMS_AMQP_URL": "amqp://127.0.0.1"}, ["worker"], "redis_url (SMS_REDIS_URL) is not set"),
        ({"SMS_CONFIG": "nowhere.toml"}, ["worker"], "nowhere.toml cannot be read"),
        ({}, ["init"], "amqp_url (SMS_AMQP_URL) is not set"),
        ({}, ["receipts"], "GET /v1/jobs/ID"),
        ({}, ["send"], "give either a CSV file or --to"),
        ({}, ["send", "--to", "1", "--param", "x"], "'x' is not NAME=VALUE"),
        ({"SMS_HTTP_PORT": "1"}, ["send", "--to", "1"], "start `sms-engine worker`"),
        ({}, ["demo", "nowhere.csv"], "nowhere.csv cannot be read"),
    ],
)
async def test_a_mistake_is_one_sentence_and_exit_code_2(
    environment: dict[str, str], arguments: list[str], sentence: str
) -> None:
    code, said = await cli(environment, *arguments)
    assert code == 2
    assert sentence in said
    assert said.startswith("sms-engine: ")
    assert said.count("\n") == 1


async def test_init_waits_for_a_server_that_is_away_and_then_says_so() -> None:
    environment = {
        "SMS_AMQP_URL": "amqp://127.0.0.1:1/",
        "SMS_REDIS_URL": "redis://127.0.0.1:1/",
        "SMS_POSTGRES_URL": "postgresql://127.0.0.1:1/x",
    }
    code, said = await cli(environment, "init", "--wait-s", "0.1")
    assert code == 2
    assert "RabbitMQ  is away; waiting" in said
    assert "sms-engine: RabbitMQ does not answer" in said
    assert "Traceback" not in said


async def test_init_prepares_the_servers_and_may_be_run_again(
    amqp_url: str, redis_url: str, postgres_url: str, tmp_path: Path
) -> None:
    settings = tmp_path / "sms.toml"
    settings.write_text("", encoding="utf-8")
    async with installation(amqp_url, redis_url, postgres_url, settings, ready=False) as installed:
        code, said = await cli(installed.environment, "init")
        assert code == 0, said
        assert "applied" in said
        code, said = await cli(installed.environment, "init")
        assert code == 0, said
        assert "up to date" in said
        async with worker(installed.environment) as running:
            await running.ready()


async def test_the_demo_sends_the_rows_of_a_csv_file(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("to,signature,template,code\n+8613800000000,Acme,SMS_1001,1\nnonsense,Acme,SMS_1001,2\n", "utf-8")
    code, said = await cli({}, "demo", str(rows))
    assert code == 0, said
    assert "2 of 2 messages have a receipt" in said
    assert "1 delivered" in said
    assert "NUMBER_INVALID (1)" in said


async def test_the_demo_moves_traffic_off_the_dying_carrier_and_ends_well() -> None:
    code, said = await cli({}, "demo", "--messages", "900")
    assert code == 0, said
    assert "900 of 900 messages have a receipt" in said
    last = [line for line in said.splitlines() if "alpha is dead" in line][-1]
    share = re.search(r"alpha +(\d+)%", last)
    assert share
    assert int(share[1]) < 10, "a third before it died"
    assert re.search(r"of the \d+ that broke no rule [\d.]+% were delivered, [\d.]+% accepted within 5 s", said)


async def test_rows_are_sent_to_an_embedded_worker_over_http(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "to,signature,template,code\n+8613800000000,Acme,SMS_1001,1\n+8613900000000,Acme,SMS_1001,2\n", "utf-8"
    )
    async with worker({"SMS_API_TOKEN": "t0ken"}) as running:
        environment = {"SMS_HTTP_PORT": running.url.rpartition(":")[2], "SMS_API_TOKEN": "t0ken"}
        code, said = await cli(environment, "send", str(rows))
        assert code == 0, said
        assert len(said.split()) == 2
        async with asyncio.timeout(PATIENCE_S):
            while await running.metric("sms_submits_total") < 2:
                await asyncio.sleep(0.05)
        code, said = await cli({**environment, "SMS_API_TOKEN": "wrong"}, "send", "--to", "1")
        assert code == 2
        assert "token" in said


async def test_receipts_follow_shows_what_is_sent_and_takes_nothing_away(installed: Installation) -> None:
    environment = {**installed.environment, "PYTHONPATH": str(ROOT)}
    follower = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "adapters.cli", "receipts", "--follow",
        env={**environment, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert follower.stdout
    try:
        async with worker(installed.environment) as running, asyncio.timeout(PATIENCE_S), installed.broker() as channel:
            await running.ready()
            seen: list[dict[str, Any]] = []
            while not seen:  # until the follower's queue is bound
                arguments = [
                    "--to",
                    "+8613800000000",
                    "--signature",
                    "Acme",
                    "--template",
                    "SMS_1001",
                    "--param",
                    "code=1",
                ]
                code, said = await cli(installed.environment, "send", *arguments)
                assert code == 0, said
                try:
                    async with asyncio.timeout(1):
                        seen.append(json.loads(await follower.stdout.readline()))
                except TimeoutError:
                    continue
            assert seen[0]["to"] == "+8613800000000"
            name = f"{installed.prefix}.callback"  # a quorum queue, which counts a message later than the follower's
            while not (await channel.declare_queue(name, passive=True)).declaration_result.message_count:
                await asyncio.sleep(0.05)
            code, said = await cli(installed.environment, "receipts", "--last", "1")
            assert code == 0
            assert json.loads(said)["v"] == 1
    finally:
        follower.kill()
        await follower.wait()
