"""What does the body that hands a message to a carrier hold?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.carriers import http_body
from adapters.carriers.http import HttpCarrier
from tests.carriers import message


def test_a_body_is_filled_at_any_depth() -> None:
    template = {"messages": [{"to": ["${digits}"], "text": "${text}", "from": "x ${signature}"}], "dry": False, "n": 3}
    assert http_body.fill(template, message()) == {
        "messages": [{"to": ["8613800001234"], "text": "【Acme】Your code is 1234.", "from": "x Acme"}],
        "dry": False,
        "n": 3,
    }


def test_a_variable_alone_keeps_its_type_and_is_written_out_within_text() -> None:
    template = {"params": "${params}", "said": "p=${params}", "parts": "${segments}", "cost": "${segments}x"}
    assert http_body.fill(template, message()) == {
        "params": {"code": "1234"},
        "said": 'p={"code":"1234"}',
        "parts": 1,
        "cost": "1x",
    }


def test_a_field_that_is_only_a_missing_variable_is_left_out() -> None:
    template = {"extend": "${extend}", "sender": "1069${extend}", "list": ["${extend}", "${to}"]}
    assert http_body.fill(template, message()) == {"sender": "1069", "list": ["+8613800001234"]}
    assert http_body.fill(template, message(extend="88"))["extend"] == "88"  # type: ignore[index]


def test_every_variable_has_its_value() -> None:
    job = message(extend="88")
    filled: Any = http_body.fill({name: f"${{{name}}}" for name in http_body.VARIABLES}, job)
    assert filled == {
        "to": "+8613800001234",
        "digits": "8613800001234",
        "national": "13800001234",
        "country": "CN",
        "text": "【Acme】Your code is 1234.",
        "body": "Your code is 1234.",
        "signature": "Acme",
        "template": "SMS_1",
        "params": {"code": "1234"},
        "segments": 1,
        "category": "otp",
        "job": str(job.job.id),
        "account": "default",
        "extend": "88",
    }


def test_what_a_value_contains_is_never_read_as_a_variable() -> None:
    sly = replace(message(), text="${account} ${nothing}")
    assert http_body.fill({"text": "${text}", "more": "-${text}"}, sly) == {
        "text": "${account} ${nothing}",
        "more": "-${account} ${nothing}",
    }


def test_a_template_with_an_unknown_variable_is_refused_when_it_is_described() -> None:
    with pytest.raises(ValueError, match="no variable 'phone'"):
        HttpCarrier("http://carrier.example", {"list": [{"to": "${phone}"}]})


def test_a_description_does_not_show_its_secrets() -> None:
    carrier = HttpCarrier("http://carrier.example/?key=s3cret", {"key": "s3cret"}, {"Authorization": "s3cret"})
    assert "s3cret" not in repr(carrier)
