"""Bodies of inbound messages and replies: what is written can be read, whatever somebody else wrote cannot harm."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire import BadBodyError
from adapters.wire_inbound import decode_inbound, decode_replies, encode_inbound, encode_replies
from engine.inbound import InboundMessage, holdable
from engine.replies import Reply

AT = datetime(2026, 11, 25, 10, 0, 0, 123000, tzinfo=UTC)
TEXT = st.text(st.characters())


@given(TEXT, TEXT, TEXT, TEXT | st.none())
def test_an_inbound_message_is_read_as_it_was_written(sender: str, to: str, text: str, carrier_id: str | None) -> None:
    message = holdable(InboundMessage("alpha", sender, to, text, AT, carrier_id))
    assert decode_inbound(encode_inbound([message, message])) == [message, message]


@given(st.binary() | st.builds(lambda value: json.dumps(value).encode(), st.recursive(TEXT, st.lists)))
def test_whatever_else_stands_in_a_body_it_is_inbound_messages_or_a_bad_body(body: bytes) -> None:
    for decode in (decode_inbound, decode_replies):
        with suppress(BadBodyError):
            decode(body)


def test_a_message_that_somebody_else_wrote_can_be_kept_all_the_same() -> None:
    body = json.dumps(
        [{"channel": "a", "sender": "\x00", "to": "1" * 999, "text": "\x00", "at": "2026-11-25T10:00:00Z"}]
    )
    (message,) = decode_inbound(body.encode())
    assert (message.sender, len(message.to), message.text) == ("\ufffd", 64, "\ufffd")


@pytest.mark.parametrize("body", [b"", b"{}", b"[{}]", b"\xff", b"[" * 100_000, b'[{"v": 1, "id": "x"}]'])
def test_what_is_no_array_of_them_is_a_bad_body(body: bytes) -> None:
    for decode in (decode_inbound, decode_replies):
        with pytest.raises(BadBodyError):
            decode(body)


def test_a_reply_is_read_as_it_was_written_and_fields_nobody_knows_are_ignored() -> None:
    reply = Reply(uuid4(), "shop", "+8613800000000", "1069", "你好", "alpha", AT, "m1", "07", uuid4(), "r1")
    plain = Reply(uuid4(), "shop", "10086", "1069", "", "alpha", AT)
    body = encode_replies([reply, plain])
    assert decode_replies(body) == [reply, plain]
    more = [{**fields, "new": 1} for fields in json.loads(body)]
    assert decode_replies(json.dumps(more).encode()) == [reply, plain]
