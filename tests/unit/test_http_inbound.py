"""Which inbound messages stand in a body that a carrier posted?"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given

from adapters.carriers.http_inbound import InboundFormat, read_inbound
from adapters.carriers.http_posted import Posted
from engine.inbound import InboundMessage
from tests.carriers import any_json

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
LISTED = InboundFormat("from", "to", "text", "id", "messages")
PLAIN = replace(LISTED, list_path=None, id_path=None)


def read(document: object, inbound: InboundFormat = LISTED) -> list[InboundMessage]:
    return read_inbound(inbound, json.dumps(document).encode(), "alpha", NOW)


def test_messages_are_read_from_a_list_with_their_text_as_it_is() -> None:
    one = {"from": "8613800001234", "to": 106900, "text": " 退订\n", "id": 7}
    assert read({"messages": [one, one | {"id": None, "text": ""}]}) == [
        InboundMessage("alpha", "8613800001234", "106900", " 退订\n", NOW, "7"),
        InboundMessage("alpha", "8613800001234", "106900", "", NOW, None),
    ]


def test_a_text_that_is_a_number_is_a_text() -> None:
    assert read({"from": "1", "to": "2", "text": 42}, PLAIN)[0].text == "42"


def test_what_no_database_can_hold_is_replaced() -> None:
    assert read({"from": "1", "to": "2", "text": "a\x00b"}, PLAIN)[0].text == "a\ufffdb"


def test_a_message_may_be_a_form() -> None:
    form = InboundFormat("From", "To", "Body", "MessageSid", posted=Posted.FORM)
    body = b"MessageSid=SM1&From=%2B14158675309&To=%2B15005550006&Body=STOP+it&NumMedia=0"
    assert read_inbound(form, body, "alpha", NOW) == [
        InboundMessage("alpha", "+14158675309", "+15005550006", "STOP it", NOW, "SM1")
    ]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({}, "message 0 has no sender at from"),
        ({"messages": [{"from": "1", "text": "secret"}]}, "message 0 has no recipient at to"),
        ({"messages": [{"from": "1", "to": "2"}]}, "message 0 has no text at text"),
        ({"messages": [{"from": "1", "to": "2", "text": ["secret"]}]}, "message 0 has no text"),
        ({"messages": [{"from": "a\nb", "to": "2", "text": "secret"}]}, "message 0 has no sender"),
    ],
)
def test_messages_of_the_wrong_shape_are_refused_with_the_place_and_without_a_quote(document: object, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        read(document)
    assert "secret" not in str(error.value)


@given(any_json())
def test_whatever_is_posted_is_read_or_refused(document: object) -> None:
    for inbound in (LISTED, PLAIN, InboundFormat("id", "msg", "stat")):
        try:
            found = read(document, inbound)
        except ValueError:
            continue
        assert all(isinstance(message, InboundMessage) and message.sender for message in found)
