"""Processes that are forked off one that has imported everything are otherwise as if they had been started."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.prefork import started
from tests.servers.processes import alive

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import json, os, signal, sys
told = {
    "words": sys.argv[1:], "started as": sys.orig_argv[1:], "environment": dict(os.environ),
    "leads": os.getpgid(0) == os.getpid(), "imported": "adapters.cli.worker" in sys.modules,
}
print(json.dumps(told), flush=True)
if sys.argv[1:] == ["stay"]:
    signal.pause()
if sys.argv[1:] == ["leave"]:
    print(os.fork() or signal.pause(), flush=True)
print("over", file=sys.stderr)
sys.exit(7)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "told.py").write_text(PROGRAM, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_it_runs_a_module_with_its_words_and_environment_and_ends_with_its_code(folder: Path) -> None:
    process = started("told", "one", "two", env={"GIVEN": "1"}, output=folder / "out")
    assert process.wait() == 7
    assert not process.running
    first, second = (folder / "out").read_text(encoding="utf-8").splitlines()
    assert json.loads(first) == {
        "words": ["one", "two"],
        "started as": ["-m", "told", "one", "two"],
        "environment": {"GIVEN": "1"},
        "leads": True,
        "imported": True,
    }
    assert second == "over"


def test_a_signal_ends_it(folder: Path) -> None:
    process = started("told", "stay", env={}, output=folder / "out")
    told(folder / "out")
    process.send(signal.SIGTERM)
    assert process.wait() == -signal.SIGTERM
    process.send(signal.SIGTERM)


def test_what_it_leaves_in_its_group_ends_with_it(folder: Path) -> None:
    process = started("told", "leave", env={}, output=folder / "out")
    assert process.wait() == 7
    left = int((folder / "out").read_text(encoding="utf-8").splitlines()[1])
    while alive(left):  # a signal takes a moment
        time.sleep(0.01)


def test_what_the_loader_shall_see_is_executed(folder: Path) -> None:
    env = {"LD_PRELOAD": "", "PYTHONPATH": os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])}
    process = started("told", env=env, output=folder / "out")
    assert process.wait() == 7
    assert not told(folder / "out")["imported"]


def told(output: Path) -> dict[str, Any]:
    until = time.monotonic() + 60
    while "\n" not in (text := output.read_text(encoding="utf-8")):
        assert time.monotonic() < until
        time.sleep(0.01)
    first: dict[str, Any] = json.loads(text.splitlines()[0])
    return first
