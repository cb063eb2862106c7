"""Do processes that a test starts end with it, whatever happens?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers.processes import OwnProcess

OWNER = """
import sys, time
from tests.servers.processes import OwnProcess, PrivateFolder
print(PrivateFolder("test").path, flush=True)
OwnProcess(["sh", "-c", 'exec 3>"$0"; echo up >&3; sleep 600 & wait', sys.argv[1]])
time.sleep(600)
"""


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """A named pipe: its reader sees the end of it when every process that holds it has ended."""
    os.mkfifo(tmp_path / "held")
    return tmp_path / "held"


def test_a_killed_owner_takes_its_processes_and_folders_along(held: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, held], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        folder = Path(owner.stdout.readline().strip())
        with held.open() as pipe:
            assert pipe.readline() == "up\n"
            assert folder.is_dir()
            owner.kill()
            assert pipe.read() == ""
    while folder.exists():
        time.sleep(0.01)


def test_what_a_process_leaves_in_its_group_ends_with_it(held: Path) -> None:
    process = OwnProcess(["sh", "-c", 'sleep 600 3>"$0" & exit 7', held])
    with held.open() as pipe:
        assert process.wait() == 7
        assert pipe.read() == ""


def test_a_process_that_will_not_end_is_made_to(held: Path) -> None:
    process = OwnProcess(["sh", "-c", 'trap "" TERM; exec 3>"$0"; echo up >&3; while :; do sleep 1; done', held])
    with held.open() as pipe:
        assert pipe.readline() == "up\n"
        assert process.end(within_s=0.1) == -signal.SIGKILL
        assert pipe.read() == ""
    assert not process.running
