"""Submits that were never answered, through a real worker, real servers and a carrier that can be asked over HTTP."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from tests.carriers import serving
from tests.integration.test_end_to_end import Callback, otp, publish
from tests.stack import Installation, installation, worker

SETTINGS = """
[[channels]]
name = "alpha"
kind = "http"
url = "{url}/send"
body = {{ to = "${{to}}", ref = "${{job}}" }}

[channels.query]
url = "{url}/find?ref=${{job}}"
states = {{ DELIVRD = "delivered", ENROUTE = "submitted", NONE = "not_sent" }}
settles_after_s = 1

[unknown_grace_s]
promotion = 1

[on_unknown]
promotion = "resend"
"""


class Carrier:
    """Hangs up on the first submit of each message, having taken it or not."""

    def __init__(self) -> None:
        self.takes: set[str] = set()  #: messages it takes at the first submit
        self.tells: dict[str, str] = {}  #: its word on a message when asked; without one it fails
        self.submits: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            ref = request.query["ref"]
            if ref not in self.tells:
                return web.Response(status=500)
            return web.json_response({"id": f"id-{ref}", "status": self.tells[ref]})
        ref = (await request.json())["ref"]
        self.submits[ref] += 1
        if ref in self.takes or self.submits[ref] > 1:
            self.taken[ref] += 1
        if self.submits[ref] == 1:
            assert request.transport
            request.transport.abort()
        return web.json_response({"id": f"id-{ref}"})


@pytest.fixture
async def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
async def installed(
    amqp_url: str, redis_url: str, postgres_url: str, tmp_path: Path, carrier: Carrier
) -> AsyncIterator[Installation]:
    settings = tmp_path / "sms.toml"
    async with serving(carrier.answer) as url:
        settings.write_text(SETTINGS.format(url=url), encoding="utf-8")
        async with installation(amqp_url, redis_url, postgres_url, settings) as found:
            yield found


def promotion(number: str) -> dict[str, Any]:
    return {"id": str(uuid4()), "to": number, "signature": "Acme", "template": "SMS_3001"}


async def test_what_became_of_a_submit_is_asked_and_only_what_was_not_sent_or_may_be_sent_twice_is_sent_again(
    installed: Installation, carrier: Carrier
) -> None:
    taken, dropped, again = otp("+8613800000001"), otp("+8613800000002"), promotion("+8613800000003")
    carrier.takes |= {taken["id"], again["id"]}
    carrier.tells |= {taken["id"]: "DELIVRD", dropped["id"]: "NONE"}
    callback = Callback()
    async with worker(installed.environment) as running, installed.broker() as channel:
        await running.ready()
        await callback.listen(channel, installed.prefix)
        await publish(channel, installed.prefix, "otp", [json.dumps(each).encode() for each in (taken, dropped)])
        await publish(channel, installed.prefix, "promotion", [json.dumps(again).encode()])
        finals = await callback.finals([taken["id"]])
        told = {each["id"]: await callback.state(each["id"], "submitted") for each in (dropped, again)}
        assert await running.metric("sms_queries_total") >= 2
        assert await running.stop() == 0
    assert (finals[taken["id"]]["state"], finals[taken["id"]]["carrier_id"]) == ("delivered", f"id-{taken['id']}")
    assert {job: receipt["attempts"] for job, receipt in told.items()} == {dropped["id"]: 2, again["id"]: 2}
    assert carrier.submits == {taken["id"]: 1, dropped["id"]: 2, again["id"]: 2}
    assert carrier.taken == {taken["id"]: 1, dropped["id"]: 1, again["id"]: 2}
    for job in (taken, dropped, again):
        first = callback.receipts[job["id"]][0]
        assert (first["state"], first["final"], first["attempts"]) == ("unknown", False, 1)
        ids = {receipt["id"]: (receipt["state"], receipt["attempts"]) for receipt in callback.receipts[job["id"]]}
        assert len(set(ids.values())) == len(ids)
