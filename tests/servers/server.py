"""What the private servers have in common: a folder, a port, and a life from start to crash."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from tests.servers.processes import OwnProcess, PrivateFolder, free_port

READY_WITHIN_S = 120
DATA = "SMS_TEST_DATA"  #: the folder in which each server makes its own, if not the one for what is temporary


class ServerError(Exception):
    """A server is not installed or does not start; the text says which and why."""


class PrivateServer(ABC):
    """One server with a folder, a port and a life of its own."""

    name: ClassVar[str]
    package: ClassVar[str]  # Debian's
    asks: ClassVar[bytes]  #: what makes it tell its version, without logging in
    version_in: ClassVar[re.Pattern[bytes]]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    crash_signal: ClassVar[signal.Signals] = signal.SIGKILL

    @classmethod
    @abstractmethod
    def binary(cls) -> Path | None:
        """Where the server is installed, None if it is not."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The address for clients."""

    @abstractmethod
    def _spawn(self, binary: Path) -> OwnProcess: ...

    @abstractmethod
    def _answers(self, connection: socket.socket) -> bool: ...

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = PrivateFolder(self.name.lower(), os.environ.get(DATA))
        self.log = self.folder.path / "log"
        self._process: OwnProcess | None = None

    def start(self) -> None:
        """Start the server and wait until it serves. Raises ServerError."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the server without waiting for it, so that several can start at once. Raises ServerError."""
        binary = self.binary()
        if binary is None:
            raise ServerError(f"{self.name} is not installed (Debian and Ubuntu: apt install {self.package}).")
        self._process = self._spawn(binary)

    def wait_until_ready(self) -> None:
        """Wait until the server answers in its own protocol. Raises ServerError."""
        until = time.monotonic() + READY_WITHIN_S
        while not self._ready():
            if not self.running or time.monotonic() > until:
                self.kill()
                raise ServerError(f"{self.name} did not start; the end of its log:\n{self._last_lines()}")
            time.sleep(0.05)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    def named(self) -> str:
        """Its name and the version it tells when asked, for people."""
        said = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(self.asks)
            while (found := self.version_in.search(said)) is None and (more := connection.recv(4096)):
                said += more
        return f"{self.name} {found[1].decode()}" if found else self.name

    def stop(self) -> None:
        """Shut down in order and keep the data."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End at once, as in a crash, and keep what is on disk."""
        self._end(self.crash_signal)

    def restart(self) -> None:
        """Shut down in order and start again with the same address and data. Raises ServerError."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End and leave nothing behind."""
        self.kill()
        self.folder.remove()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self, number: signal.Signals) -> None:
        if self._process:
            self._process.end(number)
            self._process = None

    def _ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                return self._answers(connection)
        except OSError:
            return False

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:]) if self.log.exists() else "(no log)"
