"""Our channel against a carrier that others wrote: the npm package `smpp`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from engine.inbound import InboundMessage
from engine.message import Recipient
from engine.outcomes import Accepted, ChannelFault, Throttled, Unanswered
from engine.receipts import DeliveryReceipt, State
from tests.carriers import message
from tests.certificates import Certificates
from tests.peers.node_server import node_server
from tests.smpp_channel import ours

if TYPE_CHECKING:
    from pathlib import Path

    from engine.message import Message

LONG = "A code, and a long story of how it came about {€}. " * 7


def to_britain(text: str, segments: int = 1) -> Message:
    return message()._replace(text=text, segments=segments, recipient=Recipient("+447700900123", "GB"))


@pytest.mark.parametrize("receipts", ["text", "tlv", "both"])
async def test_it_understands_our_submits_and_we_its_answers_and_receipts(receipts: str) -> None:
    async with node_server(receipts=receipts) as server, ours(server.port) as here:
        accepted = await here.submit()
        assert isinstance(accepted, Accepted)
        await here.until(lambda: here.news)
        (dlr,) = here.news
        assert isinstance(dlr, DeliveryReceipt)
        assert (int(dlr.carrier_id, 16), dlr.state) == (int(accepted.carrier_id), State.DELIVERED)
        await server.counts()  # by then it has told what it heard
        (heard,) = server.submits
        assert (heard["text"], heard["data_coding"]) == ("【Acme】Your code is 1234.", 8)
        assert (heard["source_addr"], heard["destination_addr"]) == ("1069", "8613800001234")
        assert heard["registered_delivery"] == 1
        counts = await server.counts()
        while not counts["receipts_acknowledged"]:
            counts = await server.counts()
        assert counts["receipts"] == 1


async def test_a_receipt_that_we_could_not_keep_comes_again() -> None:
    async with node_server() as server, ours(server.port) as here:
        here.refusals = 2
        await here.submit()
        await here.until(lambda: here.news)
        assert (await server.counts())["receipts"] >= 3


@pytest.mark.parametrize(("way", "expected"), [("udh", 3), ("sar", 3), ("payload", 1)])
async def test_it_gets_long_messages_whole_however_they_are_written(way: str, expected: int) -> None:
    async with node_server() as server, ours(server.port, long_messages=way) as here:
        accepted = await here.submit(to_britain(LONG, 3))
        assert isinstance(accepted, Accepted)
        await server.counts()  # by then it has told what it heard
        assert len(accepted.carrier_id.split()) == len(server.submits) == expected
        assert "".join(heard["text"] for heard in server.submits) == LONG
        assert {heard["data_coding"] for heard in server.submits} == {0}
        if way == "udh":
            marks = [bytes.fromhex(heard["udh"]) for heard in server.submits]
            assert [(mark[-2], mark[-1]) for mark in marks] == [(3, 1), (3, 2), (3, 3)]
            assert all(heard["esm_class"] & 0x40 for heard in server.submits)
        if way == "sar":
            assert [heard["sar"][1:] for heard in server.submits] == [[1, 3], [2, 3], [3, 3]]
        await here.until(lambda: len(here.news) == expected)


async def test_its_answers_are_the_outcomes_they_mean() -> None:
    async with node_server(receipts="none") as server, ours(server.port) as here:
        await server.set(status="ESME_RTHROTTLED")
        assert isinstance(await here.submit(), Throttled)
        await server.set(status="ESME_RMSGQFUL")
        assert isinstance(await here.submit(), Throttled)
        await server.set(status="ESME_RSYSERR")
        assert isinstance(await here.submit(), ChannelFault)
        await server.set(status=None)
        assert isinstance(await here.submit(), Accepted)


async def test_a_wrong_password_is_a_fault_that_does_not_heal() -> None:
    async with node_server() as server, ours(server.port, password="wrong") as here:
        assert not here.channel.ready
        outcome = await here.channel.submit(message())
        assert isinstance(outcome, ChannelFault)
        assert outcome.fatal


@pytest.mark.parametrize("how", ["unbind", "destroy"])
async def test_when_it_ends_the_session_we_bind_again(how: str) -> None:
    async with node_server() as server, ours(server.port, mode="transmitter+receiver") as here:
        await here.submit()
        assert (await server.counts())["binds"] == 2
        server.end_sessions(how)
        counts = await server.counts()
        while counts["binds"] < 4:
            counts = await server.counts()
        await here.until(lambda: here.channel.ready)
        assert isinstance(await here.submit(), Accepted)


async def test_a_submit_under_way_when_it_is_gone_is_unanswered() -> None:
    async with node_server(silent=True, receipts="none") as server, ours(server.port) as here:
        submitting = asyncio.create_task(here.submit())
        await here.until(lambda: server.submits)
        server.end_sessions("destroy")
        assert isinstance(await submitting, Unanswered)


async def test_we_read_what_phones_write_to_it() -> None:
    async with node_server() as server, ours(server.port) as here:
        sides: dict[str, Any] = {"source_addr": "447700900123", "destination_addr": "1069"}
        server.say(b"STOP", **sides)
        server.say("退订".encode("utf-16-be"), data_coding=8, **sides)
        server.say(bytes((5, 0, 3, 9, 2, 1)) + b"first ", esm_class=0x40, **sides)
        server.say(bytes((5, 0, 3, 9, 2, 2)) + b"second", esm_class=0x40, **sides)
        await here.until(lambda: len(here.news) == 3)
        assert all(isinstance(news, InboundMessage) for news in here.news)
        assert [news.text for news in here.news] == ["STOP", "退订", "first second"]


async def test_we_speak_to_it_over_tls_and_to_nobody_else(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.sign("carrier", "IP:127.0.0.1")
    certificates.sign("elsewhere", "DNS:elsewhere.example.com")
    trust = {"ca_file": certificates.path("ca.pem")}
    files = {"key": certificates.path("carrier.key"), "cert": certificates.path("carrier.pem")}
    async with node_server(**files) as server, ours(server.port, tls=trust) as here:
        assert isinstance(await here.submit(), Accepted)
        await here.until(lambda: here.news)
    files = {"key": certificates.path("elsewhere.key"), "cert": certificates.path("elsewhere.pem")}
    async with node_server(**files) as server, ours(server.port, tls=trust) as here:
        assert not here.channel.ready
        assert (await server.counts())["binds"] == 0
