"""Our channel against another carrier that others wrote: the PyPI package `smpp34`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import smpp34

from engine.inbound import InboundMessage
from engine.message import Recipient
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled
from engine.receipts import State
from tests.carriers import message
from tests.peers.smpp34_server import smpp34_server
from tests.smpp_channel import ours

if TYPE_CHECKING:
    from engine.outcomes import Outcome


async def test_it_understands_our_submits_and_we_its_receipts_in_parameters() -> None:
    async with smpp34_server() as server, ours(server.port) as here:
        accepted = await here.submit()
        assert isinstance(accepted, Accepted)
        await here.until(lambda: here.news and server.acknowledged)
        assert [(dlr.carrier_id, dlr.state) for dlr in here.news] == [(accepted.carrier_id, State.DELIVERED)]
        assert server.acknowledged == [0]
        (heard,) = server.submits
        assert heard.short_message.decode("utf-16-be") == "【Acme】Your code is 1234."
        assert (heard.source_addr, heard.destination_addr, heard.data_coding) == ("1069", "8613800001234", 8)


async def test_we_understand_its_receipts_in_text() -> None:
    async with smpp34_server() as server, ours(server.port) as here:
        server.tlv = False
        accepted = await here.submit()
        assert isinstance(accepted, Accepted)
        await here.until(lambda: here.news)
        (dlr,) = here.news
        assert (int(dlr.carrier_id), dlr.state) == (int(accepted.carrier_id, 16), State.UNDELIVERED)
        assert dlr.status == "REJECTD err:00A"


async def test_a_receipt_that_we_could_not_keep_is_answered_with_an_error() -> None:
    async with smpp34_server() as server, ours(server.port) as here:
        here.refusals = 1
        await here.submit()
        await here.until(lambda: server.acknowledged)
        assert server.acknowledged != [0]
        assert not here.news


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (smpp34.ESME_RTHROTTLED, Throttled),
        (smpp34.ESME_RMSGQFUL, Throttled),
        (smpp34.ESME_RINVDSTADR, Refused),
        (smpp34.ESME_RSYSERR, ChannelFault),
    ],
)
async def test_its_answers_are_the_outcomes_they_mean(status: int, outcome: type[Outcome]) -> None:
    async with smpp34_server() as server, ours(server.port) as here:
        server.status = status
        assert isinstance(await here.submit(), outcome)


async def test_it_gets_long_messages_in_parts() -> None:
    async with smpp34_server() as server, ours(server.port) as here:
        text = "一二三四五六七八九十" * 10
        long = message()._replace(text=text, segments=2, recipient=Recipient("+8613800001234", "CN"))
        accepted = await here.submit(long)
        assert isinstance(accepted, Accepted)
        assert len(accepted.carrier_id.split()) == 2
        assert "".join(heard.short_message[6:].decode("utf-16-be") for heard in server.submits) == text
        assert [heard.short_message[4:6] for heard in server.submits] == [b"\x02\x01", b"\x02\x02"]
        await here.until(lambda: len(here.news) == 2)


async def test_we_read_what_phones_write_to_it() -> None:
    async with smpp34_server() as server, ours(server.port) as here:
        await server.say(b"STOP \x1b\x65")
        await server.say("退订".encode("utf-16-be"), data_coding=8)
        assert all(isinstance(news, InboundMessage) for news in here.news)
        assert [news.text for news in here.news] == ["STOP €", "退订"]


async def test_messages_go_over_all_binds() -> None:
    async with smpp34_server() as server, ours(server.port, binds=3) as here:
        await here.until(lambda: len(server.sessions) == 3)
        await asyncio.gather(*(here.submit() for _ in range(60)))
        assert len({heard.session_id for heard in server.submits}) == 3
