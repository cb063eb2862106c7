"""SMPP PDUs to bytes and back.

The vectors were written by others: the specification's own example (SMPP 3.4, 3.2.3), the npm package `smpp` 0.5.1 and
the package `smpp34` 1.5.0.
"""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.smpp.commands import Command, Status, status_name
from adapters.carriers.smpp.layout import OCTET
from adapters.carriers.smpp.message_bodies import (
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    QuerySm,
    QuerySmResp,
    SubmitSm,
    SubmitSmResp,
)
from adapters.carriers.smpp.pdu import MAX_PDU, Body, Frames, Pdu, PduError, decode, encode
from adapters.carriers.smpp.session_bodies import (
    AlertNotification,
    BindReceiver,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Unbind,
    UnbindResp,
)
from adapters.carriers.smpp.tlv import Tag

PHONE = "8613800138000"
SPECIFICATION = [
    (
        "0000002f000000020000000000000001534d50503354455354007365637265743038005355424d4954310000010100",
        Pdu(
            BindTransmitter(
                system_id="SMPP3TEST",
                password="secret08",
                system_type="SUBMIT1",
                interface_version=0,
                addr_ton=1,
                addr_npi=1,
            ),
            1,
        ),
    )
]
NODE_SMPP = [
    (
        "00000024000000090000000000000001757365720073656372657400564d410034000000",
        Pdu(BindTransceiver(system_id="user", password="secret", system_type="VMA"), 1),
    ),
    (
        "0000001a800000090000000000000001736d7363000210000134",
        Pdu(BindTransceiverResp("smsc", {Tag.SC_INTERFACE_VERSION: b"\x34"}), 1),
    ),
    (
        "00000025000000010000000000000002757365720073656372657400005001015e38363100",
        Pdu(
            BindReceiver("user", "secret", interface_version=0x50, addr_ton=1, addr_npi=1, address_range="^861"),
            2,
        ),
    ),
    ("00000010800000020000000e00000003", Pdu(BindTransmitterResp(), 3, Status.ESME_RINVPASWD)),
    (
        (
            "0000003c00000004000000000000000700050041636d65000101383631333830303133383030300000000000000100080004"
            "4f60597d020400020201"
        ),
        Pdu(
            SubmitSm(
                source_addr_ton=5,
                source_addr="Acme",
                dest_addr_ton=1,
                dest_addr_npi=1,
                destination_addr=PHONE,
                registered_delivery=1,
                data_coding=8,
                short_message="你好".encode("utf-16-be"),
                tlvs={Tag.USER_MESSAGE_REFERENCE: b"\x02\x01"},
            ),
            7,
        ),
    ),
    ("00000017800000040000000000000007304131622d3900", Pdu(SubmitSmResp("0A1b-9"), 7)),
    ("00000010800000040000005800000008", Pdu(SubmitSmResp(), 8, Status.ESME_RTHROTTLED)),
    (
        (
            "0000005a0000000500000000000000090001013836313338303031333830303000000031303639000400000000000000001169643a"
            "3120737461743a44454c49565244001e0007304131622d3900042700010204230003030001"
        ),
        Pdu(
            DeliverSm(
                source_addr_ton=1,
                source_addr_npi=1,
                source_addr=PHONE,
                destination_addr="1069",
                esm_class=4,
                short_message=b"id:1 stat:DELIVRD",
                tlvs={
                    Tag.RECEIPTED_MESSAGE_ID: b"0A1b-9\0",
                    Tag.MESSAGE_STATE: b"\x02",
                    Tag.NETWORK_ERROR_CODE: b"\x03\x00\x01",
                },
            ),
            9,
        ),
    ),
    ("0000001180000005000000000000000900", Pdu(DeliverSmResp(), 9)),
    (
        "0000003100000103000000000000000a000000313036390000003836313338303031333830303000000008042400024f60",
        Pdu(
            DataSm(source_addr="1069", destination_addr=PHONE, data_coding=8, tlvs={Tag.MESSAGE_PAYLOAD: b"\x4f\x60"}),
            10,
        ),
    ),
    (
        "0000001880000103000000000000000a3737000425000101",
        Pdu(DataSmResp("77", {Tag.DELIVERY_FAILURE_REASON: b"\x01"}), 10),
    ),
    ("0000001a00000003000000000000000b37370000003130363900", Pdu(QuerySm("77", source_addr="1069"), 11)),
    ("0000001680000003000000000000000b373700000200", Pdu(QuerySmResp("77", message_state=2), 11)),
    ("000000180000000b000000000000000c736d736300707700", Pdu(Outbind("smsc", "pw"), 12)),
    (
        "0000002c00000102000000000000000d01013836313338303031333830303000000031303639000422000100",
        Pdu(
            AlertNotification(1, 1, PHONE, esme_addr="1069", tlvs={Tag.MS_AVAILABILITY_STATUS: b"\0"}),
            13,
        ),
    ),
    ("0000001000000006000000000000000e", Pdu(Unbind(), 14)),
    ("0000001080000006000000000000000e", Pdu(UnbindResp(), 14)),
    ("0000001000000015000000000000000e", Pdu(EnquireLink(), 14)),
    ("0000001080000015000000000000000e", Pdu(EnquireLinkResp(), 14)),
    ("0000001080000000000000030000000f", Pdu(GenericNack(), 15, Status.ESME_RINVCMDID)),
]
SMPP34 = [
    (
        (
            "0000006500000004000000007fffffff434d5400050041636d65000101383631333830303133383030300040030232363031303131"
            "32303030303030302b00303030303030303030353030303030520001010804044f60597d020c00020007140100027879"
        ),
        Pdu(
            SubmitSm(
                service_type="CMT",
                source_addr_ton=5,
                source_addr="Acme",
                dest_addr_ton=1,
                dest_addr_npi=1,
                destination_addr=PHONE,
                esm_class=0x40,
                protocol_id=3,
                priority_flag=2,
                schedule_delivery_time="260101120000000+",
                validity_period="000000000500000R",
                registered_delivery=1,
                replace_if_present_flag=1,
                data_coding=8,
                sm_default_msg_id=4,
                short_message="你好".encode("utf-16-be"),
                tlvs={Tag.SAR_MSG_REF_NUM: b"\x00\x07", 0x1401: b"xy"},
            ),
            0x7FFFFFFF,
        ),
    ),
    (
        (
            "0000003b0000000500000000000000050001013836313338303031333830303000000031303639000000000000000000000254440424"
            "0003787878"
        ),
        Pdu(
            DeliverSm(
                source_addr_ton=1,
                source_addr_npi=1,
                source_addr=PHONE,
                destination_addr="1069",
                short_message=b"TD",
                tlvs={Tag.MESSAGE_PAYLOAD: b"xxx"},
            ),
            5,
        ),
    ),
]
VECTORS = SPECIFICATION + NODE_SMPP + SMPP34
BODIES: list[type[Body]] = list(Body.__args__)

