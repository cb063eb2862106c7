"""What becomes of a template when a message is put into it?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers import http_template
from adapters.carriers.http_carrier import HttpCarrier
from adapters.carriers.http_variables import SUBMISSION, Submission, by_table
from tests.carriers import message

if TYPE_CHECKING:
    from engine.message import Message

TABLES = by_table("106900", {"Acme": "ACME"}, {"SMS_1": "T-7"})


class At:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 11, 22, 9, 52, 35, 123000, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


def fill(template: object, of: Message) -> Any:
    return http_template.ready(template, {**SUBMISSION, **TABLES})(Submission(of, At()))


def test_a_body_is_filled_at_any_depth() -> None:
    template = {"messages": [{"to": ["${digits}"], "text": "${text}", "from": "x ${signature}"}], "dry": False, "n": 3}
    assert fill(template, message()) == {
        "messages": [{"to": ["8613800001234"], "text": "【Acme】Your code is 1234.", "from": "x Acme"}],
        "dry": False,
        "n": 3,
    }


def test_a_variable_alone_keeps_its_type_and_is_written_out_within_text() -> None:
    template = {"params": "${params}", "said": "p=${params}", "parts": "${segments}", "cost": "${segments}x"}
    assert fill(template, message()) == {
        "params": {"code": "1234"},
        "said": 'p={"code":"1234"}',
        "parts": 1,
        "cost": "1x",
    }


def test_a_field_that_is_only_a_missing_variable_is_left_out() -> None:
    template = {"extend": "${extend}", "sender": "1069${extend}", "list": ["${extend}", "${to}"]}
    assert fill(template, message()) == {"sender": "1069", "list": ["+8613800001234"]}
    assert fill(template, message(extend="88"))["extend"] == "88"


def test_every_variable_has_its_value() -> None:
    job = message(extend="88")
    filled = fill({name: f"${{{name}}}" for name in {**SUBMISSION, **TABLES}}, job)
    assert len(filled.pop("nonce")) == 32
    assert filled == {
        "to": "+8613800001234",
        "digits": "8613800001234",
        "national": "13800001234",
        "country": "CN",
        "text": "【Acme】Your code is 1234.",
        "body": "Your code is 1234.",
        "signature": "Acme",
        "sender": "ACME",
        "template": "SMS_1",
        "template_code": "T-7",
        "params": {"code": "1234"},
        "params_json": '{"code":"1234"}',
        "segments": 1,
        "category": "otp",
        "job": str(job.job.id),
        "account": "default",
        "extend": "88",
        "now": "2026-11-22T09:52:35Z",
        "now_basic": "20261122T095235Z",
        "now_unix": 1795341155,
    }


def test_who_is_in_no_table_has_the_usual_sender_and_its_own_code() -> None:
    template = ["${sender}", "${template_code}"]
    assert fill(template, message(signature="Other", template="SMS_2")) == ["106900", "SMS_2"]
    assert fill(template, message(signature=None, template=None)) == ["106900"]


def test_a_moment_and_a_nonce_are_the_same_all_over_one_request_and_new_in_the_next() -> None:
    template = {"one": "${nonce}", "two": "${nonce}"}
    first, second = fill(template, message()), fill(template, message())
    assert first["one"] == first["two"]
    assert first["one"] != second["one"]


def test_what_a_value_contains_is_never_read_as_a_variable() -> None:
    sly = message()._replace(text="${account} ${nothing}")
    assert fill({"text": "${text}", "more": "-${text}"}, sly) == {
        "text": "${account} ${nothing}",
        "more": "-${account} ${nothing}",
    }
    constants = {"own": "${text}", **SUBMISSION}
    assert http_template.ready("a ${own}", constants)(Submission(sly, At())) == "a ${text}"


def test_a_template_with_an_unknown_variable_is_refused_when_it_is_described() -> None:
    for wrong in ({"list": [{"to": "${phone}"}]}, {"to": "+${phone}"}):
        with pytest.raises(ValueError, match="no variable 'phone'"):
            HttpCarrier("http://carrier.example", wrong)


def test_an_own_variable_cannot_take_the_place_of_ours() -> None:
    for name in ("to", "sender", "date"):
        with pytest.raises(ValueError, match=f"{name!r} is ours already"):
            HttpCarrier("http://carrier.example", {"x": "y"}, variables={name: "1"})


def test_a_description_does_not_show_its_secrets() -> None:
    carrier = HttpCarrier(
        "http://carrier.example/?key=s3cret",
        {"key": "s3cret"},
        {"Authorization": "s3cret"},
        variables={"key": "s3cret"},
    )
    assert "s3cret" not in repr(carrier)


@given(st.text())
def test_no_value_can_leave_its_place_in_a_header(value: str) -> None:
    try:
        safe = http_template.in_header(value)
    except UnicodeEncodeError:  # half a character, which can be sent nowhere
        return
    assert safe.isascii()
    assert safe.isprintable()
