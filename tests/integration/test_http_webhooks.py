"""Delivery receipts that carriers post."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

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
