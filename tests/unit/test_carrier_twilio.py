"""The example for Twilio, against a stand-in that checks our login and signs what it posts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from engine.inbound import InboundMessage
from engine.message import Recipient
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled, Unanswered
from engine.receipts import DeliveryReceipt, State
from tests.carriers import message, serving
from tests.examples import example
from tests.twilio import TOKEN, Twilio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.message import Message
    from engine.outcomes import Outcome
    from tests.examples import Example

RECEIPTS = "https://sms.example.com/v1/receipts/twilio"
INBOUND = "https://sms.example.com/v1/inbound/twilio"


def to(number: str) -> Message:
    return message()._replace(recipient=Recipient(number, "US"))


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Twilio, Example]]:
    twilio = Twilio()
    async with (
        serving(twilio.answer) as url,
        example("twilio", "https://api.twilio.com", url, {"TWILIO_AUTH_TOKEN": TOKEN}) as ours,
    ):
        yield twilio, ours


async def test_a_message_is_handed_in_and_known_by_its_sid() -> None:
    async with running() as (twilio, ours):
        assert await ours.channel.submit(to("+14158675309")) == Accepted(f"SM{1:032x}")
    assert twilio.taken == [
        {
            "To": "+14158675309",
            "From": "+15005550007",
            "Body": "【Acme】Your code is 1234.",
            "StatusCallback": RECEIPTS,
        }
    ]


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (400, 21610, Refused("21610", "It is as it is.")),
        (400, 21614, Refused("21614", "It is as it is.")),
        (403, 21408, Refused("21408", "It is as it is.")),
        (400, 21617, Refused("21617", "It is as it is.")),  # not in the example: by its status
        (429, 20429, Throttled("The carrier answered 20429.", 7.0)),
        (400, 14107, Throttled("The carrier answered 14107.", 7.0)),
        (400, 30001, Throttled("The carrier answered 30001.", 7.0)),
        (400, 30002, ChannelFault("The carrier answered 30002.", fatal=True)),
        (400, 21606, ChannelFault("The carrier answered 21606.")),
        (503, 20503, ChannelFault("The carrier answered HTTP 503.")),
        (500, 20500, Unanswered("The carrier answered HTTP 500.")),
    ],
)
async def test_each_kind_of_error_has_its_outcome(status: int, code: int, outcome: Outcome) -> None:
    async with running() as (twilio, ours):
        twilio.errors["+14158675309"] = (status, code)
        twilio.retry_after = "7"
        assert await ours.channel.submit(to("+14158675309")) == outcome
    assert twilio.taken == []


async def test_a_wrong_token_is_fatal() -> None:
    async with running() as (twilio, ours):
        twilio.token = "changed"
        assert await ours.channel.submit(to("+14158675309")) == ChannelFault("The carrier answered 20003.", fatal=True)


@pytest.mark.parametrize(
    ("told", "state", "code"),
    [
        ({"MessageStatus": "sent"}, State.SUBMITTED, None),
        ({"MessageStatus": "delivered"}, State.DELIVERED, None),
        ({"MessageStatus": "undelivered", "ErrorCode": "30003"}, State.UNDELIVERED, "30003"),
        ({"MessageStatus": "failed", "ErrorCode": "30001"}, State.UNDELIVERED, "30001"),
    ],
)
async def test_a_status_callback_is_a_delivery_receipt(told: dict[str, str], state: State, code: str | None) -> None:
    form = {"MessageSid": "SM1", "AccountSid": "AC1", "From": "+15005550006", "To": "+14158675309", **told}
    async with running() as (twilio, ours):
        assert await twilio.post(RECEIPTS, ours.server, form) == (200, "text/xml", "<Response/>")
    (dlr,) = ours.told
    assert isinstance(dlr, DeliveryReceipt)
    assert (dlr.channel, dlr.carrier_id, dlr.state, dlr.code) == ("twilio", "SM1", state, code)


async def test_a_reply_is_an_inbound_message() -> None:
    form = {"MessageSid": "SM2", "From": "+14158675309", "To": "+15005550006", "Body": "Stop é", "NumMedia": "0"}
    async with running() as (twilio, ours):
        assert await twilio.post(INBOUND, ours.server, form) == (200, "text/xml", "<Response/>")
    (heard,) = ours.told
    assert isinstance(heard, InboundMessage)
    assert (heard.channel, heard.sender, heard.to, heard.text, heard.carrier_id) == (
        "twilio",
        "+14158675309",
        "+15005550006",
        "Stop é",
        "SM2",
    )


@pytest.mark.parametrize("url", [RECEIPTS, INBOUND])
async def test_what_twilio_did_not_sign_is_not_taken(url: str) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": "delivered", "From": "+1", "To": "+2", "Body": ""}
    async with running() as (twilio, ours):
        assert (await twilio.post(url, ours.server, form, token="guessed"))[0] == 403
        assert (await twilio.post(url.replace("https", "http"), ours.server, form))[0] == 403
        assert ours.told == []
        assert (await twilio.post(url, ours.server, form))[0] == 200
