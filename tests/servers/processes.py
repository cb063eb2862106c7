"""Processes that never outlive the one who started them, in private folders and on free ports.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A process makes itself known to the watchdog, which it finds as its input, before it becomes what it shall be: were
# that left to its starter, a starter killed in between would leave it behind.
REGISTER_AND_BECOME = 'echo group $$ >&0; exec "$@" </dev/null'


class OwnProcess:
    """A child in a process group of its own, which ends at the latest when this process does."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        output: Path | None = None,
        user: str | None = None,
    ) -> None:
        """Start it, its output added to a file or else left to ours."""
        with contextlib.ExitStack() as files:
            out = files.enter_context(output.open("ab")) if output else None
            self._child = subprocess.Popen(
                ["/bin/sh", "-c", REGISTER_AND_BECOME, "sh", *command],
                env=env,
                stdin=watchdog().commands,
                stdout=out,
                stderr=subprocess.STDOUT if out else None,
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
                process_group=0,
            )
        self.pid = self._child.pid

    @property
    def running(self) -> bool:
        return not self._ended(os.WNOHANG)

    def wait(self, timeout_s: float | None = None) -> int:
        """Its exit code, negative for a signal, once all it left in its group is gone too. Raises TimeoutError."""
        if timeout_s is not None:
            until = time.monotonic() + timeout_s
            while self.running:
                if time.monotonic() > until:
                    raise TimeoutError
                time.sleep(0.02)
        self._ended()
        if self._child.returncode is None:
            self._signal_group(signal.SIGKILL)
        code = self._child.wait()
        watchdog().tell("ended", self.pid)
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process and everything in its group."""
        if self.running:
            self._signal_group(number)

    def end(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = 30) -> int:
        """Ask it to end, insist after a while, and give its exit code."""
        self.send(number)
        try:
            return self.wait(within_s)
        except TimeoutError:
            self.send(signal.SIGKILL)
            return self.wait()

    def _ended(self, options: int = 0) -> bool:
        # Not reaped here: as long as it is not, its number cannot become that of a stranger's group.
        if self._child.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | options) is not None

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class PrivateFolder:
    """A new folder that is removed with us; others may pass through it, which a server under another user needs."""

    def __init__(self, name: str, within: str | None = None) -> None:
        """Make it in a folder, or else in the system's for what is temporary."""
        self.path = Path(tempfile.mkdtemp(prefix=f"sms-{name}-", dir=within))
        watchdog().tell("folder", self.path)
        self.path.chmod(0o711)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def alive(pid: int) -> bool:
    """Whether a process runs, of whomever; one that nobody has buried yet does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def free_port() -> int:
    """A loopback port nobody listens on, outside the range from which the system picks its own."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class _Watchdog:
    def __init__(self) -> None:
        script = Path(__file__).with_name("watchdog.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

        assert self._process.stdin
        self.commands = self._process.stdin

    def tell(self, command: str, value: object) -> None:
        os.write(self.commands.fileno(), f"{command} {value}\n".encode())  # one write, so lines do not mix


@cache
def watchdog() -> _Watchdog:
    """Who ends what we leave behind."""
    return _Watchdog()
