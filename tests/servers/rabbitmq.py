"""A private RabbitMQ."""

from __future__ import annotations

import os
import re
import secrets
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.processes import OwnProcess, free_port
from tests.servers.root import inside, installed
from tests.servers.server import PrivateServer, ServerError

if TYPE_CHECKING:
    import socket

IDLE_AT_REST = "+sbwt none +sbwtdcpu none +sbwtdio none"  #: where cores are few, waiting must not take one


class PrivateRabbit(PrivateServer):
    """A RabbitMQ node with a port mapper of its own."""

    name = "RabbitMQ"
    package = "rabbitmq-server"
    asks = b"AMQP\0\0\x09\x01"
    version_in = re.compile(rb"\x07versionS.{4}([\d.]+)", re.DOTALL)

    def __init__(self) -> None:
        super().__init__()
        self._mapper_port = free_port()
        self._distribution_port = free_port()
        self._node = f"sms{secrets.token_hex(4)}@localhost"
        self._mapper: OwnProcess | None = None

    @classmethod
    def binary(cls) -> Path | None:
        # Debian's command in /usr/sbin insists on being root or rabbitmq; the script behind it does not.
        return installed("/usr/lib/rabbitmq/bin/rabbitmq-server") or installed("rabbitmq-server")

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def _spawn(self, binary: Path) -> OwnProcess:
        environ = self._environ()
        # Without ours running, the broker would start one as a daemon that stays behind.
        if self._mapper is None:
            mapper = installed("epmd") or next(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"), None)
            if mapper is None:
                raise ServerError("RabbitMQ needs Erlang's epmd, which is not installed.")
            self._mapper = OwnProcess(inside([mapper]), env=environ, output=self.log)
        return OwnProcess(inside([binary]), env=environ, output=self.log)

    def _environ(self) -> dict[str, str]:
        folder = self.folder.path
        (folder / "conf").write_text("log.console = true\nlog.file = false\n")
        (folder / "plugins").write_text("[].\n")
        (folder / "advanced.config").write_text("[].\n")
        (folder / "conf.d").mkdir(exist_ok=True)
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return outside | {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "RUNNING_UNDER_SYSTEMD": "true",  # makes the start script become the broker instead of waiting for it
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": IDLE_AT_REST,
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(folder / "conf"),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }

    def _answers(self, connection: socket.socket) -> bool:
        connection.sendall(self.asks)
        return connection.recv(1) == b"\x01"  # a method frame: connection.start

    def close(self) -> None:
        self.kill()
        if self._mapper:
            self._mapper.end(signal.SIGKILL)
            self._mapper = None
        super().close()
