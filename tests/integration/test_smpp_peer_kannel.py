"""Others' SMPP against ours: Kannel as a client of our carrier."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from adapters.bootstrap.carrier import Plan, RunningCarrier
from adapters.bootstrap.carrier import carrier as running_carrier
from adapters.carriers.smsc.behaviour import WireBehaviour, read_behaviour
from adapters.carriers.smsc.script import Script
from tests.carriers import serving
from tests.peers.kannel import DELIVERED, FAILED, REJECTED, SENT, SUBMITTED, Kannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PATIENCE_S = 60.0
WELL = read_behaviour({"latency_s": 0.01, "receipt_delay_s": 0.05}, WireBehaviour())


async def until(truth: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not truth():
            await asyncio.sleep(0.02)


@dataclass
class Rehearsal:
    """Kannel, bound to a carrier of ours, and what it told the business behind it."""

    ours: RunningCarrier
    url: str = ""
    receipts: list[int] = field(default_factory=list)
    inbound: list[dict[str, str]] = field(default_factory=list)
    kannel: Kannel = None  # type: ignore[assignment]

    async def hear(self, request: web.Request) -> web.Response:
        if request.path == "/receipt":
            self.receipts.append(int(request.query["kind"]))
        else:
            self.inbound.append(dict(request.query))
        return web.Response(text="")

    def gateway(self) -> Kannel:
        return Kannel(self.ours.smpp.port, "user", "secret", f"{self.url}/inbound")

    def behave(self, **told: Any) -> None:
        self.ours.carrier.behave(read_behaviour(told, WELL))

    async def send(self, text: str, *, unicode: bool = False) -> None:
        receipts = f"{self.url}/receipt?kind=%d"
        assert await self.kannel.send("1069", "8613800001234", text, receipts, unicode=unicode) == SENT


@asynccontextmanager
async def rehearsal() -> AsyncIterator[Rehearsal]:
    plan = Plan(Script((), repeat=False, always=WELL), 0, 0, 0, logins={"user": "secret"})
    async with running_carrier(plan) as ours:
        here = Rehearsal(ours)
        async with serving(here.hear) as here.url, here.gateway() as here.kannel:
            yield here


async def test_kannel_submits_to_our_carrier_and_understands_its_answers_and_receipts() -> None:
    async with rehearsal() as here:
        await here.send("hello [you] {€}")
        await until(lambda: here.receipts == [SUBMITTED, DELIVERED])
        (_, seen) = here.ours.carrier.shown[0]
        assert (seen.text, seen.sender, seen.to, seen.account) == ("hello [you] {€}", "1069", "8613800001234", "user")
        await until(lambda: here.ours.carrier.held == 0)  # it answered our receipt

        here.behave(undelivered=1.0, receipt_id_notation="decimal_padded", id_notation="decimal_padded")
        await here.send("【Acme】你好", unicode=True)
        await until(lambda: len(here.receipts) == 4)
        assert here.receipts[2:] == [SUBMITTED, FAILED]
        assert here.ours.carrier.shown[1][1].text == "【Acme】你好"

        here.behave(refused=1.0)
        await here.send("nobody takes this")
        await until(lambda: len(here.receipts) == 5)
        assert here.receipts[4] == REJECTED


async def test_kannel_sends_long_messages_in_parts_that_our_carrier_can_put_together() -> None:
    async with rehearsal() as here:
        text = "".join(f"{number}," for number in range(100))
        await here.send(text)
        await until(lambda: here.ours.carrier.counts["accepted"] == 2)
        parts = sorted(((seen.part, seen.text) for _, seen in here.ours.carrier.shown), key=str)
        assert [part and (part.number, part.total) for part, _ in parts] == [(1, 2), (2, 2)]
        assert "".join(words for _, words in parts) == text


async def test_kannel_hears_what_phones_write_to_our_carrier() -> None:
    async with rehearsal() as here:
        here.ours.carrier.receive("user", "+8613800001234", "1069", "Stop {it} €")
        here.ours.carrier.receive("user", "8613800001234", "1069", "x" * 200)
        await until(lambda: len(here.inbound) == 2)
        assert here.inbound[0]["text"] == "Stop {it} €"
        assert here.inbound[0]["to"] == "1069"
        assert here.inbound[1]["text"] == "x" * 200
        await until(lambda: here.ours.carrier.held == 0)


async def test_kannel_keeps_its_bind_alive_and_binds_again_when_ours_ends_it() -> None:
    async with rehearsal() as here:
        counts = here.ours.carrier.counts
        await until(lambda: counts["enquiries"] >= 2)
        for how in ("close", "mid_pdu", "unbind"):
            here.behave(disconnect_by=how)
            before = set(here.ours.smpp.sessions)
            for session in before:
                session.disconnect()
            await until(lambda before=before: {s for s in here.ours.smpp.sessions if s.account} - before)
        here.receipts.clear()
        await here.send("and on it goes")
        await until(lambda: here.receipts == [SUBMITTED, DELIVERED])
