"""A private Redis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.servers.processes import OwnProcess
from tests.servers.root import inside, installed
from tests.servers.server import PrivateServer

if TYPE_CHECKING:
    import socket
    from pathlib import Path


class PrivateRedis(PrivateServer):
    """Redis without persistence: after a restart it is empty."""

    name = "Redis"
    package = "redis-server"
    asks = b"INFO server\r\n"
    version_in = re.compile(rb"redis_version:([\d.]+)")

    @classmethod
    def binary(cls) -> Path | None:
        return installed("redis-server")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _spawn(self, binary: Path) -> OwnProcess:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder.path, "save": "", "appendonly": "no"}
        flags = [part for option, value in options.items() for part in (f"--{option}", str(value))]
        return OwnProcess(inside([binary, *flags]), output=self.log)

    def _answers(self, connection: socket.socket) -> bool:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