TLVS = st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=40), max_size=4)


@st.composite
def pdus(draw: st.DrawFn) -> Pdu:
    body = draw(st.sampled_from(BODIES))
    values: dict[str, object] = {"tlvs": draw(TLVS)}
    for name, kind in body.layout:
        if kind > 0:
            values[name] = draw(st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=kind - 1))
        elif kind == OCTET:
            values[name] = draw(st.integers(0, 255))
        else:
            values[name] = draw(st.binary(max_size=254))
    return Pdu(body(**values), draw(st.integers(0, 0xFFFFFFFF)), draw(st.integers(0, 0xFFFFFFFF)))  # type: ignore[arg-type]


def taken(frames: Frames) -> list[Pdu | PduError]:
    """What stands in the frames by now, the errors that are not fatal among it."""
    found: list[Pdu | PduError] = []
    while True:
        try:
            pdu = frames.take()
        except PduError as error:
            found.append(error)
            if error.fatal:
                return found
            continue
        if pdu is None:
            return found
        found.append(pdu)


@pytest.mark.parametrize(("octets", "pdu"), VECTORS)
def test_pdus_are_read_and_written_as_others_write_them(octets: str, pdu: Pdu) -> None:
    assert decode(bytes.fromhex(octets)) == pdu
    assert encode(pdu).hex() == octets


def test_every_command_has_a_body() -> None:
    assert {body.command for body in BODIES} == set(Command)


@given(pdus())
def test_what_was_written_is_read_again(pdu: Pdu) -> None:
    read = decode(encode(pdu))
    assert read == pdu
    assert read.command is pdu.command


