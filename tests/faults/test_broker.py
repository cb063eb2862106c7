"""RabbitMQ fails as it can: connections die loudly or silently, it crashes, is full, or lacks a binding."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from pamqp.commands import Basic

from adapters.clock import SystemClock
from adapters.rabbitmq import publisher as publishing
from adapters.rabbitmq.connection import connected, open_channel
from adapters.rabbitmq.producer import Producer, SendError
from adapters.rabbitmq.topology import declare
from adapters.telemetry.fanout import Fanout
from tests.faults.failpoints import Failpoint, Point
from tests.faults.jobs import Job, number, some_jobs
from tests.faults.jobs import job as new_job
from tests.faults.proxy import Way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.conftest import Row
    from tests.faults.lab import Lab

NOTIFICATION = {"notification": 1.0}


@pytest.mark.fault("broker: TCP reset during calls", short=True)
async def test_a_reset_connection_cancels_no_call_and_repeats_none(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(latency_s=0.3)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        await lab.accepted(10)
        with lab.fault():
            for _ in range(4):
                await asyncio.sleep(lab.rng.uniform(0.1, 0.5))
                for worker in lab.workers:
                    worker.amqp.reset()
        await sending
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("broker: connection cut after N bytes")
async def test_a_connection_cut_within_a_frame_loses_nothing(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(400, lab.rng), rate=120))
        with lab.fault():
            for _ in range(10):
                for worker in lab.workers:
                    worker.amqp.cut_after(lab.rng.randint(1, 3000), lab.rng.choice(list(Way)))
                await asyncio.sleep(0.3)
        await sending
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("broker: slow, 0.2 s each way")
async def test_a_slow_broker_slows_and_breaks_nothing(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        with lab.fault():
            for worker in lab.workers:
                worker.amqp.delay_s = 0.2
            await lab.send(some_jobs(200, lab.rng), rate=100)
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.parametrize(
    "ways",
    [
        pytest.param((Way.UP, Way.DOWN), marks=pytest.mark.fault("broker: half-open connection"), id="both"),
        pytest.param((Way.UP,), marks=pytest.mark.fault("broker: one-way black hole, to the broker"), id="up"),
        pytest.param((Way.DOWN,), marks=pytest.mark.fault("broker: one-way black hole, to the worker"), id="down"),
    ],
)
async def test_a_connection_that_died_without_a_word_is_noticed_and_its_consumers_are_restored(
    row: Row, ways: tuple[Way, ...]
) -> None:
    async with row.lab() as lab:
        deaf = lab.workers[0]
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(200, lab.rng), rate=100))
        await lab.accepted(20)
        before = deaf.amqp.accepted
        with lab.fault():
            deaf.amqp.swallow(*ways)
            await lab.until(lambda: deaf.amqp.accepted >= before + 3, "three connections to be made anew")
        await sending
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("broker: kill -9 and restart", short=True)
async def test_a_broker_that_crashed_has_every_confirmed_job_when_it_is_back(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(latency_s=0.1)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        await lab.accepted(30)
        with lab.fault():
            await asyncio.to_thread(lab.servers.rabbit.kill)
            await asyncio.to_thread(lab.servers.rabbit.start)
        await sending
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("broker: frozen for 6 s")
async def test_a_frozen_broker_is_waited_for(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        await lab.accepted(30)
        with lab.fault():
            lab.servers.rabbit.send(signal.SIGSTOP)
            await asyncio.sleep(6)
            lab.servers.rabbit.send(signal.SIGCONT)
        await sending
        assert (await row.holds(lab)).unknown == 0


ALARMS = {
    "memory": (("set_vm_memory_high_watermark", "0.000001"), ("set_vm_memory_high_watermark", "0.4")),
    "disk": (("set_disk_free_limit", "900000GB"), ("set_disk_free_limit", "50MB")),
}


@pytest.mark.parametrize(
    "alarm", [pytest.param(each, marks=pytest.mark.fault(f"broker: {each} alarm"), id=each) for each in ALARMS]
)
async def test_an_alarm_stops_publishers_with_a_clear_error_and_workers_go_on_after_it(row: Row, alarm: str) -> None:
    raised, lifted = ALARMS[alarm]
    async with row.lab() as lab:
        await lab.start()
        await lab.send(some_jobs(100, lab.rng), rate=1000)
        try:
            with lab.fault():
                await lab.servers.rabbit.order(*raised)
                late = new_job(number(1))
                async with Producer(lab.servers.rabbit.url, prefix=lab.prefix, timeout_s=2) as producer:
                    with pytest.raises(SendError):
                        await producer.send(**late.fields())
                await asyncio.sleep(10)
        finally:
            await lab.servers.rabbit.order(*lifted)
        await lab.send([late])
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("broker: memory alarm, a publisher that tries again")
async def test_what_is_published_again_and_again_during_an_alarm_is_there_at_most_twice_after_it(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "CONFIRM_S", 0.5)
    raised, lifted = ALARMS["memory"]
    async with row.lab() as lab:
        publisher = publishing.Publisher(lab.servers.rabbit.url, lab.prefix, SystemClock(), Fanout())
        await publisher.open()
        try:
            with lab.fault():
                await lab.servers.rabbit.order(*raised)
                patient = asyncio.create_task(
                    publisher.publish("", lab.names.dead, b"once", Basic.Properties(delivery_mode=2))
                )
                await asyncio.sleep(6)
        finally:
            await lab.servers.rabbit.order(*lifted)
        await patient
        await publisher.close()
        # The first is on its way before the broker says that it takes nothing.
        assert 1 <= (await lab.depths())[lab.names.dead] <= 2
        await row.holds(lab, dead=(await lab.depths())[lab.names.dead])


@asynccontextmanager
async def policy(lab: Lab, queue: str, definition: dict[str, object]) -> AsyncIterator[None]:
    """A policy of the broker for one queue."""
    pattern = f"^{queue.replace('.', chr(92) + '.')}$"
    await lab.servers.rabbit.order("set_policy", queue, pattern, json.dumps(definition), "--apply-to", "queues")
    try:
        yield
    finally:
        await lab.servers.rabbit.order("clear_policy", queue)


@pytest.mark.fault("broker: delivery limit used up by a crash loop")
async def test_jobs_that_only_sat_in_a_crashing_workers_prefetch_do_not_stay_dead(row: Row) -> None:
    async with row.lab() as lab, policy(lab, f"{lab.prefix}.jobs.notification", {"delivery-limit": 2}):
        crashing = lab.workers[0]
        await lab.send(some_jobs(60, lab.rng, categories=NOTIFICATION), most=1)
        for _ in range(4):
            crashing.start(Failpoint(Point.TAKEN))
            await asyncio.wait({asyncio.create_task(crashing.ended())}, timeout=10)
            await crashing.stop(signal.SIGKILL)
        lab.strike()
        await lab.start()
        await row.holds(lab)


POISON = {
    "no JSON": b"{",
    "not UTF-8": b'{"id": "\xff\xfe"}',
    "an empty array": b"[]",
    "one bad item": b'[{"id": "no uuid", "to": "x"}]',
    "oversized": b" " * 1_100_000 + b"[]",
}


@pytest.mark.fault("poison payloads", short=True)
async def test_poison_is_put_aside_whole_with_its_reason_and_its_neighbours_are_delivered(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(150, lab.rng), rate=150))
        with lab.fault():
            async with connected(lab.servers.rabbit.url, "poison") as connection:
                channel = await open_channel(connection, confirms=True)
                for category in ("otp", "notification", "promotion"):
                    for body in POISON.values():
                        properties = Basic.Properties(delivery_mode=2, message_id=f"{category}{len(body)}")
                        await channel.basic_publish(
                            body, exchange=lab.names.jobs, routing_key=category, properties=properties
                        )
        await sending
        await row.holds(lab, dead=3 * len(POISON))
        async with connected(lab.servers.rabbit.url, "dead") as connection:
            channel = await open_channel(connection)
            for _ in range(3 * len(POISON)):
                message = await channel.basic_get(lab.names.dead, no_ack=True)
                assert message.body in POISON.values()
                assert (message.header.properties.headers or {})["x-reason"]


@pytest.mark.fault("queue of jobs full")
async def test_a_full_queue_tells_the_producer_and_keeps_what_it_confirmed(row: Row) -> None:
    async with row.lab() as lab:
        jobs = some_jobs(40, lab.rng, categories=NOTIFICATION)
        async with policy(lab, f"{lab.prefix}.jobs.notification", {"max-length": 5}):
            with lab.fault():
                refused = await _send_each(lab, jobs)
            assert refused
            assert len(refused) < len(jobs)
        await lab.start()
        await lab.send(refused)
        assert (await row.holds(lab)).unknown == 0


async def _send_each(lab: Lab, jobs: list[Job]) -> list[Job]:
    """Send jobs one by one, once; answers those that were refused."""
    refused = []
    async with Producer(lab.servers.rabbit.url, prefix=lab.prefix, timeout_s=5) as producer:
        for each in jobs:
            try:
                await producer.send(**each.fields())
            except SendError as error:
                if error.unknown:
                    raise
                refused.append(each)
            else:
                lab.note_confirmed(each)
    return refused


@pytest.mark.fault("callback queue full")
async def test_a_full_callback_queue_holds_receipts_back_and_loses_none(row: Row) -> None:
    async with row.lab() as lab:
        await lab.callback.close()
        async with policy(lab, f"{lab.prefix}.callback", {"max-length": 5}):
            await lab.start()
            with lab.fault():
                await lab.send(some_jobs(200, lab.rng), rate=200)
                await asyncio.sleep(5)
            lab.callback.listen()
            assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("publish without a binding")
async def test_a_job_that_no_queue_takes_is_an_error_for_its_producer(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        lost = new_job(number(1))
        async with connected(lab.servers.rabbit.url, "unbind") as connection:
            channel = await open_channel(connection)
            queue = f"{lab.prefix}.jobs.notification"
            with lab.fault():
                await channel.queue_unbind(queue, lab.names.jobs, "notification")
                assert await _send_each(lab, [lost]) == [lost]
            await declare(channel, lab.prefix)
        await lab.send([lost])
        assert (await row.holds(lab)).jobs == 1
