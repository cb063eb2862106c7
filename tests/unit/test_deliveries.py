"""Deliveries are taken out of the bytes of a connection, in whatever pieces those come; all else is left as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from adapters.rabbitmq import headers
from adapters.rabbitmq.deliveries import ALIVE, Arrival, Sieve
from adapters.rabbitmq.headers import Slip

OURS, THEIRS = "0b7f", "d00d"


def message(tag: int, body: bytes, *, channel: int = 1, consumer: str = OURS, pieces: int = 1, **about: Any) -> bytes:
    size = -(-len(body) // pieces) or 1
    frames = [
        Basic.Deliver(consumer, tag, False, "sms.jobs", "otp"),
        ContentHeader(0, len(body), Basic.Properties(**about)),
        *(ContentBody(body[at : at + size]) for at in range(0, len(body), size)),
    ]
    return b"".join(frame.marshal(each, channel) for each in frames)


def between(channel: int = 1) -> bytes:
    return frame.marshal(Channel.CloseOk(), channel) + Heartbeat().marshal() + frame.marshal(Basic.ConsumeOk("a"), 2)


async def passed(pieces: Iterable[bytes]) -> tuple[list[Arrival], bytes]:
    """What was received, and what the library reads, but for the signs of life."""
    arrivals: list[Arrival] = []
    sieve = Sieve({OURS.encode(): arrivals.append})
    for piece in pieces:
        sieve.feed_data(piece)
    sieve.feed_eof()
    read = await sieve.read()
    return arrivals, read.replace(ALIVE, b"")


@given(st.lists(st.integers(0, 2000)), st.integers(1, 4), st.binary(max_size=300))
def test_however_the_bytes_come_the_same_messages_are_received(cuts: list[int], pieces: int, body: bytes) -> None:
    stream = (
        between()
        + message(1, body, pieces=pieces, headers={"x-deferrals": 2}, content_type="application/json")
        + message(1, b"not ours", consumer=THEIRS, channel=2)
        + between()
        + message(2, b"", message_id="m")
        + message(3, b"{}")
    )
    borders = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    arrivals, read = asyncio.run(passed(stream[a:b] for a, b in pairwise(borders)))
    assert [(each.tag, each.body, each.routing_key) for each in arrivals] == [
        (1, body, "otp"),
        (2, b"", "otp"),
        (3, b"{}", "otp"),
    ]
    assert arrivals[0].properties.headers == {"x-deferrals": 2}
    assert arrivals[1].properties.message_id == "m"
    others = between() + message(1, b"not ours", consumer=THEIRS, channel=2) + between()
    assert read == others.replace(ALIVE, b"")


async def test_messages_of_several_channels_may_come_in_turns() -> None:
    one, two = message(1, b"first body", channel=1, pieces=2), message(1, b"second", channel=2)
    last = 7 + 5 + 1  # bytes of the last frame
    arrivals, _ = await passed([one[:-last], two, one[-last:]])
    assert [each.body for each in arrivals] == [b"second", b"first body"]


async def test_what_follows_a_message_that_was_broken_off_is_the_librarys() -> None:
    broken = message(1, b"a body", pieces=2)[:-11]
    got = b"".join(
        frame.marshal(each, 1)
        for each in (Basic.GetOk(1, False, "", "", 0), ContentHeader(0, 1, Basic.Properties()), ContentBody(b"x"))
    )
    arrivals, read = await passed([broken + got])
    assert not arrivals
    assert read == got


async def test_properties_nobody_can_read_are_none() -> None:
    good, readable, unreadable = message(1, b"body", message_id="m"), b"\x00\x80\x01m", b"\x20\x00\xff\xff"
    assert readable in good
    arrivals, _ = await passed([good.replace(readable, unreadable)])
    assert [each.body for each in arrivals] == [b"body"]
    assert arrivals[0].properties.message_id is None


async def test_a_message_is_bare_that_has_neither_headers_nor_a_timestamp() -> None:
    now = datetime.now(UTC)
    about: list[dict[str, Any]] = [
        {},
        {"content_type": "application/json", "delivery_mode": 2, "message_id": "m"},
        {"headers": {"x-wait-ms": 1}},
        {"timestamp": now},
    ]
    arrivals, _ = await passed([message(tag, b"{}", **each) for tag, each in enumerate(about, 1)])
    assert [each.is_bare for each in arrivals] == [True, True, False, False]
    assert [headers.read(each.properties) == Slip() for each in arrivals] == [True, True, False, False]


async def test_a_server_that_is_no_broker_is_left_to_the_library() -> None:
    for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"AMQP\x00\x00\x09\x01"):
        assert await passed([answer[:3], answer[3:]]) == ([], answer)


async def test_the_library_sees_that_a_connection_lives_over_which_only_deliveries_come() -> None:
    sieve = Sieve({OURS.encode(): lambda _: None})
    for tag in range(1, 50):
        sieve.feed_data(message(tag, b"body"))
    sieve.feed_eof()
    assert await sieve.read() == ALIVE


async def test_a_defect_in_receiving_costs_nothing_but_its_message(caplog: pytest.LogCaptureFixture) -> None:
    tags: list[int] = []

    def receive(arrival: Arrival) -> None:
        if arrival.tag == 1:
            raise KeyError(arrival.tag)
        tags.append(arrival.tag)

    Sieve({OURS.encode(): receive}).feed_data(message(1, b"body") + message(2, b"body"))
    assert tags == [2]
    assert "could not be received" in caplog.text
