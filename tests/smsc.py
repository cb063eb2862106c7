"""A carrier's end of SMPP for tests: in this process, on a real socket, doing what a test tells it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from ssl import SSLContext

from adapters.carriers.smpp.commands import Command, Status
from adapters.carriers.smpp.message_bodies import DeliverSm, SubmitSmResp
from adapters.carriers.smpp.pdu import Body, Frames, Pdu, encode
from adapters.carriers.smpp.session_bodies import (
    BindReceiverResp,
    BindTransceiverResp,
    BindTransmitterResp,
    EnquireLinkResp,
    UnbindResp,
)

BIND_ANSWERS = {
    Command.BIND_TRANSCEIVER: BindTransceiverResp,
    Command.BIND_TRANSMITTER: BindTransmitterResp,
    Command.BIND_RECEIVER: BindReceiverResp,
}


class SmscLink:
    """One connection, as the carrier sees it."""

    def __init__(self, smsc: Smsc, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard: list[Pdu] = []
        self.bound: Command | None = None
        self.over = False
        self._smsc = smsc
        self._reader = reader
        self._writer = writer
        self._sequence = 0

    def send(self, body: Body, sequence: int | None = None, status: int = Status.ESME_ROK) -> int:
        """Write a PDU; a request gets the next sequence number, which is answered."""
        if sequence is None:
            self._sequence += 1
            sequence = self._sequence
        self._writer.write(encode(Pdu(body, sequence, status)))
        return sequence

    def write(self, octets: bytes) -> None:
        self._writer.write(octets)

    def cut(self) -> None:
        """Break the connection off, with a reset."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def hang_up(self) -> None:
        self._writer.close()

    def freeze(self) -> None:
        """Read nothing more."""
        self._writer.transport.pause_reading()

    @property
    def unwritten(self) -> int:
        """Octets that the other end has not read."""
        return self._writer.transport.get_write_buffer_size()

    def only(self, command: Command) -> list[Pdu]:
        return [pdu for pdu in self.heard if pdu.command == command]

    async def serve(self) -> None:
        frames = Frames()
        while data := await self._reader.read(65536):
            frames.feed(data)
            while (pdu := frames.take()) is not None:
                self.heard.append(pdu)
                self._smsc.changed.set()
                if not self._smsc.script(self, pdu):
                    self.behave(pdu)

    def behave(self, pdu: Pdu) -> None:
        """What a good carrier does."""
        match pdu.command:
            case Command.BIND_TRANSCEIVER | Command.BIND_TRANSMITTER | Command.BIND_RECEIVER as command:
                self.bound = command
                self.send(BIND_ANSWERS[command]("smsc"), pdu.sequence)
            case Command.ENQUIRE_LINK:
                self.send(EnquireLinkResp(), pdu.sequence)
            case Command.UNBIND:
                self.send(UnbindResp(), pdu.sequence)
                self.hang_up()
            case Command.SUBMIT_SM:
                self.send(SubmitSmResp(self._smsc.new_id()), pdu.sequence)


class Smsc:
    """Listens on loopback; `script` sees each PDU first, and says whether it dealt with it."""

    def __init__(self, script: Callable[[SmscLink, Pdu], object] = lambda link, pdu: False) -> None:
        self.script = script
        self.links: list[SmscLink] = []
        self.port = 0
        self.changed = asyncio.Event()
        self._ids = 0

    @property
    def link(self) -> SmscLink:
        """The newest connection."""
        return self.links[-1]

    def new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something holds; looked at often, and whenever a PDU came."""
        while not condition():
            self.changed.clear()
            try:
                async with asyncio.timeout(0.01):
                    await self.changed.wait()
            except TimeoutError:
                pass

    @asynccontextmanager
    async def running(self, tls: SSLContext | None = None, port: int = 0) -> AsyncIterator[Smsc]:
        serving: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            serving.add(task)
            link = SmscLink(self, reader, writer)
            self.links.append(link)
            try:
                await link.serve()
            except (OSError, asyncio.CancelledError):
                pass
            finally:
                link.over = True
                self.changed.set()
                writer.transport.abort()
                serving.discard(task)

        server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)


def answers(status: int = Status.ESME_ROK, *, silent: bool = False) -> Callable[[SmscLink, Pdu], bool]:
    """A script that answers every submit with a status, or not at all."""

    def script(link: SmscLink, pdu: Pdu) -> bool:
        if pdu.command != Command.SUBMIT_SM:
            return False
        if not silent:
            link.send(SubmitSmResp(), pdu.sequence, status)
        return True

    return script


class Carrier:
    """A script of a carrier that takes messages, and reports on each until the report is taken."""

    def __init__(self, smsc: Smsc, mode: str, latency_s: float, *, early: bool, report: bool) -> None:
        self.taken: list[tuple[str, None]] = []  #: its id of every message taken; of our jobs it knows nothing
        self._smsc = smsc
        self._mode = mode
        self._latency_s = latency_s
        self._early = early
        self._report = report
        self._open: dict[tuple[SmscLink, int], asyncio.Future[int]] = {}  # reports not answered yet
        self._working: set[asyncio.Task[None]] = set()

    def __call__(self, link: SmscLink, pdu: Pdu) -> bool:
        match pdu.command:
            case Command.SUBMIT_SM:
                self._begin(self._submitted(link, pdu.sequence))
            case Command.DELIVER_SM_RESP if answer := self._open.pop((link, pdu.sequence), None):
                answer.set_result(pdu.status)
            case _:
                return False
        return True

    def stop(self) -> None:
        for task in self._working:
            task.cancel()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _submitted(self, link: SmscLink, sequence: int) -> None:
        refusals = {
            "refuse": Status.ESME_RINVDSTADR,
            "fault": Status.ESME_RSYSERR,
            "throttle": Status.ESME_RTHROTTLED,
        }
        if self._mode in refusals:
            link.send(SubmitSmResp(), sequence, refusals[self._mode])
            return
        carrier_id = self._smsc.new_id()
        self.taken.append((carrier_id, None))
        if self._mode == "silent":
            return
        if self._report and self._early:
            await self._tell(link, carrier_id)
        await asyncio.sleep(self._latency_s)
        link.send(SubmitSmResp(carrier_id), sequence)
        if self._report and not self._early:
            await self._tell(link, carrier_id)

    async def _tell(self, link: SmscLink, carrier_id: str) -> None:
        body = DeliverSm(esm_class=4, short_message=f"id:{carrier_id} stat:DELIVRD".encode())
        while not link.over:
            answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._open[link, link.send(body)] = answer
            if await answer == Status.ESME_ROK:
                return
            await asyncio.sleep(0.005)
