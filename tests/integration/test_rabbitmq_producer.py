"""The Python client of other services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters import wire as json_wire
from adapters.clock import SystemClock
from adapters.rabbitmq.producer import AT_ONCE, JobFields, Producer, SendError, uuid7
from engine.message import Category
from tests.rabbitmq_setup import SOON_S, Installation, installation, wire

OTP = Category.OTP


@pytest.fixture
async def here(amqp_url: str) -> AsyncIterator[Installation]:
    async with installation(amqp_url) as prepared:
        yield prepared


def many(count: int, **fields: Any) -> list[JobFields]:
    return [{"to": f"+86138{number:08}", "category": "promotion", **fields} for number in range(count)]  # type: ignore[typeddict-item]


async def test_a_message_is_sent_as_the_contract_says(here: Installation) -> None:
    before = datetime.now(UTC)
    async with Producer(here.url, prefix=here.prefix) as sms:
        sent = await sms.send(
            to="+8613800000000",
            category="otp",
            signature="Acme",
            template="SMS_1001",
            params={"code": "4711"},
            ref="order 1",
            expires_at=before + timedelta(minutes=5),
            traceparent="00-ab-cd-01",
        )
    message = await here.next_in(here.names.of_category(OTP))
    [fields] = json.loads(message.body)
    assert fields == {
        "id": str(sent),
        "to": "+8613800000000",
        "signature": "Acme",
        "template": "SMS_1001",
        "params": {"code": "4711"},
        "account": "default",
        "ref": "order 1",
        "expires_at": fields["expires_at"],
    }
    assert datetime.fromisoformat(fields["expires_at"]) == before + timedelta(minutes=5)
    properties = message.header.properties
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    assert properties.timestamp
    assert abs(properties.timestamp - before) < timedelta(seconds=SOON_S)
    headers: dict[str, Any] = properties.headers or {}
    assert headers["traceparent"] == "00-ab-cd-01"
    assert datetime.fromisoformat(headers["x-enqueued-at"]).replace(microsecond=0) == properties.timestamp


async def test_the_engine_takes_what_the_client_sends(here: Installation) -> None:
    async with Producer(here.url, prefix=here.prefix) as sms, here.job_queue() as queue:
        own = uuid4()
        assert await sms.send(to="1", category="otp", text="hi", account="shop", id=own) == own
        delivery = await asyncio.wait_for(queue.take(OTP), SOON_S)
        assert delivery
        assert (delivery.job.id, delivery.job.text, delivery.job.account) == (own, "hi", "shop")


async def test_an_id_is_a_uuidv7_of_this_moment_unless_it_is_given() -> None:
    before = datetime.now(UTC).timestamp() * 1000
    minted = [uuid7() for _ in range(1000)]
    after = datetime.now(UTC).timestamp() * 1000
    assert len(set(minted)) == 1000
    for each in minted:
        assert (each.version, each.variant) == (7, UUID(int=0x8000 << 48).variant)
        assert before - 1 <= each.int >> 80 <= after


async def test_many_messages_travel_500_to_a_body_in_order(here: Installation) -> None:
    async with Producer(here.url, prefix=here.prefix) as sms:
        ids = await sms.send_many(many(1200))
    await here.counted(here.names.of_category(Category.PROMOTION), 3)
    bodies = [json.loads((await here.next_in(here.names.of_category(Category.PROMOTION))).body) for _ in range(3)]
    assert [len(body) for body in bodies] == [500, 500, 200]
    assert [fields["id"] for body in bodies for fields in body] == list(map(str, ids))


async def test_what_several_tasks_send_at_the_same_time_travels_together(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = here.clock.now()
    monkeypatch.setattr(SystemClock, "now", lambda _: now)
    async with Producer(here.url, prefix=here.prefix) as sms:
        await sms.send(to="1", category="promotion")
        ids = await asyncio.gather(*(sms.send(**job) for job in many(100)))
    await here.counted(here.names.of_category(Category.PROMOTION), 2)
    _, together = [json.loads((await here.next_in(here.names.of_category(Category.PROMOTION))).body) for _ in range(2)]
    assert [fields["id"] for fields in together] == list(map(str, ids))


async def test_each_of_several_tasks_hears_of_its_own_message(here: Installation) -> None:
    await here.channel.queue_unbind(here.names.of_category(OTP), here.names.jobs, "otp")
    async with Producer(here.url, prefix=here.prefix) as sms:
        sent = [sms.send(to=category, category=category) for category in ("otp", "promotion", "otp")]
        first, confirmed, third = await asyncio.gather(*sent, return_exceptions=True)
    assert isinstance(confirmed, UUID)
    for failed in (first, third):
        assert isinstance(failed, SendError)
        assert [fields["to"] for fields in failed.jobs] == ["otp"]
        assert not failed.unknown
    assert first is not third


async def test_many_messages_of_several_categories_go_to_their_queues(here: Installation) -> None:
    async with Producer(here.url, prefix=here.prefix) as sms:
        ids = await sms.send_many([{"to": "1", "category": each} for each in [*Category, *Category]])
    assert len(set(ids)) == 6
    for category in Category:
        assert len(json.loads((await here.next_in(here.names.of_category(category))).body)) == 2


async def test_an_iterable_is_read_no_further_than_it_is_sent(here: Installation) -> None:
    read = 0
    steps: list[tuple[int, int]] = []

    def endless() -> Iterator[JobFields]:
        nonlocal read
        for fields in many(2 * AT_ONCE + 1):
            read += 1
            yield fields

    async with Producer(here.url, prefix=here.prefix) as sms:
        await sms.send_many(endless(), on_confirmed=lambda confirmed: steps.append((confirmed, read)))
    assert steps == [(AT_ONCE, AT_ONCE), (2 * AT_ONCE, 2 * AT_ONCE), (2 * AT_ONCE + 1, 2 * AT_ONCE + 1)]


async def test_large_messages_do_not_make_a_body_too_large(here: Installation) -> None:
    async with Producer(here.url, prefix=here.prefix) as sms:
        await sms.send_many(many(10, text="x" * 300_000))
    await here.counted(here.names.of_category(Category.PROMOTION), 4)
    for _ in range(4):
        body = (await here.next_in(here.names.of_category(Category.PROMOTION))).body
        assert len(body) <= json_wire.MAX_BODY_BYTES


@pytest.mark.parametrize(
    "wrong",
    [
        {"category": "newsletter"},
        {"id": "7"},
        {"to": 13800000000},
        {"params": {"code": 4711}},
        {"expires_at": datetime(2026, 11, 22)},  # noqa: DTZ001
        {"account": ""},
        {"text": "x" * json_wire.MAX_BODY_BYTES},
    ],
    ids=str,
)
async def test_what_the_engine_would_put_aside_is_not_sent(here: Installation, wrong: dict[str, Any]) -> None:
    async with Producer(here.url, prefix=here.prefix) as sms:
        with pytest.raises(ValueError, match=r"\S") as caught:
            await sms.send_many([*many(3), *many(1, **wrong)])
    assert "4711" not in str(caught.value)
    assert await here.count(here.names.of_category(Category.PROMOTION)) == 0


async def test_a_misspelt_argument_is_an_error(here: Installation) -> None:
    async with Producer(here.url, prefix=here.prefix) as sms:
        with pytest.raises(TypeError, match="tempalte"):
            await sms.send(to="1", category="otp", tempalte="SMS_1001")  # type: ignore[call-arg]


async def test_without_a_broker_it_is_certain_that_nothing_was_enqueued(here: Installation) -> None:
    async with wire(here.url) as between:
        between.down()
        async with Producer(between.url, prefix=here.prefix, timeout_s=0.3) as sms:
            with pytest.raises(SendError, match="none of them was enqueued") as caught:
                await sms.send_many(many(600))
            assert not caught.value.unknown
            assert "guest" not in str(caught.value)
            await between.up()
        async with Producer(between.url, prefix=here.prefix) as sms:
            ids = await sms.send_many(caught.value.jobs)
    assert ids == [UUID(str(fields["id"])) for fields in caught.value.jobs]
    assert len(set(ids)) == 600


async def test_without_a_confirm_it_is_not_known_and_the_same_jobs_can_be_sent_again(here: Installation) -> None:
    async with wire(here.url) as between:
        async with Producer(between.url, prefix=here.prefix, timeout_s=0.5) as sms:
            await sms.send(to="1", category="promotion")
            between.hold()
            with pytest.raises(SendError, match="not known") as caught:
                await sms.send(to="2", category="promotion", text="hi")
            assert caught.value.unknown
            between.cut()
        async with Producer(here.url, prefix=here.prefix) as sms:
            [again] = await sms.send_many(caught.value.jobs)
    assert caught.value.jobs[0]["id"] == again
    assert caught.value.jobs[0]["text"] == "hi"


async def test_a_send_survives_a_connection_that_ends(here: Installation) -> None:
    async with wire(here.url) as between, Producer(between.url, prefix=here.prefix) as sms:
        await sms.send(to="1", category="otp")
        between.cut()
        await sms.send(to="2", category="otp")
    assert between.connections > 1


async def test_without_init_the_error_says_what_to_do(here: Installation) -> None:
    async with Producer(here.url, prefix=f"{here.prefix}-other") as sms:
        with pytest.raises(SendError, match="sms-engine init"):
            await sms.send(to="1", category="otp")
    await here.channel.queue_unbind(here.names.of_category(OTP), here.names.jobs, "otp")
    async with Producer(here.url, prefix=here.prefix) as sms:
        with pytest.raises(SendError, match="sms-engine init") as caught:
            await sms.send(to="1", category="otp")
    assert not caught.value.unknown
