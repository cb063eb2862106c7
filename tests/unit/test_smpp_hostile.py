"""Whatever a carrier sends, a session is well or over: nothing escapes, nothing gathers, nobody waits for ever."""

from __future__ import annotations

import asyncio
from struct import pack
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.smpp.commands import Command
from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm, SubmitSm
from adapters.carriers.smpp.pdu import MAX_PDU, Frames
from adapters.carriers.smpp.requests import NoAnswerError
from adapters.carriers.smpp.session import Pace, Session
from adapters.carriers.smpp.session_bodies import EnquireLinkResp

commands = st.sampled_from([int(command) for command in Command]) | st.integers(0, 0xFFFFFFFF)
framed = st.builds(
    lambda command, status, sequence, body: pack(">IIII", 16 + len(body), command, status, sequence) + body,
    commands,
    st.sampled_from([0, 8, 0x58]) | st.integers(0, 0xFFFFFFFF),
    st.integers(0, 5) | st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=80),
)
streams = st.lists(framed | st.binary(max_size=40), max_size=30).map(b"".join)


class Wire:
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.closed = False

    def write(self, octets: bytes) -> None:
        self.written += octets

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def _take(body: DeliverSm | DataSm) -> None:
    return None


async def _hear(stream: bytes, cuts: list[int]) -> None:
    session, wire = Session(_take, 10, Pace()), Wire()
    session.link.connection_made(wire)  # type: ignore[arg-type]
    running = asyncio.create_task(session.run())
    submits = [asyncio.create_task(session.submit(SubmitSm(), lambda pdu: None)) for _ in range(3)]
    await asyncio.sleep(0)
    start = 0
    for end in [*sorted(cut for cut in cuts if cut < len(stream)), len(stream)]:
        session.link.data_received(stream[start:end])
        start = end
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(session.link._frames._buffer) <= MAX_PDU + len(stream)
    assert len(session._deliveries._under_way) == 0
    if session.reason is None and not session.link._frames._buffer[session.link._frames._start :]:
        wire.written.clear()
        session.link.data_received(pack(">IIII", 16, Command.ENQUIRE_LINK, 0, 99))
        frames = Frames()
        frames.feed(bytes(wire.written))
        answer: Any = frames.take()
        assert (answer.body, answer.sequence) == (EnquireLinkResp(), 99)
    session.end("the test is over")
    for ended in await asyncio.gather(*submits, return_exceptions=True):
        assert not isinstance(ended, BaseException) or isinstance(ended, NoAnswerError)
    await running
    assert wire.closed


@given(streams, st.lists(st.integers(0, 500), max_size=5))
def test_whatever_comes_the_session_goes_on_or_ends(stream: bytes, cuts: list[int]) -> None:
    asyncio.run(_hear(stream, cuts))
