"""Kannel's bearerbox as a foreign client, with its smsbox, by which messages are handed to it over HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import aiohttp

from tests.peers import COMMANDS
from tests.servers.processes import OwnProcess, PrivateFolder, free_port
from tests.servers.root import on_path

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

START_S = 60.0  #: a busy machine may need that long; nothing is asserted about it
SENT = 202
#: what it calls its receipts (user guide, "Delivery Reports")
DELIVERED, FAILED, BUFFERED, SUBMITTED, REJECTED = 1, 2, 4, 8, 16
ALL = DELIVERED | FAILED | BUFFERED | SUBMITTED | REJECTED

CONFIGURATION = """\
group = core
admin-interface = 127.0.0.1
admin-port = {admin}
admin-password = secret
smsbox-interface = 127.0.0.1
smsbox-port = {boxes}
box-allow-ip = 127.0.0.1
log-level = 1
log-file = {folder}/bearerbox.log
store-file = {folder}/store

group = smsc
smsc = smpp
smsc-id = rehearsal
host = 127.0.0.1
port = {smpp}
transceiver-mode = true
smsc-username = {system_id}
smsc-password = {password}
system-type = ""
enquire-link-interval = 1
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-interface = 127.0.0.1
sendsms-port = {sending}
log-level = 1
log-file = {folder}/smsbox.log

group = sendsms-user
username = tester
password = secret
max-messages = 5
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "{inbound}?sender=%p&to=%P&text=%b"
"""


class Kannel:
    """A gateway bound to a carrier as transceiver; what phones write to it, it gets from `inbound_url`."""

    def __init__(self, smpp_port: int, system_id: str, password: str, inbound_url: str) -> None:
        self._folder = PrivateFolder("kannel")
        self._admin, boxes, self._sending = free_port(), free_port(), free_port()
        self._file = self._folder.path / "kannel.conf"
        places = {"admin": self._admin, "boxes": boxes, "sending": self._sending, "smpp": smpp_port}
        told = {"system_id": system_id, "password": password, "inbound": inbound_url, "folder": self._folder.path}
        self._file.write_text(CONFIGURATION.format(**places, **told))
        self._processes: list[OwnProcess] = []
        self._session = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        try:
            self._start("bearerbox")
            await self._until(f"http://127.0.0.1:{self._admin}/status.txt?password=secret", "(online")
            self._start("smsbox")
            await self._until(f"http://127.0.0.1:{self._sending}/", "")
            await self._until(f"http://127.0.0.1:{self._admin}/status.txt?password=secret", "smsbox")
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        for process in reversed(self._processes):
            await asyncio.to_thread(process.end)
        self._folder.remove()

    async def send(self, sender: str, to: str, text: str, receipts_url: str, *, unicode: bool = False) -> int:
        """Hand a message in; the HTTP status. `receipts_url` is asked with `%d` in it filled in for each receipt."""
        asked = {
            "username": "tester", "password": "secret", "from": sender, "to": to, "text": text, "charset": "UTF-8",
            "coding": "2" if unicode else "0", "dlr-mask": str(ALL), "dlr-url": receipts_url,
        }  # fmt: skip
        async with self._session.get(f"http://127.0.0.1:{self._sending}/cgi-bin/sendsms", params=asked) as answer:
            return answer.status

    def _start(self, name: str) -> None:
        binary = _binary(name)
        log = self._folder.path / f"{name}.out"
        self._processes.append(OwnProcess([binary, self._file], output=log))

    async def _until(self, url: str, said: str) -> None:
        async with asyncio.timeout(START_S):
            while True:
                assert all(process.running for process in self._processes), self._last_lines()
                try:
                    async with self._session.get(url) as answer:
                        if said in await answer.text():
                            return
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(0.05)

    def _last_lines(self) -> str:
        logs = sorted(self._folder.path.glob("*.out")) + sorted(self._folder.path.glob("*.log"))
        return "\n".join(line for log in logs for line in log.read_text(errors="replace").splitlines()[-15:])


def _binary(name: str) -> Path:
    binary = on_path(name)
    assert binary, f"{name} is not installed (Debian and Ubuntu: apt install {COMMANDS['bearerbox']})"
    return binary
