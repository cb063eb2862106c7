"""The PyPI package `smpp34` as a foreign carrier: its server runs in this process, on threads of its own.

It lets everybody in, acknowledges what it must by itself, and answers a submit only as `Answer` says. Statuses that are
not among its constants it would send as ESME_RSYSERR, so only those are used here.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import smpp34

from tests.servers.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Smpp34Server:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.submits: list[smpp34.SubmitSmEvent] = []
        self.acknowledged: list[int] = []  #: statuses by which receipts were answered
        self.status = 0  #: of the answers to submits; 0 accepts
        self.tlv = True  #: receipts say it in parameters, else in text
        self.sessions: dict[str, smpp34.Esme] = {}
        self._ids = itertools.count(0xA0001)
        self._reporting: set[asyncio.Task[None]] = set()

    async def serve(self, server: smpp34.Server) -> None:
        """Answer until cancelled."""
        while True:
            event = await server.next()
            if isinstance(event, smpp34.Esme):
                self.sessions[event.session_id] = event
            elif isinstance(event, smpp34.Unbound):
                self.sessions.pop(event.session_id, None)
            else:
                self._answer(event)

    async def say(self, octets: bytes, *, esm_class: int = 0, data_coding: int = 0) -> None:
        """Send a message from a phone."""
        receiver = await self._receiver()
        await receiver.deliver_sm(
            "1069", octets, source_addr="8613800001234", esm_class=esm_class, data_coding=data_coding
        )

    def _answer(self, submit: smpp34.SubmitSmEvent) -> None:
        self.submits.append(submit)
        if self.status:
            submit.reject(self.status)
            return
        carrier_id = f"{next(self._ids):08X}"
        submit.accept(carrier_id)
        if submit.registered_delivery:
            reporting = asyncio.create_task(self._report(submit, carrier_id))
            self._reporting.add(reporting)
            reporting.add_done_callback(self._reporting.discard)

    async def _report(self, submit: smpp34.SubmitSmEvent, carrier_id: str) -> None:
        words, tlvs = b"", []
        if self.tlv:
            tlvs = [
                smpp34.Tlv(smpp34.TLV_RECEIPTED_MESSAGE_ID, carrier_id.encode() + b"\0"),
                smpp34.Tlv(smpp34.TLV_MESSAGE_STATE, b"\x02"),
            ]
        else:
            number = int(carrier_id, 16)
            words = b"id:%d sub:001 dlvrd:000 done date:2601010101 stat:REJECTD err:00A Text:" % number
        receiver = await self._receiver()
        answer = await receiver.deliver_sm(
            submit.source_addr, words, source_addr=submit.destination_addr, esm_class=4, tlvs=tlvs
        )
        self.acknowledged.append(answer.command_status)

    async def _receiver(self) -> smpp34.Esme:
        """A session that may be sent to; the server tells of one a little after the client is let in."""
        while True:
            for session in self.sessions.values():
                if session.can_receive:
                    return session
            await asyncio.sleep(0.01)


@asynccontextmanager
async def smpp34_server() -> AsyncIterator[Smpp34Server]:
    """A server on a free loopback port."""
    running = Smpp34Server(free_port())
    server = smpp34.Server("127.0.0.1", running.port, system_id="SMPP34")
    await server.start()
    serving = asyncio.create_task(running.serve(server))
    try:
        yield running
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await server.stop()
