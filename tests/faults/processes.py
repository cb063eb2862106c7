"""Worker processes and the carrier's process, as the fault tests start, ask and end them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.prefork import started
from tests.servers.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.faults.failpoints import Failpoint
    from tests.faults.proxy import Proxy
    from tests.prefork import Forked
    from tests.servers.processes import OwnProcess

ROOT = Path(__file__).parents[2]
START_S = 60.0  #: a busy machine may need that long; nothing is asserted about it
DRAINED_S = 30.0
AWAY_S = 90.0


def environ(more: Mapping[str, str]) -> dict[str, str]:
    """Ours, without settings of the engine that happen to be set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SMS_", "FAULT_"))}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


class Worker:
    """A worker process at an address that stays the same, behind proxies of its own."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], proxies: Mapping[str, Proxy]) -> None:
        """`proxies` stand before its servers: amqp, redis, postgres."""
        self.name = name
        self.proxies = proxies
        self.log = folder / f"{name}.log"
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self._environment = {**environment, "SMS_HTTP_PORT": str(port), "FAULT_JOURNAL": str(folder / "journal")}
        self._process: Forked | OwnProcess | None = None
        self.pids: list[int] = []
        self.processes = 1  #: that share its work in this life of it

    @property
    def amqp(self) -> Proxy:
        return self.proxies["amqp"]

    @property
    def redis(self) -> Proxy:
        return self.proxies["redis"]

    @property
    def postgres(self) -> Proxy:
        return self.proxies["postgres"]

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(
        self, failpoint: Failpoint | None = None, more: Mapping[str, str] | None = None, *, processes: int = 1
    ) -> None:
        """Start it (again), perhaps to fail at a point; `more` of an environment goes only to this life of it."""
        self.processes = processes
        several = {"SMS_PROCESSES": str(processes)}
        own = {**self._environment, **(failpoint.environment() if failpoint else {}), **several, **(more or {})}
        self._process = started("tests.faults.worker", "worker", env=environ(own), output=self.log)
        self.pids.append(self._process.pid)

    def send(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send(number)

    async def ended(self, within_s: float = DRAINED_S) -> int:
        """Its exit code, negative for a signal, waiting for its end. Raises TimeoutError."""
        assert self._process
        async with asyncio.timeout(within_s):
            while self._process.running:
                await asyncio.sleep(0.02)
        return self._process.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM, within_s: float = DRAINED_S) -> int:
        """End it and give its exit code."""
        self.send(number)
        return await self.ended(within_s)

    async def ready(self) -> None:
        """Wait until it says it is ready. Raises RuntimeError with its last words if it ended instead."""
        async with aiohttp.ClientSession() as http, asyncio.timeout(START_S):
            while not await self._says_ready(http):
                if not self.running:
                    raise RuntimeError(f"worker {self.name} ended: {self.log.read_text()[-2000:]}")
                await asyncio.sleep(0.03)

    async def not_ready(self) -> None:
        """Wait until it says it is not ready."""
        async with aiohttp.ClientSession() as http, asyncio.timeout(AWAY_S):
            while await self._says_ready(http):
                await asyncio.sleep(0.03)

    async def metric(self, name: str) -> float:
        """The sum of a metric's samples over all labels."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/metrics") as answer:
            text = await answer.text()
        lines = [line.split() for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(line[-1]) for line in lines)

    def outages(self) -> Counter[str]:
        """How often it said that a server is away, by server."""
        lines = self.log.read_text(errors="replace").splitlines()
        return Counter(json.loads(line)["server"] for line in lines if '"a server is away' in line)

    def supervised(self) -> list[int]:
        """The processes that do its work, the latest on each seat."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if '"a process was started"' in line]
        return list({line["process"]: line["pid"] for line in lines}.values())

    def crashes(self) -> list[str]:
        """What it logged of jobs whose handling raised something."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [line for line in lines if "handling a job raised" in line]

    def close(self) -> None:
        if self._process:
            self._process.send(signal.SIGKILL)
            self._process.wait()

    async def _says_ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


class CarrierProcess:
    """The simulated carrier, and its log."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.port = free_port()
        self.log = folder / "carrier.log"
        self.log.touch()
        self._url = f"http://127.0.0.1:{self.port}"
        self._output = folder / "carrier.out"
        self._seed = seed
        self._process: Forked | OwnProcess | None = None
        self._lines: list[dict[str, Any]] = []
        self._read_to = 0

    async def start(self) -> None:
        words = str(self.port), str(self.log), str(self._seed)
        self._process = started("tests.faults.carrier", *words, env=environ({}), output=self._output)
        async with asyncio.timeout(START_S):
            while True:
                try:
                    await self.pending()
                except aiohttp.ClientError:
                    assert self._process.running, self._output.read_text()
                    await asyncio.sleep(0.03)
                else:
                    return

    async def behave(self, *channels: str, **behaviour: Any) -> None:
        """Behave like that from now on, on these channels or on both (`carrier.Behaviour`)."""
        await self._ask("PUT", "behaviour", dict.fromkeys(channels or ("alpha", "beta"), behaviour))

    async def report_to(self, urls: list[str]) -> None:
        """Post delivery receipts to one of these workers."""
        await self._ask("PUT", "webhooks", urls)

    async def pending(self) -> int:
        """How many delivery receipts are on their way."""
        return int(await self._ask("GET", "pending"))

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far."""
        with self.log.open("rb") as log:
            log.seek(self._read_to)
            whole, end, _ = log.read().rpartition(b"\n")
        self._read_to += len(whole) + len(end)
        self._lines += map(json.loads, whole.splitlines())
        return self._lines

    def close(self) -> None:
        if self._process:
            self._process.send(signal.SIGKILL)
            self._process.wait()

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        async with aiohttp.ClientSession() as http, http.request(method, f"{self._url}/{path}", json=body) as answer:
            assert answer.status == 200, answer.status
            return await answer.json()
