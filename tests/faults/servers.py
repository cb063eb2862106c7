"""The servers of the fault tests: private ones always, for they are killed, frozen and emptied."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from redis.asyncio import Redis

from tests.servers import PrivatePostgres, PrivateRabbit, PrivateRedis
from tests.servers.processes import OwnProcess
from tests.servers.root import inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.servers import PrivateServer

FROZEN, THAWED = signal.SIGSTOP, signal.SIGCONT


class FaultRabbit(PrivateRabbit):
    """A broker that can be given orders."""

    def ctl(self, *command: str) -> str:
        """What `rabbitmqctl` answers. Raises CalledProcessError."""
        binary = self.binary()
        assert binary
        tool = binary.with_name("rabbitmqctl")
        done = subprocess.run(
            inside([tool, "-q", "-n", self._node, *command]),
            env=self._environ(), check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    async def order(self, *command: str) -> str:
        """The same without standing in the way of others."""
        return await asyncio.to_thread(self.ctl, *command)

    def send(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send(number)


class FaultRedis(PrivateRedis):
    """Redis with an append-only file: what it answered survives its kill -9."""

    def _spawn(self, binary: Path) -> OwnProcess:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder.path, "save": "", "appendonly": "yes"}
        flags = [part for option, value in options.items() for part in (f"--{option}", str(value))]
        return self._run([binary, *flags])

    def _run(self, command: Sequence[str | Path]) -> OwnProcess:
        return OwnProcess(inside(command), output=self.log)

    def send(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send(number)


@dataclass
class Servers:
    """One of each."""

    rabbit: FaultRabbit = field(default_factory=FaultRabbit)
    redis: FaultRedis = field(default_factory=FaultRedis)
    postgres: PrivatePostgres = field(default_factory=PrivatePostgres)

    @property
    def all(self) -> tuple[PrivateServer, ...]:
        return self.rabbit, self.redis, self.postgres

    def start(self) -> None:
        """Start those that are not running, at the same time. Raises ServerError."""
        down = [server for server in self.all if not server.running]
        for server in down:
            server.launch()
        for server in down:
            server.wait_until_ready()

    async def heal(self) -> None:
        """Undo what a test that broke off may have left: frozen, paused or dead servers."""
        for server in (self.rabbit, self.redis):
            if server.running:
                server.send(THAWED)
        await asyncio.to_thread(self.start)
        async with Redis.from_url(self.redis.url) as redis:
            await redis.client_unpause()

    def close(self) -> None:
        for server in self.all:
            server.close()
