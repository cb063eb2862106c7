"""The npm package `smpp` as a foreign carrier: `tests/peers/node/server.js` in a process of its own.

The package is installed once, in exactly the locked version and checked by its hash, and none of its scripts is run.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.stack import ROOT, START_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Path(__file__).with_name("node")
LOCKED = ("package.json", "package-lock.json")
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")


def modules() -> Path:
    """The folder of the locked packages, installed now if it is not there yet."""
    for command in ("node", "npm"):
        assert shutil.which(command), f"{command} is not installed (Debian and Ubuntu: apt install nodejs npm)"
    key = hashlib.sha256(b"\0".join((HERE / name).read_bytes() for name in LOCKED)).hexdigest()[:16]
    place = ROOT / ".venv" / "node" / key
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second run at the same time waits for the first
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for name in LOCKED:
                shutil.copy(HERE / name, place)
            done = subprocess.run(INSTALL, cwd=place, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"npm could not install the packages:\n{done.stderr}"
            (place / "complete").touch()
    return place / "node_modules"


class NodeServer:
    """A running server."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.port = 0
        self.submits: list[dict[str, Any]] = []  #: heard while `show` is set
        self._process = process
        self._counts: asyncio.Queue[dict[str, int]] = asyncio.Queue()
        self.listening = asyncio.Event()

    async def set(self, **settings: object) -> None:
        """Change settings of it (see server.js)."""
        self._tell(set=settings)
        await self.counts()

    def say(self, octets: bytes, **fields: object) -> None:
        """Have it send a deliver_sm."""
        self._tell(say={**fields, "short_message": octets.hex()})

    def end_sessions(self, how: str) -> None:
        """End every session: `unbind` or `destroy`."""
        self._tell(end=how)

    async def counts(self) -> dict[str, int]:
        """Its counts, which also says that it has done what it was told before."""
        self._tell(count=True)
        return await self._counts.get()

    async def read(self) -> None:
        """Hear what it says until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "submit" in said:
                self.submits.append(said["submit"])
            elif "counts" in said:
                self._counts.put_nowait(said["counts"])
            else:
                self.port = said["port"]
                self.listening.set()

    def _tell(self, **what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")


@asynccontextmanager
async def node_server(**settings: object) -> AsyncIterator[NodeServer]:
    """A server on a free loopback port; it ends with us, whatever happens, for its input ends."""
    packages = await asyncio.to_thread(modules)
    process = await asyncio.create_subprocess_exec(
        "node", HERE / "server.js", json.dumps(settings),
        env={**os.environ, "NODE_PATH": str(packages)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    server = NodeServer(process)
    reading = asyncio.create_task(server.read())
    try:
        async with asyncio.timeout(START_S):
            await server.listening.wait()
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
