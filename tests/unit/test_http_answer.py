"""What does a carrier's HTTP answer to a submit mean?"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.http_answer import AnswerFormat, Verdict, read_answer
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled, Unanswered
from tests.carriers import any_json

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
PLAIN = AnswerFormat(id_path="id", code_path="error.code", reason_path="error.text")
WORDED = AnswerFormat(
    id_path="data.id",
    status_path="Code",
    values={"OK": Verdict.ACCEPTED, "FLOW": Verdict.THROTTLED, "DOWN": Verdict.FAULT, "MAYBE": Verdict.UNANSWERED},
    code_path="Code",
    reason_path="Message",
)


def read(answer: AnswerFormat, status: int, document: object, retry_after: str | None = None) -> Any:
    return read_answer(answer, status, retry_after, json.dumps(document).encode(), NOW)


def test_an_answer_with_an_id_accepts() -> None:
    assert read(PLAIN, 200, {"id": "m-1"}) == Accepted("m-1")
    assert read(PLAIN, 202, {"id": 9007199254740993123}) == Accepted("9007199254740993123")
    assert read(WORDED, 200, {"Code": "OK", "data": {"id": "0a"}}) == Accepted("0a")
    assert read(replace(PLAIN, id_path="messages.0.id"), 200, {"messages": [{"id": "x"}]}) == Accepted("x")


def test_a_word_that_is_not_accepted_refuses_with_the_carriers_code_and_reason() -> None:
    answer = {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "Bad number.", "data": {"id": "x"}}
    assert read(WORDED, 200, answer) == Refused("isv.MOBILE_NUMBER_ILLEGAL", "Bad number.")


def test_words_may_mean_a_throttle_a_fault_or_no_answer() -> None:
    assert read(WORDED, 200, {"Code": "FLOW"}) == Throttled("The carrier answered FLOW.")
    assert read(WORDED, 200, {"Code": "DOWN"}) == ChannelFault("The carrier answered DOWN.")
    assert read(WORDED, 200, {"Code": "MAYBE"}) == Unanswered("The carrier answered MAYBE.")


def test_what_stays_until_somebody_acts_is_a_fatal_fault() -> None:
    assert read(PLAIN, 401, {}) == ChannelFault("The carrier answered HTTP 401.", fatal=True)
    assert read(PLAIN, 402, {}) == ChannelFault("The carrier answered HTTP 402.", fatal=True)
    assert read(PLAIN, 403, {}) == ChannelFault("The carrier answered HTTP 403.", fatal=False)
    broke = replace(WORDED, values=WORDED.values | {"BROKE": Verdict.FATAL})
    assert read(broke, 200, {"Code": "BROKE"}) == ChannelFault("The carrier answered BROKE.", fatal=True)


CODED = replace(
    PLAIN,
    codes={
        "FLOW.WEEK": Verdict.FATAL,
        "FLOW.*": Verdict.THROTTLED,
        "isp.*": Verdict.UNANSWERED,
        "*.DOWN": Verdict.FAULT,
        "17": Verdict.REFUSED,
    },
)


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500, 503])
def test_a_code_that_is_known_holds_whatever_the_http_status(status: int) -> None:
    def coded(code: object) -> Any:
        return read(CODED, status, {"error": {"code": code, "text": "No."}})

    assert coded("FLOW.WEEK") == ChannelFault("The carrier answered FLOW.WEEK.", fatal=True)
    assert coded("FLOW.USER") == Throttled("The carrier answered FLOW.USER.")
    assert coded("isp.DOWN") == Unanswered("The carrier answered isp.DOWN.")
    assert coded("isv.DOWN") == ChannelFault("The carrier answered isv.DOWN.")
    assert coded(17) == Refused("17", "No.")


def test_a_code_that_is_not_known_leaves_the_word_to_the_http_status() -> None:
    for status in (200, 400, 401, 429, 500, 503):
        assert read(CODED, status, {"error": {"code": "new"}}) == read(PLAIN, status, {"error": {"code": "new"}})


def test_words_that_no_pattern_fits_refuse_unless_the_last_pattern_fits_all() -> None:
    assert isinstance(read(WORDED, 200, {"Code": "new"}), Refused)
    careful = replace(WORDED, values=WORDED.values | {"isv.*": Verdict.REFUSED, "*": Verdict.UNANSWERED})
    assert isinstance(read(careful, 200, {"Code": "isv.new"}), Refused)
    assert isinstance(read(careful, 200, {"Code": "new"}), Unanswered)
    assert read(careful, 200, {"Code": "OK", "data": {"id": "x"}}) == Accepted("x")


def test_a_success_with_an_error_code_and_no_id_refuses() -> None:
    assert read(PLAIN, 200, {"error": {"code": 17, "text": "No."}}) == Refused("17", "No.")


@pytest.mark.parametrize(
    ("answer", "document"),
    [
        (PLAIN, {}),
        (PLAIN, []),
        (PLAIN, {"id": ""}),
        (PLAIN, {"id": True}),
        (PLAIN, {"id": {"$ref": 1}}),
        (PLAIN, {"id": "x" * 300}),
        (PLAIN, {"id": "a\nb"}),
        (WORDED, {"Code": "OK"}),
        (WORDED, {"data": {"id": "x"}}),
        (WORDED, {"Code": ["OK"], "data": {"id": "x"}}),
    ],
)
def test_a_success_that_neither_names_an_id_nor_refuses_leaves_it_open(answer: AnswerFormat, document: object) -> None:
    assert isinstance(read(answer, 200, document), Unanswered)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 50_000, b'{"id": "x"'])
def test_a_success_that_is_no_json_leaves_it_open(body: bytes) -> None:
    assert isinstance(read_answer(PLAIN, 200, None, body, NOW), Unanswered)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (404, Refused),
        (422, Refused),
        (401, ChannelFault),
        (402, ChannelFault),
        (403, ChannelFault),
        (503, ChannelFault),
        (301, ChannelFault),
        (308, ChannelFault),
        (429, Throttled),
        (303, Unanswered),
        (408, Unanswered),
        (500, Unanswered),
        (502, Unanswered),
        (504, Unanswered),
    ],
)
def test_an_http_status_means(status: int, kind: type) -> None:
    assert isinstance(read(WORDED, status, {"Code": "OK", "data": {"id": "x"}}), kind)


def test_a_refusal_by_status_has_a_code_even_if_the_carrier_names_none() -> None:
    assert read(PLAIN, 422, {}) == Refused("HTTP_422", "The carrier answered HTTP 422.")
    assert read(PLAIN, 422, {"error": {"code": "E1", "text": "Blocked."}}) == Refused("E1", "Blocked.")


def test_an_operator_may_say_what_a_status_means() -> None:
    own = replace(PLAIN, statuses={404: Verdict.FAULT, 500: Verdict.REFUSED, 401: Verdict.REFUSED, 200: Verdict.FAULT})
    assert isinstance(read(own, 404, {}), ChannelFault)
    assert isinstance(read(own, 500, {}), Refused)
    assert isinstance(read(own, 401, {}), Refused)
    assert isinstance(read(own, 200, {"id": "x"}), ChannelFault)


def test_a_description_that_could_never_accept_is_refused() -> None:
    with pytest.raises(ValueError, match="means accepted"):
        AnswerFormat(status_path="code", values={"BUSY": Verdict.THROTTLED})
    with pytest.raises(ValueError, match="id is needed"):
        AnswerFormat(statuses={200: Verdict.ACCEPTED})
    with pytest.raises(ValueError, match="a code cannot mean accepted"):
        AnswerFormat(code_path="code", codes={"0": Verdict.ACCEPTED})
    with pytest.raises(ValueError, match="without a code path"):
        AnswerFormat(codes={"1": Verdict.FAULT})


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 1),
        ("7", 7),
        ("0", 0),
        ("99999", 300),
        ("-1", 1),
        ("x", 1),
        ("٣", 1),
        ("9" * 400, 1),
        ("Sun, 22 Nov 2026 10:00:05 GMT", 5),
        ("Sun, 22 Nov 2026 10:00:05 -0000", 5),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0),
        ("Mon, 23 Nov 2026 10:00:00 GMT", 300),
        ("Sun, 99 Nov 2026 10:00:00 GMT", 1),
    ],
)
def test_a_throttle_waits_as_long_as_the_carrier_says_within_reason(header: str | None, seconds: float) -> None:
    assert read(PLAIN, 429, {}, header).retry_after_s == seconds


def test_what_a_carrier_says_is_bounded_before_it_travels_on() -> None:
    refused = read(PLAIN, 400, {"error": {"code": "x y\n" * 100, "text": "a\x00b\u2028" + "c" * 10_000}})
    assert refused.code == "HTTP_400"
    assert refused.reason.startswith("a b c")
    assert len(refused.reason) == 200


@given(st.integers(100, 599), any_json())
def test_whatever_is_answered_ends_in_an_outcome(status: int, document: object) -> None:
    for answer in (PLAIN, WORDED, CODED):
        outcome = read(answer, status, document)
        if isinstance(outcome, Accepted):
            assert 200 <= status < 300
            assert outcome.carrier_id
