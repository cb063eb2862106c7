"""Our PDUs against those of others: the codec of `smpp34`, and octets that others' programs wrote."""

from __future__ import annotations

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.smpp.commands import Command, Status
from adapters.carriers.smpp.layout import OCTET
from adapters.carriers.smpp.message_bodies import DeliverSm, SubmitSm
from adapters.carriers.smpp.pdu import Body, Pdu, decode, encode
from adapters.carriers.smpp.session_bodies import EnquireLink

NAMES = [name for name, _ in SubmitSm.layout]


def c_string(longest: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=longest)


fields = st.fixed_dictionaries(
    {
        "source_addr": c_string(20),
        "destination_addr": c_string(20),
        "short_message": st.binary(max_size=254),
        "service_type": c_string(5),
        **dict.fromkeys((name for name, kind in SubmitSm.layout if kind == OCTET), st.integers(0, 255)),
        "schedule_delivery_time": st.sampled_from(["", "260101000000000+"]),
        "validity_period": st.sampled_from(["", "000001000000000R"]),
    }
)
tlvs = st.dictionaries(st.integers(1, 0xFFFF), st.binary(max_size=300), max_size=5)


@pytest.mark.parametrize(("ours", "theirs"), [(SubmitSm, smpp34.SubmitSm), (DeliverSm, smpp34.DeliverSm)])
@given(told=fields, parameters=tlvs, sequence=st.integers(1, 0x7FFFFFFF))
def test_what_we_write_another_reads_and_the_other_way_round(
    ours: type[Body],
    theirs: type[smpp34.SubmitSm],
    told: dict[str, object],
    parameters: dict[int, bytes],
    sequence: int,
) -> None:
    body = ours(**told, tlvs=parameters)
    octets = encode(Pdu(body, sequence))
    read = smpp34.decode(octets)
    assert isinstance(read, theirs)
    assert {name: getattr(read, name) for name in NAMES} == told
    assert {tlv.tag: tlv.value for tlv in read.tlvs} == parameters
    assert read.sequence_number == sequence

    listed = [smpp34.Tlv(tag, value) for tag, value in parameters.items()]
    written = theirs(**told, tlvs=listed, sequence_number=sequence).encode()
    assert written == octets
    assert decode(written) == Pdu(body, sequence)


@given(st.integers(1, 0x7FFFFFFF), st.sampled_from(list(Status)))
def test_another_reads_our_headers(sequence: int, status: Status) -> None:
    read = smpp34.decode(encode(Pdu(EnquireLink(), sequence, status)))
    assert isinstance(read, smpp34.RawPdu)
    assert (read.command_id, read.command_status, read.sequence_number) == (Command.ENQUIRE_LINK, status, sequence)
