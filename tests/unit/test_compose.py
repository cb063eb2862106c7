"""From a job to the text that a phone shows, or to a rejection."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compose import Directory, Template, compose, render
from engine.message import Category, Job, Message, Recipient, Rejection

CHINESE = Recipient("+8613800000000", "CN")
BRITISH = Recipient("+447400000000", "GB")
DIRECTORY = Directory(
    signatures=frozenset({("default", "Acme"), ("other", "Other")}),
    templates={
        "CODE": Template("CODE", Category.OTP, "Your code is ${code}."),
        "TWO": Template("TWO", Category.NOTIFICATION, "${a} and ${b} and ${a}"),
        "PRIVATE": Template("PRIVATE", Category.OTP, "Hello", account="other"),
    },
    raw_text_accounts=frozenset({"raw"}),
    blocked=frozenset({"+8613900000000"}),
)


def job(**fields: Any) -> Job:
    base = Job(uuid4(), "+8613800000000", Category.PROMOTION, datetime.now(UTC), "Acme", "CODE", {"code": "1234"})
    return base._replace(**fields)


def refusal(given_job: Job, recipient: Recipient | None = CHINESE) -> str:
    composed = compose(given_job, recipient, DIRECTORY)
    assert isinstance(composed, Rejection)
    return composed.code


def test_a_template_with_its_variables_stands_behind_the_signature() -> None:
    composed = compose(job(), CHINESE, DIRECTORY)
    assert isinstance(composed, Message)
    assert composed.text == "【Acme】Your code is 1234."
    assert composed.segments == 1


def test_the_template_gives_the_category_whatever_queue_the_job_came_from() -> None:
    composed = compose(job(category=Category.PROMOTION), CHINESE, DIRECTORY)
    assert isinstance(composed, Message)
    assert composed.category is Category.OTP


def test_the_signature_counts_into_the_length() -> None:
    composed = compose(job(params={"code": "1" * 52}), CHINESE, DIRECTORY)
    assert isinstance(composed, Message)
    assert len(composed.text) == 72
    assert composed.segments == 2


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"template": "NONE"}, "TEMPLATE_UNKNOWN"),
        ({"template": "PRIVATE"}, "TEMPLATE_UNKNOWN"),
        ({"params": {}}, "PARAM_MISSING"),
        ({"params": {"code": "1】【Bank】2"}}, "PARAM_INVALID"),
        ({"params": {"code": "1\x1b2"}}, "PARAM_INVALID"),
        ({"params": {"code": "1" * 2000}}, "TEXT_TOO_LONG"),
        ({"signature": "Other"}, "SIGNATURE_UNKNOWN"),
        ({"signature": ""}, "SIGNATURE_INVALID"),
        ({"signature": "x" * 13}, "SIGNATURE_INVALID"),
        ({"signature": None}, "SIGNATURE_MISSING"),
        ({"text": "hello"}, "TEXT_AMBIGUOUS"),
        ({"template": None}, "TEXT_MISSING"),
        ({"template": None, "text": "hello"}, "TEXT_NOT_ALLOWED"),
        ({"ref": "r" * 257}, "REF_INVALID"),
        ({"extend": "12a"}, "EXTEND_INVALID"),
        ({"extend": "1" * 21}, "EXTEND_INVALID"),
        ({"extend": "١٢"}, "EXTEND_INVALID"),
    ],
)
def test_a_wrong_job_is_rejected_with_a_code(fields: dict[str, Any], code: str) -> None:
    assert refusal(job(**fields)) == code


def test_a_number_that_cannot_exist_is_rejected() -> None:
    assert refusal(job(), recipient=None) == "NUMBER_INVALID"


def test_a_blocked_number_gets_nothing() -> None:
    assert refusal(job(), Recipient("+8613900000000", "CN")) == "BLOCKED"


def test_an_account_that_may_send_raw_text_sends_it_in_the_category_of_its_queue() -> None:
    raw = job(account="raw", signature=None, template=None, text="hello", category=Category.NOTIFICATION)
    composed = compose(raw, BRITISH, DIRECTORY)
    assert isinstance(composed, Message)
    assert (composed.text, composed.category) == ("hello", Category.NOTIFICATION)


def test_raw_text_cannot_pose_as_a_signature() -> None:
    assert refusal(job(account="raw", signature=None, template=None, text="【Bank】hi"), BRITISH) == "TEXT_INVALID"


def test_a_signature_is_needed_in_mainland_china_only() -> None:
    assert isinstance(compose(job(signature=None), BRITISH, DIRECTORY), Message)


def test_a_variable_may_stand_more_than_once() -> None:
    assert render(DIRECTORY.templates["TWO"], {"a": "x", "b": "y"}) == "x and y and x"


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs"], blacklist_characters="【】"), max_size=20))
def test_a_value_is_never_read_as_a_template_again(value: str) -> None:
    text = render(DIRECTORY.templates["TWO"], {"a": "${b}" + value, "b": "$secret"})
    assert text == f"${{b}}{value} and $secret and ${{b}}{value}"


def test_a_rejection_says_nothing_of_the_values() -> None:
    composed = compose(job(params={"code": "s3cr3t\x00"}), CHINESE, DIRECTORY)
    assert isinstance(composed, Rejection)
    assert "s3cr3t" not in composed.reason
