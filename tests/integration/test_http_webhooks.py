"""Delivery receipts and inbound messages that carriers post."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from typing import TYPE_CHECKING

import pytest

from adapters.http.signature import Signature
from adapters.wire import MAX_BODY_BYTES
from engine.record_receipt import StillInHand
from tests.http_api import Api, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as running:
        yield running


async def test_receipts_are_confirmed_once_all_are_taken(api: Api) -> None:
    assert (await api.ask("POST", "/v1/receipts/alpha", data='["a", "last"]'))[0] == 200
    assert api.carrier.taken == ["a", "last"]


@pytest.mark.parametrize("error", [StillInHand(), ConnectionError("not open")])
async def test_receipts_not_all_taken_are_asked_for_again(api: Api, error: Exception) -> None:
    api.carrier.raises = error
    assert (await api.ask("POST", "/v1/receipts/alpha", data='["a", "last"]'))[0] == 503
    assert api.carrier.taken == ["a"]


async def test_a_defect_of_ours_is_no_fault_of_the_carriers_receipts(api: Api) -> None:
    api.carrier.raises = ValueError("+8613800001234 is broken")
    status, body = await api.ask("POST", "/v1/receipts/alpha", data='["last"]')
    assert (status, body) == (500, {"error": "Something is wrong on our side."})


async def test_receipts_that_cannot_be_read_are_refused_with_the_reason(api: Api) -> None:
    assert await api.ask("POST", "/v1/receipts/alpha", data="id=1") == (
        400,
        {"error": "The receipts cannot be read: the body is no JSON."},
    )


async def test_receipts_for_a_channel_nobody_knows_are_not_found(api: Api) -> None:
    status, body = await api.ask("POST", "/v1/receipts/Secret", data="[]")
    assert status == 404
    assert "Secret" not in json.dumps(body)


async def test_inbound_messages_have_an_address_of_their_own(api: Api) -> None:
    assert (await api.ask("POST", "/v1/inbound/beta", data='["a"]'))[0] == 200
    assert api.carrier.taken == ["a"]
    assert (await api.ask("POST", "/v1/inbound/alpha", data='["b"]'))[0] == 404
    assert (await api.ask("POST", "/v1/receipts/beta", data='["c"]'))[0] == 404
    assert api.carrier.taken == ["a"]


@pytest.mark.parametrize("path", ["/v1/receipts/alpha", "/v1/inbound/beta"])
async def test_a_signature_is_wanted_of_every_body(path: str) -> None:
    body = b'["a"]'
    right = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    wrong = hmac.new(b"other", body, hashlib.sha256).hexdigest()
    async with serving(signature=Signature("X-Signature", "s3cret")) as api:
        assert (await api.ask("POST", path, data=body))[0] == 403
        assert (await api.ask("POST", path, data=body, headers={"X-Signature": wrong}))[0] == 403
        assert api.carrier.taken == []
        assert (await api.ask("POST", path, data=body, headers={"X-Signature": right}))[0] == 200
        assert api.carrier.taken == ["a"]


async def test_with_a_token_and_a_signature_both_are_wanted() -> None:
    body = b'["a"]'
    signed = {"X-Signature": hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()}
    async with serving(webhook_token="t", signature=Signature("X-Signature", "s3cret")) as api:
        assert (await api.ask("POST", "/v1/receipts/alpha", data=body, headers=signed))[0] == 403
        assert (await api.ask("POST", "/v1/receipts/alpha?token=t", data=body))[0] == 403
        assert (await api.ask("POST", "/v1/receipts/alpha?token=t", data=body, headers=signed))[0] == 200


async def test_a_carrier_hears_what_it_wants_to_hear() -> None:
    async with (
        serving(thanks="<Response/>", thanks_type="text/xml") as api,
        api.client.post(f"{api.url}/v1/receipts/alpha", data="[]") as response,
    ):
        assert (response.status, response.content_type, await response.text()) == (200, "text/xml", "<Response/>")


async def test_a_body_beyond_the_bound_is_not_read(api: Api) -> None:
    status, _ = await api.ask("POST", "/v1/receipts/alpha", data=io.BytesIO(b" " * (MAX_BODY_BYTES + 1)))
    assert status == 413
