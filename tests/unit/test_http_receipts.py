"""Which delivery receipts stand in a body that a carrier posted?"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given

from adapters.carriers.http_posted import MAX_FIELDS, MAX_ITEMS, Posted
from adapters.carriers.http_receipts import ReceiptFormat, read_receipts
from engine.receipts import DeliveryReceipt, State
from tests.carriers import any_json

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
REPORT = ReceiptFormat(
    states={"DELIVRD": State.DELIVERED, "UNDELIV": State.UNDELIVERED, "ACCEPTD": State.SUBMITTED, "3": State.DELIVERED},
    id_path="msg.id",
    status_path="stat",
    code_path="err",
    list_path="reports",
)


def receipts(document: object, report: ReceiptFormat = REPORT) -> list[DeliveryReceipt]:
    return read_receipts(report, json.dumps(document).encode(), "alpha", NOW)


def test_receipts_are_read_from_a_list_at_a_path() -> None:
    body = {
        "reports": [{"msg": {"id": "a"}, "stat": "DELIVRD"}, {"msg": {"id": 7}, "stat": "UNDELIV", "err": "mk:0013"}]
    }
    assert receipts(body) == [
        DeliveryReceipt("alpha", "a", State.DELIVERED, NOW, None, "DELIVRD"),
        DeliveryReceipt("alpha", "7", State.UNDELIVERED, NOW, "MK_0013", "UNDELIV"),
    ]


def test_a_body_may_be_one_receipt_or_a_list_of_them() -> None:
    flat = replace(REPORT, list_path=None, id_path="id")
    one = {"id": "a", "stat": 3}
    assert (
        receipts(one, flat) == receipts([one], flat) == [DeliveryReceipt("alpha", "a", State.DELIVERED, NOW, None, "3")]
    )
    assert receipts([], flat) == []


def test_a_failure_without_a_code_is_called_by_its_status() -> None:
    assert receipts({"reports": {"msg": {"id": "a"}, "stat": "UNDELIV"}})[0].code == "UNDELIV"


def test_an_unknown_status_settles_nothing() -> None:
    assert receipts({"reports": {"msg": {"id": "a"}, "stat": "MOONED"}})[0].state is State.SUBMITTED


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({}, "receipt 0 has no message id at msg.id"),
        ({"reports": None}, "receipt 0 has no message id"),
        ({"reports": "secret"}, "receipt 0 has no message id"),
        ({"reports": [{"msg": {"id": "a"}, "stat": "DELIVRD"}, 1]}, "receipt 1 has no message id"),
        ({"reports": [{"msg": {"id": []}, "stat": "DELIVRD"}]}, "receipt 0 has no message id"),
        ({"reports": [{"msg": ["secret"], "stat": "DELIVRD"}]}, "receipt 0 has no message id"),
        ({"reports": [{"msg": {"id": "a"}}]}, "receipt 0 has no status at stat"),
        ({"reports": [{"msg": {"id": "a"}, "stat": {"secret": 1}}]}, "receipt 0 has no status"),
        ({"reports": [{}] * (MAX_ITEMS + 1)}, "1001 items; 1000 are allowed"),
    ],
)
def test_receipts_of_the_wrong_shape_are_refused_with_the_place_and_without_a_quote(document: object, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        receipts(document)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("body", [b"", b"id=1", b"\xff", b"[" * 50_000, b'{"reports": NaN}'])
def test_receipts_that_are_no_json_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="no JSON"):
        read_receipts(REPORT, body, "alpha", NOW)


FORM = ReceiptFormat({"delivered": State.DELIVERED}, "MessageSid", "MessageStatus", "ErrorCode", posted=Posted.FORM)


def test_a_receipt_may_be_a_form() -> None:
    assert read_receipts(FORM, b"MessageSid=SM1&MessageStatus=delivered&To=%2B1&ErrorCode=", "alpha", NOW) == [
        DeliveryReceipt("alpha", "SM1", State.DELIVERED, NOW, None, "delivered")
    ]
    with pytest.raises(ValueError, match="no message id"):
        read_receipts(FORM, b'[{"MessageSid": "SM1"}]', "alpha", NOW)


@pytest.mark.parametrize("body", [b"MessageSid=%FF", b"\xff", b"&".join([b"a=1"] * (MAX_FIELDS + 1))])
def test_a_form_that_is_none_or_too_long_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="no form"):
        read_receipts(FORM, body, "alpha", NOW)


@given(any_json())
def test_whatever_is_posted_is_read_or_refused(document: object) -> None:
    for report in (REPORT, replace(REPORT, list_path=None, id_path="id", status_path="Code")):
        try:
            found = receipts(document, report)
        except ValueError:
            continue
        assert all(isinstance(dlr, DeliveryReceipt) and dlr.carrier_id for dlr in found)


def test_a_status_cannot_be_configured_to_mean_what_no_carrier_knows() -> None:
    with pytest.raises(ValueError, match="cannot mean rejected"):
        ReceiptFormat(states={"X": State.REJECTED})
