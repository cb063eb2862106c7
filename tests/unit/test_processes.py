"""A worker of several processes: what its supervisor decides, and how the answers of all become one."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from adapters.bootstrap.check import check
from adapters.bootstrap.seat import Seat, seat_in, seats
from adapters.cli import supervisor
from adapters.cli.errors import CommandError
from adapters.cli.supervisor import BAD_SETTINGS, MAX_S, Supervisor, delay_s, settings_from
from adapters.http.exposition import together
from adapters.telemetry import logs
from adapters.telemetry.metrics import Metrics
from config.load import ConfigError, checked, given, load
from engine import events
from engine.message import Category
from engine.outcomes import Accepted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

JOB = uuid4()
SMPP = '[[channels]]\nname = "a"\nkind = "smpp"\nhost = "h"\nport = 1\nsystem_id = "x"\n'
SERVERS = {
    "SMS_AMQP_URL": "amqp://127.0.0.1:1/",
    "SMS_REDIS_URL": "redis://127.0.0.1:1/",
    "SMS_POSTGRES_URL": "postgresql://127.0.0.1:1/x",
}


def said_by(repeats: int) -> str:
    """The metrics of a process that repeated so many receipts, among others with one, several and no labels."""
    metrics = Metrics()
    for _ in range(repeats):
        metrics.emit(events.ServerAway('re{"dis"} 1', "ConnectionError"))
        metrics.emit(events.Deferred(JOB, Category.OTP, "no channel\nat all", 1.0))
        metrics.emit(events.Crashed(JOB, Category.OTP, KeyError()))
        metrics.emit(events.Submitted(JOB, "alpha", Category.OTP, Accepted("1"), 2, 0.3))
    return generate_latest(metrics.registry).decode()


def samples(text: str) -> Counter[tuple[str, tuple[tuple[str, str], ...], float]]:
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return Counter((sample.name, tuple(sorted(sample.labels.items())), sample.value) for sample in found)


def test_the_metrics_of_all_processes_are_one_text_in_which_each_sample_says_whose_it_is() -> None:
    texts = {"1": said_by(3), "2": said_by(5)}
    expected = {
        (name, tuple(sorted((*labels, ("process", process)))), value): times
        for process, text in texts.items()
        for (name, labels, value), times in samples(text).items()
    }
    merged = together(texts)
    assert samples(merged) == expected
    assert sum(value for name, _, value in samples(merged) if name == "sms_crashes_total") == 8
    heads = [line for line in merged.splitlines() if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))


def test_a_seat_is_told_through_the_environment() -> None:
    seat = Seat(2, (5, 6), 7, (40001, 40002))
    assert seat_in(seat.environment()) == seat
    assert seat_in({}) is None


def test_every_process_has_a_port_of_its_own_and_all_share_the_workers() -> None:
    with seats("127.0.0.1", 0, 3) as found:
        assert [seat.number for seat in found] == [1, 2, 3]
        assert len({seat.shared for seat in found}) == 1
        assert len({seat.own for seat in found}) == len(set(found[0].ports)) == 3


def test_a_process_reads_the_settings_that_its_supervisor_had(tmp_path: Path) -> None:
    file = tmp_path / "sms.toml"
    file.write_text('api_token = "t0ken"\n[validity_s]\notp = 60\n', encoding="utf-8")
    values = given({"http_port": 1}, {"SMS_CONFIG": str(file), **SERVERS})
    assert checked(msgspec.json.decode(msgspec.json.encode(values))) == load(
        {"http_port": 1}, {"SMS_CONFIG": str(file), **SERVERS}
    )


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("", None),
        (f'{SMPP}password_env = "N0NE"', "N0NE"),
        (f'{SMPP}password = "123456789"', "up to 8"),
        ('operator_prefixes = "nowhere.csv"', "nowhere.csv"),
    ],
)
def test_what_a_service_would_complain_of_is_said_before_any_process_is_started(
    tmp_path: Path, toml: str, sentence: str | None
) -> None:
    file = tmp_path / "sms.toml"
    file.write_text(toml, encoding="utf-8")
    settings = load({}, {"SMS_CONFIG": str(file), **SERVERS})
    if sentence is None:
        check(settings)
    else:
        with pytest.raises(ConfigError, match=sentence):
            check(settings)


@pytest.mark.parametrize(("process", "expected"), [(None, False), (2, True)])
def test_a_line_of_the_log_says_which_process_wrote_it_only_where_there_are_several(
    process: int | None, expected: bool, root_logger: None
) -> None:
    stream = io.StringIO()
    logs.configure(stream, process=process)
    logs.Logs().emit(events.ServerAway("redis", "ConnectionError"))
    logging.getLogger("a library").warning("hear")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 2
    assert all(("process" in line) is expected and line.get("process") == process for line in lines)


@pytest.fixture
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_the_waits_between_starts_grow_to_a_bound() -> None:
    waits = [delay_s(failures) for failures in range(1, 100)]
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits == sorted(waits)
    assert waits[-1] == MAX_S


def lives(folder: Path) -> list[str]:
    """What the processes of `running` noted: a line for each life."""
    notes = folder / "notes"
    return notes.read_text().splitlines() if notes.exists() else []


@asynccontextmanager
async def running(
    folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, processes: int = 2
) -> AsyncIterator[tuple[Supervisor, asyncio.Task[int]]]:
    """A supervisor of processes that run a few lines of Python instead of a worker."""
    note = f"import sys, os, time; open({str(folder / 'notes')!r}, 'a').write(sys.stdin.readline()); "
    monkeypatch.setattr(sys, "orig_argv", ["python", "-I", "-S", "-c", note + script])
    monkeypatch.setattr(supervisor, "FIRST_S", 0.01)
    parent = Supervisor(b'{"a":1}\n')
    with seats("127.0.0.1", 0, processes) as places:
        yield parent, asyncio.create_task(parent.run(places))


async def test_when_told_to_stop_it_ends_the_input_of_all_and_waits_for_their_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, monkeypatch, "sys.stdin.read()") as (parent, run):
        while len(lives(tmp_path)) < 2:
            await asyncio.sleep(0.01)
        assert not run.done()
        parent.stop.set()
        assert await run == 0
    assert lives(tmp_path) == ['{"a":1}'] * 2


async def test_one_that_dies_is_started_again_until_told_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, monkeypatch, "os.kill(os.getpid(), 9)", processes=1) as (parent, run):
        while len(lives(tmp_path)) < 3:
            await asyncio.sleep(0.01)
        parent.stop.set()
        await run


async def test_where_none_can_be_started_it_tries_again_until_told_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable = sys.executable
    monkeypatch.setattr(sys, "executable", str(tmp_path / "not there yet"))
    async with running(tmp_path, monkeypatch, "sys.stdin.read()") as (parent, run):
        await asyncio.sleep(0.05)
        assert not run.done()
        monkeypatch.setattr(sys, "executable", executable)
        while len(lives(tmp_path)) < 2:
            await asyncio.sleep(0.01)
        parent.stop.set()
        assert await run == 0


def test_a_process_whose_supervisor_died_before_it_read_its_settings_says_so() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(CommandError, match="supervisor"):
        settings_from(reading)
    os.close(reading)


async def test_where_the_first_start_fails_for_settings_all_are_stopped_and_none_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"sys.exit({BAD_SETTINGS}) if ':1,' in os.environ['SMS_SEAT'] else sys.stdin.read()"
    async with running(tmp_path, monkeypatch, script) as (_, run):
        assert await run == BAD_SETTINGS
    assert len(lives(tmp_path)) == 2


@pytest.mark.parametrize(("script", "code"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 137)])
async def test_its_exit_code_tells_of_one_that_did_not_drain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, code: int
) -> None:
    async with running(tmp_path, monkeypatch, f"sys.stdin.read(); {script}") as (parent, run):
        while len(lives(tmp_path)) < 2:
            await asyncio.sleep(0.01)
        parent.stop.set()
        assert await run == code
