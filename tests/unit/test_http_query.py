"""A carrier's answer to a question is read with distrust: only what surely says so counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.http_query import QueryFormat, read_query
from engine.receipts import DeliveryReceipt, NotSent, State
from tests.carriers import any_json

NOW = datetime(2026, 11, 22, tzinfo=UTC)
QUERY = QueryFormat(
    url="https://carrier.example/find?ref=${job}",
    states={
        "DELIVRD": State.DELIVERED,
        "UNDELIV": State.UNDELIVERED,
        "ENROUTE": State.SUBMITTED,
        "REJECTD": NotSent(),
        "0": NotSent(),
    },
    id_path="list.0.id",
    status_path="list.0.status",
    code_path="list.0.error",
    not_sent_statuses={404},
    settles_after_s=60,
)


def read(body: object, status: int = 200, age_s: float = 60.0) -> DeliveryReceipt | NotSent | None:
    return read_query(QUERY, status, json.dumps(body).encode(), "alpha", NOW, age_s)


def entry(**fields: Any) -> dict[str, Any]:
    return {"list": [{"id": 7, "status": "DELIVRD"} | fields]}


def test_a_message_that_is_known_has_its_state_and_the_carriers_id() -> None:
    assert read(entry()) == DeliveryReceipt("alpha", "7", State.DELIVERED, NOW, None, "DELIVRD")
    assert read(entry(status="ENROUTE")) == DeliveryReceipt("alpha", "7", State.SUBMITTED, NOW, None, "ENROUTE")
    undelivered = DeliveryReceipt("alpha", "7", State.UNDELIVERED, NOW, "E_7", "UNDELIV")
    assert read(entry(status="UNDELIV", error="e-7")) == undelivered


def test_a_message_that_surely_was_not_sent_is_said_to_be_so_once_that_is_settled() -> None:
    assert read(entry(status="REJECTD")) == read({}, status=404) == NotSent()
    assert read(entry(status="REJECTD"), age_s=59.9) is None
    assert read({}, status=404, age_s=59.9) is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (entry(status="MOONED"), 200),
        (entry(status=None), 200),
        (entry(id=None), 200),
        ({"list": []}, 200),
        (entry(), 500),
        (entry(status="REJECTD"), 503),
        ({}, 410),
        ({}, 302),
        ({}, 401),
    ],
)
def test_anything_else_says_nothing(body: object, status: int) -> None:
    assert read(body, status) is None


@given(body=st.binary() | any_json().map(lambda value: json.dumps(value).encode()), status=st.integers(100, 599))
def test_no_answer_of_a_stranger_means_that_nothing_was_sent(body: bytes, status: int) -> None:
    answer = read_query(QUERY, status, body, "alpha", NOW, 3600.0)
    assert status == 404 or answer is None


def test_the_address_holds_our_reference() -> None:
    job = uuid4()
    assert QUERY.url_for(job) == f"https://carrier.example/find?ref={job}"
    with pytest.raises(ValueError, match="must contain"):
        QueryFormat(url="https://carrier.example/find", states={})


def test_a_word_cannot_mean_just_any_state() -> None:
    with pytest.raises(ValueError, match="cannot mean rejected"):
        QueryFormat(url="https://carrier.example/${job}", states={"x": State.REJECTED})
