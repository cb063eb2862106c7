"""The HTTP API as other services meet it: over real sockets."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from adapters.http import answers
from adapters.wire import MAX_BODY_BYTES
from engine.message import Category
from engine.receipts import Receipt, State
from tests.http_api import NOW, TRACE, Api, job, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as running:
        yield running


async def test_a_job_is_answered_with_its_id_once_the_queue_has_it(api: Api) -> None:
    one = job(text="hi")
    assert await api.post_jobs(one) == (202, {"ids": [one["id"]]})
    (enqueued,) = api.intake.jobs
    assert (str(enqueued.id), enqueued.to, enqueued.category) == (one["id"], "+8613800001234", Category.NOTIFICATION)
    assert abs((datetime.now(UTC) - enqueued.enqueued_at).total_seconds()) < 60


async def test_jobs_are_answered_in_their_order(api: Api) -> None:
    jobs = [job(text="hi") for _ in range(500)]
    status, body = await api.post_jobs(jobs)
    assert (status, body["ids"]) == (202, [one["id"] for one in jobs])
    assert len(api.intake.jobs) == 500


async def test_the_category_is_the_templates_else_the_one_asked_for(api: Api) -> None:
    await api.post_jobs([job(template="OTP_1"), job(text="hi"), job(template="NONE")], "/v1/jobs?category=promotion")
    assert [one.category for one in api.intake.jobs] == [Category.OTP, Category.PROMOTION, Category.PROMOTION]


async def test_an_unknown_category_enqueues_nothing(api: Api) -> None:
    status, body = await api.post_jobs(job(text="hi"), "/v1/jobs?category=Secret")
    assert status == 400
    assert "otp, notification, promotion" in body["error"]
    assert "Secret" not in body["error"]
    assert not api.intake.jobs


async def test_a_trace_goes_with_the_jobs_if_it_is_one(api: Api) -> None:
    await api.post_jobs(job(text="hi"), headers={"traceparent": TRACE})
    await api.post_jobs(job(text="hi"), headers={"traceparent": "<script>"})
    assert [one.traceparent for one in api.intake.jobs] == [TRACE, None]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json"])
async def test_the_content_type_does_not_matter(api: Api, content_type: str) -> None:
    assert (await api.post_jobs(job(text="hi"), headers={"Content-Type": content_type}))[0] == 202


async def test_one_bad_item_enqueues_nothing_and_each_is_told_why(api: Api) -> None:
    good, bad = job(text="hi"), job(text=7)
    status, body = await api.post_jobs([good, bad, {"id": "Secret", "to": "x"}, [good], 5])
    assert status == 400
    assert [(error["index"], error["id"]) for error in body["errors"]] == [
        (1, bad["id"]),
        (2, None),
        (3, None),
        (4, None),
    ]
    assert body["errors"][0]["reason"] == "Expected `str | null`, got `int` - at `$.text`"
    assert "Secret" not in json.dumps(body)
    assert not api.intake.jobs


async def test_a_bad_job_on_its_own_is_the_first_item(api: Api) -> None:
    status, body = await api.post_jobs({"to": "+8613800001234"})
    assert (status, body["errors"][0]["index"], body["errors"][0]["id"]) == (400, 0, None)


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"[", b"[]", b"\xff\xfe", b"[" * 20_000, b"null", json.dumps([{}] * 501).encode()],
    ids=["empty", "nonsense", "open", "none", "not utf-8", "deep", "null", "too many"],
)
async def test_a_body_that_holds_no_jobs_enqueues_nothing(api: Api, body: bytes) -> None:
    status, answer = await api.post_jobs(body)
    assert status == 400
    assert set(answer) & {"error", "errors"}
    assert not api.intake.jobs


async def test_a_body_may_have_a_mebibyte_and_no_more(api: Api) -> None:
    one = json.dumps(job(text="hi")).encode()
    assert (await api.post_jobs(one + b" " * (MAX_BODY_BYTES - len(one))))[0] == 202
    assert (await api.post_jobs(one + b" " * (MAX_BODY_BYTES - len(one) + 1)))[0] == 413
    assert len(api.intake.jobs) == 1


async def test_a_packed_body_is_bounded_by_what_it_unpacks_to(api: Api) -> None:
    async with api.client.post(
        f"{api.url}/v1/jobs", data=io.BytesIO(b" " * (4 * MAX_BODY_BYTES)), compress="gzip"
    ) as response:
        assert response.status == 413


async def test_a_body_that_is_not_packed_as_it_says_is_a_bad_request(api: Api) -> None:
    status, _ = await api.post_jobs(b"no gzip at all", headers={"Content-Encoding": "gzip"}, compress=False)
    assert status == 400
    assert not api.intake.jobs


async def test_a_caller_who_hangs_up_in_mid_body_disturbs_nobody(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n[")
    await reader.readuntil(b"100 Continue\r\n\r\n")  # it reads the body now
    writer.close()
    await writer.wait_closed()
    assert (await api.ask("GET", "/livez"))[0] == 200
    assert not api.intake.jobs
    assert not caplog.records


async def test_a_queue_that_does_not_confirm_asks_to_come_again(api: Api) -> None:
    api.intake.away = True
    async with api.client.post(f"{api.url}/v1/jobs", json=job(text="hi")) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        assert await response.json() == {"error": "The queue did not confirm; the same jobs can safely be sent again."}


async def test_the_latest_receipt_of_a_job_is_shown(api: Api) -> None:
    known = uuid4()
    await api.store.merge([Receipt(known, "default", "+8613800001234", Category.OTP, State.DELIVERED, True, NOW, NOW)])
    status, body = await api.ask("GET", f"/v1/jobs/{known}")
    assert (status, body["job"], body["state"], body["at"]) == (
        200,
        str(known),
        "delivered",
        "2026-11-22T10:00:00.000Z",
    )


async def test_a_job_without_a_receipt_is_not_found(api: Api) -> None:
    assert await api.ask("GET", f"/v1/jobs/{uuid4()}") == (
        404,
        {"error": "There is no receipt yet for a job of this id."},
    )


async def test_an_id_that_is_no_uuid_is_a_bad_request_and_is_not_echoed(api: Api) -> None:
    assert await api.ask("GET", "/v1/jobs/Secret") == (400, {"error": "The id is no UUID."})


async def test_a_server_of_ours_that_hangs_is_answered_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PATIENCE_S", 0.05)
    api.store.hangs = True
    assert (await api.ask("GET", f"/v1/jobs/{uuid4()}"))[0] == 503


async def test_what_does_not_exist_or_is_not_allowed_is_said_in_json(api: Api) -> None:
    assert await api.ask("GET", "/Secret") == (404, {"error": "There is nothing here."})
    async with api.client.put(f"{api.url}/v1/jobs") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert await response.json() == {"error": "This method is not allowed here."}
