"""A private PostgreSQL."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.processes import OwnProcess
from tests.servers.root import on_path
from tests.servers.server import PrivateServer, ServerError

if TYPE_CHECKING:
    import socket


STARTUP = struct.pack("!i", 3 << 16) + b"user\0sms\0database\0postgres\0\0"


class PrivatePostgres(PrivateServer):
    """PostgreSQL that forgets to sync: what a killed process wrote survives, a power cut is not survived."""

    name = "PostgreSQL"
    package = "postgresql"
    asks = struct.pack("!i", len(STARTUP) + 4) + STARTUP
    version_in = re.compile(rb"server_version\0([\d.]+)")
    stop_signal = signal.SIGINT  # SIGTERM would wait until every client has gone
    # A killed postmaster leaves children that hold the shared memory; an immediate shutdown is its crash.
    crash_signal = signal.SIGQUIT

    def __init__(self) -> None:
        super().__init__()
        self.data = self.folder.path / "data"
        self._user = _unprivileged_user() if os.geteuid() == 0 else None

    @classmethod
    def binary(cls) -> Path | None:
        packaged = Path("/usr/lib/postgresql").glob("*/bin/postgres")
        newest = max(packaged, key=lambda path: int(path.parts[-3]), default=None)
        return newest or on_path("postgres")

    @property
    def url(self) -> str:
        return f"postgresql://sms@127.0.0.1:{self.port}/postgres"

    def launch(self) -> None:
        binary = self.binary()
        if binary and not self.data.exists():
            self._create_cluster(binary)
        super().launch()

    def _create_cluster(self, binary: Path) -> None:
        self.data.mkdir(mode=0o700)
        if self._user:
            shutil.chown(self.data, self._user)
        flags = ["--username=sms", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        making = OwnProcess([binary.with_name("initdb"), *flags, self.data], output=self.log, user=self._user)
        try:
            code = making.wait()
        finally:
            making.end(signal.SIGKILL)
        if code != 0:
            raise ServerError(f"PostgreSQL could not make its data folder:\n{self._last_lines()}")

    def _spawn(self, binary: Path) -> OwnProcess:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "200",
            "dynamic_shared_memory_type": "mmap",  # in its folder, so that a crash leaves nothing elsewhere
        }
        flags = [part for setting, value in settings.items() for part in ("-c", f"{setting}={value}")]
        return OwnProcess([binary, "-D", self.data, "-p", str(self.port), *flags], output=self.log, user=self._user)

    def _answers(self, connection: socket.socket) -> bool:
        connection.sendall(self.asks)
        return connection.recv(1) == b"R"  # an error, E, while it is still starting


def _unprivileged_user() -> str:
    """PostgreSQL refuses to run as root."""
    for user in ("postgres", "nobody"):
        try:
            pwd.getpwnam(user)
        except KeyError:
            continue
        return user
    raise ServerError("PostgreSQL cannot run as root, and there is neither a user postgres nor nobody.")
