"""A carrier's answer to a question is read with distrust: only what surely says so counts."""

from __future__ import annotations

import json
from dataclasses import replace
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
JOB = uuid4()
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
    return read_query(QUERY, JOB, status, json.dumps(body).encode(), "alpha", NOW, age_s)


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
    answer = read_query(QUERY, JOB, status, body, "alpha", NOW, 3600.0)
    assert status == 404 or answer is None


def test_of_a_list_only_the_entry_with_our_reference_counts() -> None:
    listed = replace(
        QUERY, list_path="found.all", ref_path="ref", id_path="id", status_path="status", code_path="error"
    )

    def ask(*entries: object) -> DeliveryReceipt | NotSent | None:
        body = json.dumps({"found": {"all": entries}}).encode()
        return read_query(listed, JOB, 200, body, "alpha", NOW, 3600.0)

    ours = {"ref": str(JOB), "id": "1", "status": "UNDELIV", "error": "e-7"}
    other = {"ref": str(uuid4()), "id": "2", "status": "DELIVRD"}
    assert ask(other, ours) == DeliveryReceipt("alpha", "1", State.UNDELIVERED, NOW, "E_7", "UNDELIV")
    assert ask(other) is ask() is ask("x", None) is None
    assert read_query(listed, JOB, 200, b'{"found": {"all": 7}}', "alpha", NOW, 3600.0) is None


def test_without_an_id_of_the_carriers_only_a_final_state_says_anything() -> None:
    nameless = replace(QUERY, id_path=None)

    def ask(status: str) -> DeliveryReceipt | NotSent | None:
        return read_query(nameless, JOB, 200, json.dumps(entry(status=status)).encode(), "alpha", NOW, 60.0)

    assert ask("DELIVRD") == DeliveryReceipt("alpha", "", State.DELIVERED, NOW, None, "DELIVRD")
    assert ask("ENROUTE") is None


def test_a_question_must_name_the_message_it_is_about() -> None:
    with pytest.raises(ValueError, match="must contain"):
        QueryFormat(url="https://carrier.example/find", states={})
    with pytest.raises(ValueError, match="both a list path and a reference path"):
        QueryFormat(url="https://carrier.example/${job}", states={}, list_path="all")


def test_a_word_cannot_mean_just_any_state() -> None:
    with pytest.raises(ValueError, match="cannot mean rejected"):
        QueryFormat(url="https://carrier.example/${job}", states={"x": State.REJECTED})
