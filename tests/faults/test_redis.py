"""Redis restarts, forgets, fails over, pauses, or is away: no limit is exceeded, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from tests.faults.jobs import TIMEOUT_S, job, number, some_jobs
from tests.faults.servers import FaultRedis

if TYPE_CHECKING:
    from tests.faults.conftest import Row
    from tests.faults.lab import Lab


@pytest.mark.fault("Redis: kill -9 and restart (AOF)", short=True)
async def test_a_redis_that_crashed_and_kept_its_file_changes_nothing(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(latency_s=0.1)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        await lab.accepted(30)
        with lab.fault():
            await asyncio.to_thread(lab.servers.redis.kill)
            await asyncio.sleep(1)
            await asyncio.to_thread(lab.servers.redis.start)
        await sending
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("Redis: away for 6 s", short=True)
async def test_nothing_is_sent_while_redis_is_away_and_jobs_wait(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        await lab.accepted(30)
        with lab.fault():
            for worker in lab.workers:
                worker.redis.refuse()
            await asyncio.sleep(6)
            back_at = time.monotonic()
            for worker in lab.workers:
                await worker.redis.accept()
        await sending
        findings = await row.holds(lab)
        assert findings.unknown == 0
        began = [line["at"] for line in lab.carrier.lines() if line["kind"] == "call"]
        assert not [at for at in began if lab.struck_at + TIMEOUT_S < at < back_at]


@pytest.mark.fault("Redis: connections reset")
async def test_reset_connections_to_redis_are_made_anew_and_nothing_crashes(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(400, lab.rng), rate=150))
        with lab.fault():
            for _ in range(8):
                await asyncio.sleep(lab.rng.uniform(0.1, 0.4))
                for worker in lab.workers:
                    worker.redis.reset()
        await sending
        await lab.settled()
        crashes = [await worker.metric("sms_crashes_total") for worker in lab.workers]
        assert (await row.holds(lab)).unknown == 0
        assert crashes == [0, 0]


@pytest.mark.fault("Redis: FLUSHALL, then more to the same numbers")
async def test_limits_hold_across_a_loss_of_redis(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        start = lab.rng.randrange(90_000_000)
        numbers = [number(start + position) for position in range(20)]
        await lab.send([job(to, category) for to in numbers for category in ("otp", *["notification"] * 3)])
        await lab.settled()
        with lab.fault():
            await _flush(lab)
        await lab.send([job(to, category) for to in numbers for category in ("otp", "notification", "promotion")])
        findings = await row.holds(lab, redis_lost=True)
        assert findings.unknown == 0
        assert len(lab.carrier_accepts()) == 20 * 5, "what fits the limits is sent all the same"


@pytest.mark.fault("Redis: FLUSHALL under load")
async def test_a_loss_of_redis_in_the_middle_of_the_work_breaks_no_limit_and_repeats_nothing(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(latency_s=0.3)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=100))
        await lab.accepted(50)
        with lab.fault():
            await _flush(lab)
        await sending
        await row.holds(lab, redis_lost=True)


@pytest.mark.fault("Redis: FLUSHALL, then the same jobs again")
async def test_a_job_known_to_postgres_is_not_sent_again_after_a_loss_of_redis(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        jobs = some_jobs(40, lab.rng)
        await lab.send(jobs)
        await lab.settled()
        with lab.fault():
            await _flush(lab)
        await lab.send(jobs)
        await row.holds(lab, redis_lost=True)


@pytest.mark.fault("Redis: FLUSHALL between submits and delivery receipts")
async def test_delivery_receipts_find_their_messages_after_a_loss_of_redis(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(report_s=3.0)
        await lab.start()
        await lab.send(some_jobs(100, lab.rng, categories={"notification": 1}, numbers=100))
        await lab.heard_of(100)
        with lab.fault():
            await _flush(lab)
        assert (await row.holds(lab, redis_lost=True)).unknown == 0
        assert lab.states() == {"delivered": 100}


@pytest.mark.fault("Redis: FLUSHALL and broker reset during calls")
async def test_a_redelivered_job_without_a_record_waits_for_the_one_who_may_still_hold_it(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(latency_s=1.0)
        await lab.start()
        await lab.send(some_jobs(60, lab.rng, categories={"notification": 1}, numbers=60))
        await asyncio.sleep(0.5)
        with lab.fault():
            await _flush(lab)
            for worker in lab.workers:
                worker.amqp.reset()
        await row.holds(lab, redis_lost=True)


@pytest.mark.fault("Redis: failover to a replica")
async def test_a_failover_to_a_replica_that_has_everything_changes_nothing(row: Row) -> None:
    async with row.lab() as lab:
        with FaultRedis() as replica:
            async with Redis.from_url(replica.url) as heir:
                await heir.replicaof("127.0.0.1", lab.servers.redis.port)
                async with asyncio.timeout(30):
                    while (await heir.info("replication"))["master_link_status"] != "up":
                        await asyncio.sleep(0.1)
                await lab.start()
                sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
                await lab.accepted(50)
                with lab.fault():
                    for worker in lab.workers:
                        worker.redis.refuse()
                    await asyncio.sleep(0.5)  # so that the replica has all: what it lacks is a loss of data
                    await heir.replicaof("NO", "ONE")
                    for worker in lab.workers:
                        worker.redis.server_port = replica.port
                        await worker.redis.accept()
                await sending
                lab.redis_url = replica.url
                assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("Redis: paused for 2.5 s", short=True)
async def test_a_paused_redis_is_waited_for_and_no_request_acts_twice(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        await lab.accepted(30)
        with lab.fault():
            async with Redis.from_url(lab.servers.redis.url) as redis:
                await redis.client_pause(2500)
            await asyncio.sleep(2.5)
        await sending
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("Redis: frozen for 7 s")
async def test_a_frozen_redis_is_waited_for_longer_than_a_lease(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(latency_s=0.3)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        await lab.accepted(30)
        with lab.fault():
            lab.servers.redis.send(signal.SIGSTOP)
            await asyncio.sleep(7)
            lab.servers.redis.send(signal.SIGCONT)
        await sending
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("Redis: slow, 0.3 s each way")
async def test_a_slow_redis_slows_and_breaks_nothing(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        with lab.fault():
            for worker in lab.workers:
                worker.redis.delay_s = 0.3
            await lab.send(some_jobs(200, lab.rng), rate=100)
        assert (await row.holds(lab)).unknown == 0


async def _flush(lab: Lab) -> None:
    async with Redis.from_url(lab.servers.redis.url) as redis:
        await redis.flushall()