@given(st.lists(pdus(), max_size=8), st.randoms())
def test_a_stream_is_cut_at_the_same_places_however_it_arrives(sent: list[Pdu], rng: random.Random) -> None:
    octets = b"".join(map(encode, sent))
    frames, found = Frames(), []
    while octets:
        size = rng.randint(1, 60)
        frames.feed(octets[:size])
        found += taken(frames)
        octets = octets[size:]
    assert found == sent


@given(st.binary(max_size=400))
def test_random_octets_end_in_pdus_or_in_one_kind_of_error(octets: bytes) -> None:
    frames = Frames()
    frames.feed(octets)
    taken(frames)


@given(st.sampled_from(VECTORS), st.data())
def test_a_damaged_pdu_ends_in_a_pdu_or_in_one_kind_of_error(vector: tuple[str, Pdu], data: st.DataObject) -> None:
    octets = bytearray.fromhex(vector[0])
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(4, len(octets) - 1))] = data.draw(st.integers(0, 255))
    del octets[data.draw(st.integers(16, len(octets))) :]
    octets += data.draw(st.binary(max_size=20))
    octets[:4] = len(octets).to_bytes(4, "big")
    frames = Frames()
    frames.feed(octets)
    for found in taken(frames):
        sequence = found.header.sequence if isinstance(found, PduError) else found.sequence
        assert sequence == int.from_bytes(octets[12:16], "big")


@pytest.mark.parametrize("length", [0, 15, MAX_PDU + 1, 0xFFFFFFFF])
def test_a_length_that_cannot_be_is_refused_before_the_rest_is_awaited(length: int) -> None:
    frames = Frames()
    frames.feed(encode(Pdu(EnquireLink(), 1)) + length.to_bytes(4, "big") + bytes.fromhex("000000040000000000000007"))
    assert frames.take() == Pdu(EnquireLink(), 1)
    for _ in range(2):  # and for good, for nobody knows where the next one begins
        with pytest.raises(PduError) as refused:
            frames.take()
        assert refused.value.fatal
        assert refused.value.status is Status.ESME_RINVCMDLEN
        assert refused.value.header == (length, Command.SUBMIT_SM, 0, 7)


def test_the_longest_pdu_is_taken() -> None:
    longest = Pdu(DataSm(tlvs={Tag.MESSAGE_PAYLOAD: bytes(MAX_PDU - len(encode(Pdu(DataSm(), 1))) - 4)}), 1)
    frames = Frames()
    frames.feed(encode(longest))
    assert frames.take() == longest


def test_frames_hold_no_more_than_the_unfinished_pdu() -> None:
    frames, octets = Frames(), encode(Pdu(SubmitSm(short_message=bytes(140)), 1))
    for _ in range(1000):
        frames.feed(octets + octets[:20])
        assert isinstance(frames.take(), Pdu)
        frames.feed(octets[20:])
        assert isinstance(frames.take(), Pdu)
    assert len(frames._buffer) < 3 * len(octets)


def test_after_a_malformed_body_the_next_pdu_is_read() -> None:
    unknown, cut = (
        bytes.fromhex("00000010000000080000000000000005"),
        bytes.fromhex("000000120000000400000000000000060000"),
    )
    frames = Frames()
    frames.feed(unknown + cut + encode(Pdu(EnquireLink(), 7)))
    first, second, third = taken(frames)
    assert isinstance(first, PduError)
    assert isinstance(second, PduError)
    assert (first.header.sequence, first.status, first.fatal) == (5, Status.ESME_RINVCMDID, False)
    assert (second.header.sequence, second.status, second.fatal) == (6, Status.ESME_RINVCMDLEN, False)
    assert not second.header.is_response
    assert third == Pdu(EnquireLink(), 7)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        ("0000", Status.ESME_RINVCMDLEN),
        ("00000011000000150000000000000001", Status.ESME_RINVCMDLEN),  # says one octet more than it has
        ("0000001400000004000000000000000100000000", Status.ESME_RINVCMDLEN),  # ends at source_addr
        (
            "000000210000000400000000000000010000000000000000000000000000000005",
            Status.ESME_RINVMSGLEN,
        ),  # a message of five octets of which none is there
        (f"{16 + 300:08x}000000040000000000000001" + "41" * 300, Status.ESME_RINVCMDLEN),  # a string without end
    ],
)
def test_a_request_that_lacks_something_is_refused_with_the_fitting_status(octets: str, status: Status) -> None:
    with pytest.raises(PduError) as refused:
        decode(bytes.fromhex(octets))
    assert refused.value.status is status


