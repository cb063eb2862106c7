"""The SMPP side of a carrier to rehearse with, over real sockets and with a client that says what it likes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import TYPE_CHECKING

import pytest

from adapters.carriers.smpp.commands import Command, Status
from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm, DeliverSmResp, QuerySm, QuerySmResp, SubmitSm
from adapters.carriers.smpp.pdu import Body, Pdu, encode
from adapters.carriers.smpp.session_bodies import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Unbind,
    UnbindResp,
)
from adapters.carriers.smpp.tlv import Tag
from adapters.carriers.smsc import outbox, smpp_deliveries, smpp_session
from adapters.carriers.smsc.behaviour import WireBehaviour, read_behaviour
from adapters.carriers.smsc.carrier import Carrier
from adapters.carriers.smsc.smpp_server import SmppServer
from tests.smpp_client import SmppClient, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

QUICK = {"latency_s": 0.0, "receipt_delay_s": 0.0, "jitter": 0.0}


@asynccontextmanager
async def serving(**behaviour: object) -> AsyncIterator[SmppServer]:
    carrier = Carrier(None, Random(7))
    behave(carrier, **behaviour)
    server = SmppServer(carrier, "127.0.0.1", 0, {"user": "secret", "other": "secret"})
    await server.open()
    try:
        yield server
    finally:
        await server.close()


def behave(carrier: Carrier, **behaviour: object) -> None:
    carrier.behave(read_behaviour(QUICK | behaviour, WireBehaviour()))


async def until(truth: object) -> None:
    assert callable(truth)
    async with asyncio.timeout(20):
        while not truth():
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("kind", [BindReceiver, BindTransmitter, BindTransceiver])
async def test_a_client_is_let_in_by_each_kind_of_bind(kind: type[Body]) -> None:
    async with serving() as server, SmppClient.connected(server.port) as client:
        answer = await client.ask(kind("user", "secret"))
        assert answer.status == Status.ESME_ROK
        assert answer.command == kind.command | 0x80000000
        assert answer.body.tlvs[Tag.SC_INTERFACE_VERSION] == b"\x34"


@pytest.mark.parametrize(
    ("login", "status"),
    [(("nobody", "secret"), Status.ESME_RINVSYSID), (("user", "wrong"), Status.ESME_RINVPASWD)],
)
async def test_a_stranger_is_refused_and_hung_up_on(login: tuple[str, str], status: Status) -> None:
    async with serving() as server, SmppClient.connected(server.port) as client:
        assert (await client.ask(BindTransceiver(*login))).status == status
        assert await client.rest() == b""


async def test_nobody_binds_twice_over_one_connection() -> None:
    async with serving() as server, SmppClient.bound(server.port) as client:
        assert (await client.ask(BindTransceiver("user", "secret"))).status == Status.ESME_RALYBND


async def test_who_does_not_bind_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_session, "BIND_WITHIN_S", 0.01)
    async with serving() as server, SmppClient.connected(server.port) as client:
        await until(lambda: server.sessions)
        await until(lambda: not server.sessions)
        with suppress(ConnectionResetError):
            assert await client.rest() == b""


async def test_a_submit_is_answered_with_an_id_and_reported_on_by_it() -> None:
    async with serving() as server, SmppClient.bound(server.port) as client:
        answer = await client.ask(text("hello you"))
        receipt = await client.deliver()
        assert answer.status == Status.ESME_ROK
        assert receipt.tlvs[Tag.RECEIPTED_MESSAGE_ID].rstrip(b"\0").decode() == answer.body.message_id
        assert receipt.tlvs[Tag.MESSAGE_STATE] == b"\x02"
        words = receipt.short_message.decode()
        assert words.startswith(f"id:{answer.body.message_id} sub:001 dlvrd:001 submit date:")
        assert words.endswith("stat:DELIVRD err:000 text:hello you")
        assert receipt.esm_class == 0x04
        assert (receipt.source_addr, receipt.destination_addr) == ("8613800001234", "1069")


@pytest.mark.parametrize(("receipt_in", "has_text", "has_tlvs"), [("text", True, False), ("tlv", False, True)])
async def test_a_receipt_says_it_in_text_or_parameters_alone(receipt_in: str, has_text: bool, has_tlvs: bool) -> None:
    async with serving(receipt_in=receipt_in) as server, SmppClient.bound(server.port) as client:
        await client.ask(text())
        receipt = await client.deliver()
        assert (bool(receipt.short_message), Tag.MESSAGE_STATE in receipt.tlvs) == (has_text, has_tlvs)


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        ({"refused": 1.0}, Status.ESME_RINVDSTADR),
        ({"fault": 1.0}, Status.ESME_RSYSERR),
        ({"throttled": 1.0}, Status.ESME_RTHROTTLED),
        ({"rate": 0.5}, Status.ESME_RTHROTTLED),
    ],
)
async def test_what_is_not_accepted_has_a_status_and_no_receipt(behaviour: dict[str, float], status: Status) -> None:
    async with serving(**behaviour) as server, SmppClient.bound(server.port) as client:
        answer = await client.ask(text())
        assert (answer.status, answer.body.message_id) == (status, "")
        assert not server._carrier.counts["receipts"]


async def test_a_silent_submit_is_taken_and_never_answered() -> None:
    async with serving(silent=1.0) as server, SmppClient.bound(server.port) as client:
        client.say(text())
        assert (await client.deliver()).tlvs[Tag.MESSAGE_STATE] == b"\x02"
        assert (await client.ask(EnquireLink())).command == Command.ENQUIRE_LINK_RESP
        assert not client._unread


async def test_more_unanswered_submits_than_its_window_find_the_queue_full() -> None:
    async with serving(window=2, latency_s=0.2) as server, SmppClient.bound(server.port) as client:
        for _ in range(3):
            client.say(text())
        statuses = [(await client._read()).status for _ in range(3)]
        assert statuses == [Status.ESME_RMSGQFUL, Status.ESME_ROK, Status.ESME_ROK]


async def test_a_receiver_may_not_submit() -> None:
    async with serving() as server, SmppClient.bound(server.port, BindReceiver) as client:
        assert (await client.ask(text())).status == Status.ESME_RINVBNDSTS


async def test_receipts_come_over_any_receiver_of_the_account_and_no_other_account_s() -> None:
    async with (
        serving() as server,
        SmppClient.bound(server.port, BindTransmitter) as sender,
        SmppClient.bound(server.port, BindReceiver, "other") as stranger,
        SmppClient.bound(server.port, BindReceiver) as receiver,
    ):
        await sender.ask(text())
        assert (await receiver.deliver()).tlvs[Tag.MESSAGE_STATE] == b"\x02"
        await stranger.ask(EnquireLink())
        assert not stranger._unread


async def test_receipts_wait_for_a_receiver() -> None:
    async with serving() as server, SmppClient.bound(server.port, BindTransmitter) as sender:
        answer = await sender.ask(text())
        await until(lambda: server._carrier.counts["receipts"])
        async with SmppClient.bound(server.port, BindReceiver) as receiver:
            receipt = await receiver.deliver()
            assert receipt.tlvs[Tag.RECEIPTED_MESSAGE_ID].rstrip(b"\0").decode() == answer.body.message_id
            await until(lambda: not server._carrier.held)


async def test_a_receipt_that_is_refused_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "AGAIN_S", 0.01)
    async with serving() as server, SmppClient.bound(server.port) as client:
        await client.ask(text())
        first = await client.deliver(Status.ESME_RX_T_APPN)
        assert await client.deliver() == first
        await until(lambda: not server._carrier.held)


async def test_a_receipt_that_is_not_answered_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "AGAIN_S", 0.01)
    monkeypatch.setattr(smpp_deliveries, "ANSWER_WITHIN_S", 0.05)
    monkeypatch.setattr(smpp_session, "LOOK_S", 0.02)
    async with serving() as server, SmppClient.bound(server.port) as client:
        await client.ask(text())
        first, _ = await client.hear(DeliverSm)
        assert await client.deliver() == first
        await until(lambda: server._carrier.counts["taken"])


async def test_a_receipt_that_was_under_way_when_the_client_left_comes_again() -> None:
    async with serving() as server:
        async with SmppClient.bound(server.port) as client:
            await client.ask(text())
            first, _ = await client.hear(DeliverSm)
        async with SmppClient.bound(server.port) as client:
            assert await client.deliver() == first


async def test_no_more_receipts_are_sent_at_once_than_can_be_kept_track_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_deliveries, "UNANSWERED", 2)
    async with serving(receipt_early=1.0) as server, SmppClient.bound(server.port) as client:
        for _ in range(4):
            await client.ask(text())
        held = [pdu for pdu in client._unread if isinstance(pdu.body, DeliverSm)]
        assert len(held) == 2
        client.say(DeliverSmResp(), held[0].sequence)
        client.say(DeliverSmResp(), held[1].sequence)
        client._unread.clear()
        for _ in range(2):
            await client.deliver()


async def test_parts_are_known_by_a_header_or_by_parameters() -> None:
    async with serving() as server, SmppClient.bound(server.port) as client:
        header = bytes((5, 0, 3, 77, 2, 1))
        octets = header + "部分".encode("utf-16-be")
        await client.ask(SubmitSm(destination_addr="86138", esm_class=0x40, data_coding=8, short_message=octets))
        sar = {Tag.SAR_MSG_REF_NUM: b"\0\x09", Tag.SAR_TOTAL_SEGMENTS: b"\x03", Tag.SAR_SEGMENT_SEQNUM: b"\x02"}
        await client.ask(text("part", tlvs=sar))
        await client.ask(DataSm(destination_addr="86138", tlvs={Tag.MESSAGE_PAYLOAD: b"all of it"}))
        told = [submit for _, submit in server._carrier.shown]
        assert [(submit.text, submit.part) for submit in told] == [
            ("部分", (77, 1, 2)),
            ("part", (9, 2, 3)),
            ("all of it", None),
        ]


async def test_of_a_message_it_can_be_asked() -> None:
    async with serving(receipt_early=1.0, undelivered=1.0) as server, SmppClient.bound(server.port) as client:
        answer = await client.ask(text())
        found = (await client.ask(QuerySm(answer.body.message_id))).body
        assert isinstance(found, QuerySmResp)
        assert found.message_state == 5
        assert found.final_date.endswith("000+")
        assert (await client.ask(QuerySm("unknown"))).status == Status.ESME_RQUERYFAIL


async def test_a_phone_writes_to_an_account_in_as_many_parts_as_it_takes() -> None:
    async with serving() as server, SmppClient.bound(server.port) as client:
        server._carrier.receive("user", "8613800001234", "1069", "TD")
        short = await client.deliver()
        assert (short.source_addr, short.destination_addr, short.short_message) == ("8613800001234", "1069", b"TD")
        assert short.esm_class == 0
        server._carrier.receive("user", "8613800001234", "1069", "长" * 100)
        parts = [await client.deliver() for _ in range(2)]
        assert [part.esm_class for part in parts] == [0x40, 0x40]
        assert "".join(part.short_message[6:].decode("utf-16-be") for part in parts) == "长" * 100
        await until(lambda: not server._carrier.held)
        assert server._carrier.counts["taken"] == 2


@pytest.mark.parametrize("refused", [0, 1])
async def test_of_a_message_in_parts_all_come_again_if_one_is_refused(
    refused: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "AGAIN_S", 0.01)
    async with serving() as server, SmppClient.bound(server.port) as client:
        server._carrier.receive("user", "8613800001234", "1069", "长" * 100)
        first = [await client.hear(DeliverSm) for _ in range(2)]
        for position, (_, sequence) in enumerate(first):
            client.say(DeliverSmResp(), sequence, Status.ESME_RX_T_APPN if position == refused else Status.ESME_ROK)
        assert [await client.deliver(), await client.deliver()] == [body for body, _ in first]
        await client.ask(EnquireLink())  # by then it has heard our answers
        assert (server._carrier.held, server._carrier.counts["taken"]) == (0, 1)


async def test_an_enquiry_and_a_goodbye_are_answered() -> None:
    async with serving() as server, SmppClient.bound(server.port) as client:
        assert (await client.ask(EnquireLink())).command == Command.ENQUIRE_LINK_RESP
        assert (await client.ask(Unbind())).command == Command.UNBIND_RESP
        assert await client.rest() == b""
        await until(lambda: not server.sessions)


async def test_a_quiet_client_is_asked_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_session, "LOOK_S", 0.01)
    monkeypatch.setattr(smpp_session, "ENQUIRE_AFTER_S", 0.05)
    monkeypatch.setattr(smpp_session, "GIVE_UP_AFTER_S", 0.5)
    async with serving() as server, SmppClient.bound(server.port) as client:
        _, sequence = await client.hear(EnquireLink)
        client.say(EnquireLinkResp(), sequence)
        await until(lambda: not server.sessions)


async def test_what_is_no_pdu_is_nacked_and_what_has_no_end_is_hung_up_on() -> None:
    async with serving() as server, SmppClient.bound(server.port) as client:
        assert (await client.ask(Outbind())).status == Status.ESME_RINVCMDID
        client.write(bytes.fromhex("00000010 0000aaaa 00000000 00000009"))
        _, sequence = await client.hear(GenericNack)
        assert sequence == 9
        client.write(b"\xff" * 16)
        await client.rest()
        await until(lambda: not server.sessions)


async def test_a_carrier_that_is_down_refuses_connections_and_is_there_again_when_it_is_up() -> None:
    async with serving() as server:
        async with SmppClient.bound(server.port) as client:
            behave(server._carrier, state="down")
            with pytest.raises(ConnectionResetError):
                await client.hear(EnquireLink)
        await until(lambda: server._server is None)
        with pytest.raises(ConnectionRefusedError):
            async with SmppClient.connected(server.port):
                pass
        behave(server._carrier)
        await until(lambda: server._server is not None)
        async with SmppClient.bound(server.port):
            pass


async def test_a_mute_carrier_says_nothing_until_it_is_well() -> None:
    async with serving() as server, SmppClient.bound(server.port) as client:
        behave(server._carrier, state="mute")
        asked = client.say(EnquireLink())
        client.say(text())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.hear(EnquireLinkResp)
        assert not server._carrier.counts["accepted"]
        behave(server._carrier)
        _, answered = await client.hear(EnquireLinkResp)
        assert answered == asked
        await client.deliver()


async def test_it_may_hang_up_after_so_many_submits() -> None:
    async with serving(disconnect_after=2) as server, SmppClient.bound(server.port) as client:
        await client.ask(text(registered_delivery=0))
        assert (await client.ask(text(registered_delivery=0))).status == Status.ESME_ROK
        assert await client.rest() == b""


async def test_it_may_break_off_in_the_middle_of_an_answer() -> None:
    async with serving(disconnect_after=1, disconnect_by="mid_pdu", receipt_never=1.0) as server:
        async with SmppClient.bound(server.port) as client:
            client.say(text())
            cut = await client.rest()
            whole = int.from_bytes(cut[:4], "big")
            assert 0 < len(cut) < whole
        assert server._carrier.counts["accepted"] == 1


async def test_it_may_say_goodbye_from_time_to_time() -> None:
    often = serving(disconnect_every_s=0.05, disconnect_by="unbind")
    async with often as server, SmppClient.bound(server.port) as client:
        _, sequence = await client.hear(Unbind)
        client.write(encode(Pdu(UnbindResp(), sequence)))
        assert await client.rest() == b""


async def test_a_client_that_does_not_read_is_neither_heard_nor_sent_more_until_it_does() -> None:
    async with serving() as server, SmppClient.bound(server.port) as client:
        (session,) = server.sessions
        session.pause_writing()  # as its transport says when answers pile up
        assert not session.room
        asked = client.say(EnquireLink())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.hear(EnquireLinkResp)
        session.resume_writing()
        assert session.room
        assert (await client.hear(EnquireLinkResp))[1] == asked
