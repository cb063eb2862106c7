"""A carrier to rehearse with, put together: its protocols, its script, and the routes by which it is changed."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from adapters.carriers.smsc import http_server
from adapters.carriers.smsc.carrier import Carrier
from adapters.carriers.smsc.control import Control
from adapters.carriers.smsc.log import SubmitLog
from adapters.carriers.smsc.smpp_server import SmppServer
from adapters.carriers.smsc.webhook import Webhook
from adapters.ending import end
from adapters.http.server import HttpServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from adapters.carriers.smsc.script import Phase, Script

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a carrier shall be; port 0 means any free one."""

    script: Script
    smpp_port: int
    http_port: int
    control_port: int
    host: str = LOOPBACK
    logins: Mapping[str, str] = field(default_factory=dict, repr=False)  #: password by system_id
    tls: ssl.SSLContext | None = None
    receipts_url: str | None = field(default=None, repr=False)
    inbound_url: str | None = field(default=None, repr=False)
    log: Path | None = None
    fsync: bool = False
    whole_numbers: bool = False
    seed: int | None = None


class PortTakenError(Exception):
    """A port cannot be listened on; the text says which and why."""


class RunningCarrier:
    """A carrier that listens."""

    def __init__(self, plan: Plan, carrier: Carrier) -> None:
        self.carrier = carrier
        self.phase = ""  #: of the script; empty where there is none, "by hand" once somebody changed it
        self.smpp = SmppServer(carrier, plan.host, plan.smpp_port, plan.logins, tls=plan.tls)
        self.http = http_server.HttpServer(carrier, plan.host, plan.http_port)
        accounts = [*plan.logins, http_server.ACCOUNT]
        control = Control(carrier, accounts, self.stats, self._by_hand, self._disconnect)
        self.control = HttpServer(LOOPBACK, plan.control_port, control.routes())
        self._since = time.monotonic()
        self._script: asyncio.Task[None] | None = None

    def stats(self) -> dict[str, Any]:
        """Counts since it began, and what is now."""
        return {
            "uptime_s": round(time.monotonic() - self._since, 3),
            "phase": self.phase,
            "state": self.carrier.behaviour.state,
            "binds": sum(bool(session.account) for session in self.smpp.sessions),
            "on_their_way": self.carrier.held,
            **self.carrier.counts,
        }

    def play(self, script: Script) -> None:
        """Fare as the script says."""
        self._script = asyncio.create_task(script.play(self._enter))

    async def close(self) -> None:
        """Play the script no further."""
        if self._script is not None:
            await end([self._script])

    def _enter(self, phase: Phase) -> None:
        self.phase = phase.name
        self.carrier.behave(phase.behaviour)

    def _by_hand(self) -> None:
        self.phase = "by hand"
        if self._script is not None:
            self._script.cancel()

    def _disconnect(self) -> int:
        sessions = list(self.smpp.sessions)
        for session in sessions:
            session.disconnect()
        return len(sessions)


@asynccontextmanager
async def carrier(plan: Plan) -> AsyncIterator[RunningCarrier]:
    """The carrier, listening.

    Raises:
        PortTakenError: it cannot listen.
        OSError: the log cannot be written.
    """
    async with AsyncExitStack() as stack:
        log = None
        if plan.log is not None:
            log = SubmitLog(plan.log, fsync=plan.fsync, whole_numbers=plan.whole_numbers)
            stack.push_async_callback(log.close)
        core = Carrier(log, Random(plan.seed))
        core.behave(plan.script.always)
        webhook = Webhook(core, core.outbox(http_server.ACCOUNT), plan.receipts_url, plan.inbound_url)
        await webhook.open()
        stack.push_async_callback(webhook.close)
        running = RunningCarrier(plan, core)
        for side, port in (
            (running.smpp, plan.smpp_port),
            (running.http, plan.http_port),
            (running.control, plan.control_port),
        ):
            try:
                await side.open()
            except OSError as error:
                raise PortTakenError(f"port {port} cannot be listened on ({error.strerror or error})") from None
            stack.push_async_callback(side.close)
        running.play(plan.script)
        stack.push_async_callback(running.close)  # first of all, or it would have the closed ones listen again
        yield running