@pytest.mark.parametrize(
    ("octets", "pdu"),
    [
        ("00000010800000040000000800000001", Pdu(SubmitSmResp(), 1, Status.ESME_RSYSERR)),  # no body at all
        ("00000010800000040000000000000001", Pdu(SubmitSmResp(), 1)),
        ("000000128000000400000000000000013737", Pdu(SubmitSmResp("77"), 1)),  # no NUL
        ("00000010800000090000000000000001", Pdu(BindTransceiverResp(), 1)),
        ("000000128000000300000000000000013700", Pdu(QuerySmResp("7"), 1)),
        ("000000158000000400000000000000013700000000", Pdu(SubmitSmResp("7"), 1)),  # padded
        ("000000188000000400000000000000013700001e00ff3838", Pdu(SubmitSmResp("7"), 1)),  # a cut parameter
        (
            "0000001c800000040000000000000001370004270001010427000102",
            Pdu(SubmitSmResp("7", {Tag.MESSAGE_STATE: b"\x01"}), 1),
        ),  # the same parameter twice
        ("00000012000000150000000000000001dead", Pdu(EnquireLink(), 1)),
    ],
)
def test_what_sloppy_carriers_write_is_understood(octets: str, pdu: Pdu) -> None:
    assert decode(bytes.fromhex(octets)) == pdu


def test_ids_longer_than_the_specification_allows_are_read() -> None:
    octets = bytes.fromhex("0000007580000004000000000000000a") + b"a" * 100 + b"\0"
    assert decode(octets) == Pdu(SubmitSmResp("a" * 100), 10)


def test_a_response_whose_id_has_no_end_is_no_answer() -> None:
    with pytest.raises(PduError) as refused:
        decode(bytes.fromhex("0000013c800000040000000000000007" + "41" * 300))
    assert refused.value.header.is_response
    assert refused.value.header.sequence == 7


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (SubmitSm(destination_addr="1" * 21), "destination_addr"),
        (SubmitSm(source_addr="签名"), "source_addr"),
        (SubmitSm(source_addr="a\0b"), "source_addr"),
        (SubmitSm(short_message=bytes(255)), "short_message"),
        (SubmitSm(data_coding=256), "data_coding"),
        (SubmitSm(tlvs={Tag.MESSAGE_PAYLOAD: bytes(0x10000)}), "0x0424"),
        (BindReceiver(system_id="a" * 16), "system_id"),
    ],
)
def test_what_cannot_be_written_is_refused_by_the_name_of_its_field(body: Body, field: str) -> None:
    with pytest.raises(ValueError, match=field) as refused:
        encode(Pdu(body, 1))
    assert "签" not in repr(refused.value)


def test_a_sequence_number_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="sequence"):
        encode(Pdu(EnquireLink(), 1 << 32))


def test_an_error_answer_that_says_something_keeps_it() -> None:
    told = Pdu(SubmitSmResp(tlvs={Tag.ADDITIONAL_STATUS_INFO_TEXT: b"no\0"}), 1, Status.ESME_RSUBMITFAIL)
    assert decode(encode(told)) == told


def test_the_answer_to_a_deliver_sm_has_its_body_in_error_too() -> None:
    assert encode(Pdu(DeliverSmResp(), 1, Status.ESME_RX_T_APPN))[16:] == b"\0"


def test_neither_secrets_nor_numbers_nor_texts_are_shown() -> None:
    shown = repr([pdu for _, pdu in VECTORS])
    for hidden in (PHONE, "secret", "stat:DELIVRD", "xxx"):
        assert hidden not in shown


def test_a_body_is_a_value_that_can_be_changed_into_another() -> None:
    assert dataclasses.replace(SubmitSm(source_addr="1"), source_addr="2") == SubmitSm(source_addr="2")


def test_statuses_have_their_standard_names() -> None:
    assert status_name(0x58) == "ESME_RTHROTTLED"
    assert status_name(0x400) == "0x00000400"
