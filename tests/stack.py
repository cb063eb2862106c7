"""A whole installation for a test: real worker processes, an own prefix on the broker and Redis, an own database."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aio_pika
import aiohttp
import asyncpg

from adapters.rabbitmq.connection import connected, open_channel
from adapters.rabbitmq.topology import Names, declare
from tests.database import prepared
from tests.prefork import Forked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent
START_S = 60.0  #: a busy machine may need that long; nothing is asserted about it


@dataclass
class WorkerProcess:
    """A `sms-engine worker` of its own."""

    process: Forked
    url: str
    log: list[dict[str, Any]] = field(default_factory=list)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; answers its exit code."""
        self.process.send_alone(how)
        return await self.ended()

    async def ended(self) -> int:
        """Its exit code, once it has one."""
        while (code := self.process.code) is None:
            await asyncio.sleep(0.01)
        return code

    async def ready(self) -> None:
        """Wait until `/readyz` says so."""
        async with aiohttp.ClientSession() as http, asyncio.timeout(START_S):
            while True:
                async with http.get(f"{self.url}/readyz") as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.05)

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels, whatever the others."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/metrics") as answer:
            text = await answer.text()
        lines = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(line.split()[-1]) for line in lines if all(each in line for each in wanted))


@asynccontextmanager
async def worker(
    environment: Mapping[str, str], *flags: str, program: Sequence[str] = ("adapters.cli",)
) -> AsyncIterator[WorkerProcess]:
    """A worker process that listens on a free port; ended afterwards, whatever happens."""
    env = _environ({"SMS_HTTP_PORT": "0", **environment})
    read, write = os.pipe()
    try:
        process = Forked(*program, "worker", *flags, env=env, output=write)
    finally:
        os.close(write)
    running = WorkerProcess(process, "")
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reader = asyncio.create_task(_read_log(running, read, listening))
    try:
        async with asyncio.timeout(START_S):
            running.url = await listening
        yield running
    finally:
        process.send(signal.SIGKILL)
        process.wait()
        await reader


def _environ(more: Mapping[str, str]) -> dict[str, str]:
    """Ours, without settings of the engine that happen to be set."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SMS_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **more}


async def _read_log(running: WorkerProcess, descriptor: int, listening: asyncio.Future[str]) -> None:
    lines, rest, pipe = asyncio.StreamReader(), list[str](), os.fdopen(descriptor, "rb", 0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), pipe)
    async for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            rest.append(line.decode(errors="replace"))
            continue
        running.log.append(entry)
        if entry.get("event") == "listening" and not listening.done():
            listening.set_result(entry["url"])
    if not listening.done():
        listening.set_exception(RuntimeError(f"the worker ended at once: {''.join(rest) or running.log}"))


@dataclass(frozen=True)
class Installation:
    """One installation on real servers; workers of it are started with `environment`."""

    prefix: str
    environment: dict[str, str]

    @asynccontextmanager
    async def broker(self, *, confirms: bool = True) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
        """A plain AMQP channel with publisher confirms, or without."""
        connection = await aio_pika.connect(self.environment["SMS_AMQP_URL"])
        async with connection:
            yield await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection to its database."""
        connection = await asyncpg.connect(self.environment["SMS_POSTGRES_URL"])
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def installation(
    amqp_url: str, redis_url: str, postgres_url: str, settings: Path, *, ready: bool = True
) -> AsyncIterator[Installation]:
    """An installation as `sms-engine init` leaves it, or finds it; its queues and database are removed afterwards."""
    prefix = f"t{uuid4().hex[:12]}"
    database_url = urlunsplit(urlsplit(postgres_url)._replace(path=f"/{prefix}"))
    environment = {
        "SMS_AMQP_URL": amqp_url,
        "SMS_REDIS_URL": redis_url,
        "SMS_POSTGRES_URL": database_url,
        "SMS_PREFIX": prefix,
        "SMS_CONFIG": str(settings),
    }
    admin = await asyncpg.connect(postgres_url)
    template = prepared(postgres_url) if ready else "template1"
    await admin.execute(f'create database "{prefix}" template "{template}"')
    found = Installation(prefix, environment)
    try:
        if ready:
            async with connected(amqp_url, prefix) as connection:
                await declare(await open_channel(connection), prefix)
        yield found
    finally:
        async with found.broker() as channel:
            for queue in Names(prefix).queues:
                await channel.queue_delete(queue)
            for exchange in Names(prefix).exchanges:
                await channel.exchange_delete(exchange)
        await admin.execute(f'drop database "{prefix}" with (force)')
        await admin.close()


def notification(position: int) -> dict[str, Any]:
    """A job to a number of its own, as any producer would write it."""
    return {
        "id": str(uuid4()),
        "to": f"+86138{position:08}",
        "signature": "Acme",
        "template": "SMS_2001",
        "params": {"order": str(position), "day": "Monday"},
        "ref": f"order-{position}",
    }


async def cli(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Run one `sms-engine` command; answers its exit code and all it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "adapters.cli", *arguments,
        env=_environ({"NO_COLOR": "1", "COLUMNS": "120", **environment}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
