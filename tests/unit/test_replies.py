"""Whose an inbound message is, and what an opt-out in it changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.inbound import MAX_ADDRESS, MAX_TEXT, REPEAT_S, InboundMessage, holdable
from engine.message import Category
from engine.opt_out import EVERY_ACCOUNT, Wish
from engine.receipts import Receipt, State
from engine.replies import ANSWERED_WITHIN, answered, opt_outs, reply_to

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
NUMBER = "+8613800000000"


def sent(minutes_ago: float = 1, **fields: Any) -> Receipt:
    at = NOW - timedelta(minutes=minutes_ago)
    facts: dict[str, Any] = {"account": "default", "to": NUMBER, "category": Category.NOTIFICATION, "channel": "alpha"}
    facts |= {"state": State.SUBMITTED, "final": False, "submitted_at": at}
    return Receipt(job=uuid4(), at=at, enqueued_at=at, **(facts | fields))


def inbound(text: str = "hello", to: str = "10690001", **fields: Any) -> InboundMessage:
    return replace(InboundMessage("alpha", NUMBER, to, text, NOW), **fields)


def test_the_newest_message_is_answered() -> None:
    old, new = sent(5), sent(1)
    assert answered(inbound(), [new, old], None) == new
    assert answered(inbound(), [old, new], None) == new


def test_the_message_whose_extend_ends_our_number_is_answered_however_new_the_others() -> None:
    with_extend, longer, plain = sent(60, extend="07"), sent(90, extend="107"), sent(1)
    assert answered(inbound(to="1069000107"), [plain, with_extend, longer], None) == longer
    assert answered(inbound(to="1069000207"), [plain, with_extend, longer], None) == with_extend
    assert answered(inbound(to="10690001"), [with_extend], None) is None


def test_a_message_over_the_same_channel_is_answered_before_one_over_another() -> None:
    other, same = sent(1, channel="beta"), sent(2)
    assert answered(inbound(), [other, same], None) == same
    assert answered(inbound(channel="gamma"), [other, same], None) == other


def test_who_wants_no_more_means_the_promotion_and_not_the_code_that_came_after_it() -> None:
    code, promotion = sent(1, category=Category.OTP), sent(600, category=Category.PROMOTION, channel="beta")
    assert answered(inbound("TD"), [code, promotion], Wish.OUT) == promotion
    assert answered(inbound(), [code, promotion], None) == code


def test_what_no_carrier_took_is_not_answered_but_what_one_may_have_taken_is() -> None:
    assert (
        answered(inbound(), [sent(state=State.REJECTED), sent(state=State.FAILED), sent(state=State.EXPIRED)], None)
        is None
    )
    unknown = sent(state=State.UNKNOWN, submitted_at=None)
    assert answered(inbound(), [unknown], None) == unknown


def test_what_is_too_old_is_not_answered() -> None:
    minutes = ANSWERED_WITHIN.total_seconds() / 60
    assert answered(inbound(), [sent(minutes + 1)], None) is None
    assert answered(inbound(), [sent(minutes - 1)], None) is not None


def test_a_reply_echoes_the_job_it_answers() -> None:
    about = sent(account="shop", extend="07", ref="order 7")
    message = inbound("hi", "1069000107", carrier_id="m1")
    reply = reply_to(about, message, NUMBER, "default")
    assert (reply.account, reply.extend, reply.job, reply.ref) == ("shop", "07", about.job, "order 7")
    assert (reply.sender, reply.to, reply.text, reply.carrier_id, reply.at) == (NUMBER, "1069000107", "hi", "m1", NOW)
    assert reply.id == message.id


def test_what_answers_nothing_goes_to_the_account_for_that() -> None:
    reply = reply_to(None, inbound(), NUMBER, "front desk")
    assert (reply.account, reply.extend, reply.job, reply.ref) == ("front desk", None, None, None)


def test_an_opt_out_is_of_the_account_that_is_answered_and_of_all_if_nobody_knows_which() -> None:
    known = reply_to(sent(account="shop"), inbound("TD"), NUMBER, "default")
    assert [(word.account, word.since, word.lifted_at) for word in opt_outs(known, Wish.OUT, NOW)] == [
        ("shop", NOW, None)
    ]
    nobody = reply_to(None, inbound("TD"), NUMBER, "default")
    assert [word.account for word in opt_outs(nobody, Wish.OUT, NOW)] == [EVERY_ACCOUNT]


def test_who_opts_in_to_one_account_is_no_longer_out_for_all() -> None:
    known = reply_to(sent(account="shop"), inbound("START"), NUMBER, "default")
    words = opt_outs(known, Wish.IN, NOW)
    assert {(word.account, word.lifted_at) for word in words} == {("shop", NOW), (EVERY_ACCOUNT, NOW)}


def test_a_repeat_is_known_by_the_carriers_id_whatever_else_is_new() -> None:
    first = inbound("hi", carrier_id="m1")
    assert replace(first, text="ho", at=NOW + timedelta(days=3)).id == first.id
    assert replace(first, carrier_id="m2").id != first.id
    assert replace(first, channel="beta").id != first.id


def test_without_an_id_the_same_text_soon_after_is_a_repeat_and_later_is_not() -> None:
    first = inbound("hi", at=datetime.fromtimestamp(REPEAT_S * 1000, UTC))
    assert replace(first, at=first.at + timedelta(seconds=REPEAT_S - 1)).id == first.id
    assert replace(first, at=first.at + timedelta(seconds=REPEAT_S)).id != first.id
    for other in ({"text": "ho"}, {"sender": "+8613900000000"}, {"to": "1"}, {"channel": "beta"}):
        assert replace(first, **other).id != first.id


@pytest.mark.parametrize("hostile", ["\x00", "\ud800", "a\udfffb"])
def test_characters_that_no_text_can_hold_are_replaced(hostile: str) -> None:
    message = holdable(InboundMessage("alpha", hostile, hostile, hostile, NOW, hostile))
    for field in (message.sender, message.to, message.text, message.carrier_id):
        assert field is not None
        assert "\ufffd" in field
        assert field.encode()


@given(st.text(st.characters()), st.none() | st.text(st.characters()))
def test_whatever_comes_can_be_kept_and_has_an_id(text: str, carrier_id: str | None) -> None:
    message = holdable(InboundMessage("alpha", text, text, text, NOW, carrier_id))
    assert "\x00" not in message.text
    message.text.encode()
    assert message.id == holdable(message).id


def test_nothing_is_kept_longer_than_any_real_message() -> None:
    message = holdable(InboundMessage("alpha", "1" * 9999, "2" * 9999, "x" * 10**6, NOW, "i" * 9999))
    assert len(message.sender) == len(message.to) == MAX_ADDRESS
    assert len(message.text) == MAX_TEXT
    assert len(message.carrier_id or "") == 255
