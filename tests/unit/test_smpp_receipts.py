"""What delivery receipts over SMPP say. Forms of text as reported by users of gateways, and as appendix B has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm, QuerySmResp
from adapters.carriers.smpp.pdu import decode
from adapters.carriers.smpp.receipts import STATUS_UNKNOWN, STATUS_UNRECOGNISED, is_receipt, read_answer, read_receipt
from adapters.carriers.smpp.tlv import Tag
from engine.receipts import DeliveryReceipt, State

NOW = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
APPENDIX_B = (
    "id:{id} sub:001 dlvrd:001 submit date:2603011228 done date:2603011229 stat:{stat} err:{err} text:Code 12345"
)
PHONE = "8613800138000"


def receipt(text: str = "", esm_class: int = 4, **tlvs: bytes) -> DeliverSm:
    return DeliverSm(
        source_addr=PHONE,
        esm_class=esm_class,
        short_message=text.encode("latin-1"),
        tlvs={Tag[name.upper()]: value for name, value in tlvs.items()},
    )


def read(text: str = "", esm_class: int = 4, **tlvs: bytes) -> DeliveryReceipt:
    found = read_receipt(receipt(text, esm_class, **tlvs), "alpha", NOW)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("esm_class", "expected"),
    [(0x04, True), (0x44, True), (0x20, True), (0x07, True), (0, False), (0x40, False), (8, False)],
)
def test_a_receipt_is_known_by_its_esm_class(esm_class: int, expected: bool) -> None:
    assert is_receipt(receipt("x", esm_class)) is expected


def test_a_receipt_is_known_by_a_parameter_only_carriers_write() -> None:
    assert is_receipt(receipt(esm_class=0, receipted_message_id=b"1\0"))


def test_a_person_cannot_write_a_receipt() -> None:
    assert not is_receipt(receipt("id:1 stat:DELIVRD err:000", esm_class=0))


def test_a_receipt_written_by_a_foreign_library_is_read() -> None:
    """The octets are of the npm package `smpp` 0.5.1."""
    body = decode(
        bytes.fromhex(
            "0000005a0000000500000000000000090001013836313338303031333830303000000031303639000400000000000000001169643a"
            "3120737461743a44454c49565244001e0007304131622d3900042700010204230003030001"
        )
    ).body
    assert isinstance(body, DeliverSm)
    assert is_receipt(body)
    assert read_receipt(body, "alpha", NOW) == DeliveryReceipt(
        "alpha", "0A1b-9", State.DELIVERED, NOW, None, "DELIVRD err:3.1", PHONE
    )


def test_what_appendix_b_says_is_read() -> None:
    found = read(APPENDIX_B.format(id="0123456789", stat="DELIVRD", err="000"))
    at = datetime(2026, 3, 1, 12, 29, 59, 999000, tzinfo=UTC)
    assert found == DeliveryReceipt("alpha", "0123456789", State.DELIVERED, at, None, "DELIVRD err:000", PHONE)


@pytest.mark.parametrize(
    ("stat", "state", "code"),
    [
        ("DELIVRD", State.DELIVERED, None),
        ("delivered", State.DELIVERED, None),
        ("EXPIRED", State.UNDELIVERED, "EXPIRED"),
        ("DELETED", State.UNDELIVERED, "DELETED"),
        ("UNDELIV", State.UNDELIVERED, "UNDELIVERABLE"),
        ("FAILED", State.UNDELIVERED, "UNDELIVERABLE"),
        ("REJECTD", State.UNDELIVERED, "REJECTED"),
        ("ENROUTE", State.SUBMITTED, None),
        ("ACCEPTD", State.SUBMITTED, None),
        ("BUFFRED", State.SUBMITTED, None),
        ("SCHEDULED", State.SUBMITTED, None),
        ("UNKNOWN", State.SUBMITTED, STATUS_UNKNOWN),
        ("DELIVERY_FAILED", State.SUBMITTED, STATUS_UNRECOGNISED),
        ("-1", State.SUBMITTED, STATUS_UNRECOGNISED),
    ],
)
def test_each_word_has_its_meaning_and_no_unknown_one_settles_anything(
    stat: str, state: State, code: str | None
) -> None:
    found = read(APPENDIX_B.format(id="1", stat=stat, err="0AF"))
    assert (found.state, found.code, found.status) == (state, code, f"{stat} err:0AF")


@pytest.mark.parametrize(
    ("message_state", "state", "code"),
    [
        (1, State.SUBMITTED, None),
        (2, State.DELIVERED, None),
        (3, State.UNDELIVERED, "EXPIRED"),
        (4, State.UNDELIVERED, "DELETED"),
        (5, State.UNDELIVERED, "UNDELIVERABLE"),
        (6, State.SUBMITTED, None),
        (7, State.SUBMITTED, STATUS_UNKNOWN),
        (8, State.UNDELIVERED, "REJECTED"),
        (0, State.SUBMITTED, STATUS_UNRECOGNISED),
        (99, State.SUBMITTED, STATUS_UNRECOGNISED),
    ],
)
def test_each_message_state_has_its_meaning(message_state: int, state: State, code: str | None) -> None:
    found = read(receipted_message_id=b"7\0", message_state=bytes([message_state]))
    assert (found.carrier_id, found.state, found.code) == ("7", state, code)


def test_parameters_are_believed_before_the_text() -> None:
    found = read("id:1 stat:EXPIRED err:001", receipted_message_id=b"A-7\0", message_state=b"\x02")
    assert (found.carrier_id, found.state) == ("A-7", State.DELIVERED)


def test_what_the_parameters_do_not_say_is_read_from_the_text() -> None:
    assert read("stat:EXPIRED", receipted_message_id=b"7").code == "EXPIRED"
    assert read("id:9 stat:EXPIRED", message_state=b"\x02").carrier_id == "9"
    assert read("id:9 stat:EXPIRED", message_state=b"\x00").state is State.UNDELIVERED


def test_an_intermediate_notification_settles_nothing() -> None:
    assert read("id:1 stat:UNDELIV err:001", esm_class=0x20).state is State.SUBMITTED


@pytest.mark.parametrize(
    ("error", "code"), [(1, "NUMBER_UNKNOWN"), (27, "ABSENT"), (6, "ABSENT"), (13, "BARRED"), (34, "UNDELIVERABLE")]
)
def test_a_gsm_network_says_whether_it_was_the_phone(error: int, code: str) -> None:
    assert read("id:1 stat:UNDELIV", network_error_code=bytes([3, 0, error])).code == code


def test_errors_of_other_networks_or_of_delivered_messages_are_no_reason() -> None:
    assert read("id:1 stat:UNDELIV", network_error_code=bytes([1, 0, 27])).code == "UNDELIVERABLE"
    assert read("id:1 stat:DELIVRD", network_error_code=bytes([3, 0, 27])).code is None
    assert read("id:1 stat:UNDELIV", network_error_code=b"\x03").code == "UNDELIVERABLE"


@pytest.mark.parametrize(
    "carrier_id",
    ["0000123456", "0A1B2C", "7f9c2ba4-e88f-417b-8a5c-0123456789ab", "msg.1:2-3_4", "a@b/c+d==", "2603011228"],
)
def test_ids_of_all_forms_are_kept_as_they_came(carrier_id: str) -> None:
    assert read(APPENDIX_B.format(id=carrier_id, stat="DELIVRD", err="000")).carrier_id == carrier_id


@pytest.mark.parametrize(
    "text",
    [
        "stat:EXPIRED id:7",
        "ID:7 Stat:EXPIRED Err:x Text:hello",
        "id: 7 sub: 001 stat: EXPIRED err: 3F",
        "id:7 sub:001 dlvrd:000 submit date: done date: stat:EXPIRED err: text:",
        "id:7 stat:EXPIRED text:stat:DELIVRD id:9",
        "id:7 stat:EXPIRED text:stat:DELIVRD",
        "id:7 text:stat:DELIVRD stat:EXPIRED err:001",
        "text:id:9 stat:DELIVRD id:7 stat:EXPIRED",
        "id:7, stat:EXPIRED, err:001",
        "id:7 stat:EXPIRED stat:DELIVRD id:9",
        "id:7\x00stat:EXPIRED\x00",
        "context:9 id:7 substat:DELIVRD stat:EXPIRED",
        "\tid:7\r\nstat:EXPIRED\r\n",
    ],
)
def test_fields_are_found_in_any_order_and_the_message_itself_does_not_fool_anybody(text: str) -> None:
    found = read(text)
    assert (found.carrier_id, found.code) == ("7", "EXPIRED")


def test_an_empty_field_is_not_filled_with_the_next_one() -> None:
    found = read("id:7 stat: err:001 text:x")
    assert (found.state, found.code, found.status) == (State.SUBMITTED, STATUS_UNRECOGNISED, " err:001")


@pytest.mark.parametrize("text", ["", "hello", "id:", "id: stat:DELIVRD", "stat:DELIVRD", "id:\x01\x02 stat:DELIVRD"])
def test_a_receipt_of_no_message_is_none(text: str) -> None:
    assert read_receipt(receipt(text), "alpha", NOW) is None


@pytest.mark.parametrize(
    "body",
    [
        DeliverSm(esm_class=4, data_coding=8, short_message="id:7 stat:EXPIRED text:验证码".encode("utf-16-be")),
        DeliverSm(esm_class=4, tlvs={Tag.MESSAGE_PAYLOAD: b"id:7 stat:EXPIRED"}),
        DataSm(esm_class=4, tlvs={Tag.MESSAGE_PAYLOAD: b"id:7 stat:EXPIRED"}),
        DeliverSm(esm_class=0x44, short_message=b"id:7 stat:EXPIRED"),
        DeliverSm(esm_class=0x44, short_message=b"\x05\x00\x03\x01\x01\x01id:7 stat:EXPIRED"),
        DeliverSm(
            esm_class=0x44,
            data_coding=8,
            short_message=b"\x06\x08\x04\x00\x01\x01\x01" + "id:7 stat:EXPIRED".encode("utf-16-be"),
        ),
    ],
)
def test_receipts_are_read_wherever_they_stand(body: DeliverSm | DataSm) -> None:
    found = read_receipt(body, "alpha", NOW)
    assert found is not None
    assert (found.carrier_id, found.code, found.to) == ("7", "EXPIRED", None)


def done(date: str, zone: str = "UTC") -> datetime:
    found = read_receipt(receipt(f"id:7 done date:{date} stat:DELIVRD"), "alpha", NOW, ZoneInfo(zone))
    assert found is not None
    return found.at


@pytest.mark.parametrize(
    ("date", "zone", "at"),
    [
        ("2603011200", "UTC", "12:00:59.999"),
        ("260301120010", "UTC", "12:00:10.999"),
        ("202603011200", "UTC", "12:00:59.999"),
        ("20260301120010", "UTC", "12:00:10.999"),
        ("260301200010", "Asia/Shanghai", "12:00:10.999"),
        ("260301070010", "America/New_York", "12:00:10.999"),
    ],
)
def test_the_done_date_is_read_in_the_carriers_zone(date: str, zone: str, at: str) -> None:
    assert done(date, zone) == datetime.fromisoformat(f"2026-03-01T{at}+00:00")


@pytest.mark.parametrize(
    "date",
    [
        "2603011230",  # this minute: it cannot be later than now
        "2603012030",  # a clock of another zone
        "2602011230",  # a month ago
        "0000000000",
        "9999999999",
        "00010101000000",
        "99991231235959",
        "26030112",
        "２６０３０１１２００",
    ],
)
def test_a_date_that_cannot_be_is_replaced_by_when_the_receipt_came(date: str) -> None:
    text = f"id:7 done date:{date} stat:DELIVRD".encode("utf-16-be")
    found = read_receipt(DeliverSm(esm_class=4, data_coding=8, short_message=text), "alpha", NOW)
    assert found is not None
    assert found.at == NOW


WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=",;"), min_size=1, max_size=20)


@given(
    WORDS.filter(lambda word: ":" not in word),
    st.sampled_from(["DELIVRD", "EXPIRED", "WHATEVER"]),
    st.text(st.characters(max_codepoint=255), max_size=40),
    st.randoms(),
)
def test_a_receipt_is_read_whatever_its_order_and_its_text(carrier_id: str, stat: str, text: str, rng: object) -> None:
    fields = [f"id:{carrier_id}", "sub:001", "submit date:2603011200", f"stat:{stat}", "err:000"]
    rng.shuffle(fields)  # type: ignore[attr-defined]
    found = read(" ".join([*fields, f"text:{text}"]))
    assert found.carrier_id == carrier_id
    assert found.status == f"{stat} err:000"


@given(
    st.binary(max_size=255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.dictionaries(st.sampled_from(Tag), st.binary()),
)
def test_no_octets_break_the_reader(octets: bytes, esm_class: int, data_coding: int, tlvs: dict[int, bytes]) -> None:
    for body in (
        DeliverSm(esm_class=esm_class, data_coding=data_coding, short_message=octets, tlvs=tlvs),
        DeliverSm(esm_class=4, data_coding=data_coding, short_message=b"id:7 stat:" + octets),
        DataSm(esm_class=esm_class, data_coding=data_coding, tlvs=tlvs),
    ):
        is_receipt(body)
        found = read_receipt(body, "alpha", NOW)
        assert found is None or (found.at <= NOW and len(found.status) <= 200)


def test_the_answer_to_a_query_is_read() -> None:
    body = QuerySmResp("7", "260301203000008+", 2)  # 20:30 at two hours before UTC
    at = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
    assert read_answer(body, "alpha", "007", NOW) == DeliveryReceipt(
        "alpha", "007", State.DELIVERED, at, None, "DELIVERED"
    )
    assert read_answer(QuerySmResp("7", "260301130000004+", 3), "alpha", "7", NOW) == DeliveryReceipt(
        "alpha",
        "7",
        State.UNDELIVERED,
        NOW - timedelta(seconds=14, milliseconds=1) - timedelta(minutes=30),
        "EXPIRED",
        "EXPIRED",
    )


@pytest.mark.parametrize("state", [0, 10])
def test_an_answer_that_says_nothing_is_none(state: int) -> None:
    assert read_answer(QuerySmResp("7", "", state), "alpha", "7", NOW) is None


@given(st.text(max_size=20))
def test_no_final_date_breaks_the_reader(date: str) -> None:
    found = read_answer(QuerySmResp("7", date, 2), "alpha", "7", NOW)
    assert found is not None
    assert found.at <= NOW
