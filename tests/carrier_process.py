"""`sms-engine carrier` as a process of its own, for tests that want a carrier on the wire."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.servers.processes import free_port
from tests.stack import ROOT, START_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class CarrierProcess:
    """A running carrier, changed and looked at by its control."""

    def __init__(
        self, process: asyncio.subprocess.Process, session: aiohttp.ClientSession, smpp: int, http: int, control: int
    ) -> None:
        self.smpp_port, self.http_port, self.control_port = smpp, http, control
        self.process = process
        self._session = session

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """What the control answers."""
        url = f"http://127.0.0.1:{self.control_port}{path}"
        async with self._session.request(method, url, json=body) as answer:
            return await answer.json()

    async def behave(self, **behaviour: object) -> None:
        """Change what is named."""
        told = await self.ask("PATCH", "/behaviour", behaviour)
        assert "error" not in told, told

    async def stats(self) -> dict[str, Any]:
        """Its counts; what was never counted is missing."""
        stats: dict[str, Any] = await self.ask("GET", "/stats")
        return stats

    async def submits(self) -> list[dict[str, Any]]:
        """The newest accepted messages, oldest first."""
        submits: list[dict[str, Any]] = await self.ask("GET", "/submits")
        return submits

    async def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """End it; its exit code and all it said."""
        if self.process.returncode is None:
            self.process.send_signal(how)
        said, _ = await self.process.communicate()
        return self.process.returncode or 0, said.decode()


@asynccontextmanager
async def carrier_process(*flags: str) -> AsyncIterator[CarrierProcess]:
    """A carrier process on free ports, listening; ended afterwards, whatever happens."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SMS_")}
    smpp_port, http_port, control_port = free_port(), free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "adapters.cli", "carrier",
        "--smpp-port", str(smpp_port), "--http-port", str(http_port), "--control-port", str(control_port), *flags,
        env={**inherited, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "120"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            running = CarrierProcess(process, session, smpp_port, http_port, control_port)
            await _until_it_listens(running)
            yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _until_it_listens(running: CarrierProcess) -> None:
    async with asyncio.timeout(START_S):
        while True:
            try:
                await running.stats()
            except aiohttp.ClientConnectionError:
                assert running.process.returncode is None, (await running.end())[1]
                await asyncio.sleep(0.05)
            else:
                return
