"""Workers freeze, get stuck, are killed under load, or are asked to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from adapters.watchdog import EXIT_STUCK
from tests.faults.failpoints import Action, Failpoint, Point
from tests.faults.jobs import GRACE_S, VISIBILITY_S, some_jobs
from tests.faults.processes import START_S
from tests.faults.records import journal
from tests.servers.processes import alive

if TYPE_CHECKING:
    from tests.faults.conftest import Row
    from tests.faults.lab import Lab

SECOND_SIGNAL = 130


def begun(lab: Lab) -> Counter[str]:
    """How often each job was asked for at the ledger."""
    return Counter(note["job"] for note in journal(lab.folder / "journal") if note["event"] == "begun")


@pytest.mark.fault("SIGSTOP worker, 2 x visibility", short=True)
async def test_a_frozen_workers_job_becomes_unknown_and_its_late_result_counts_as_evidence(row: Row) -> None:
    async with row.lab(concurrency=1) as lab:
        frozen = lab.workers[0]
        frozen.start(Failpoint(Point.ACCEPTED, nth=3, action=Action.STOP))
        await lab.start()
        await lab.send(some_jobs(30, lab.rng, categories={"notification": 1}), most=1)
        await lab.until(lambda: bool(struck(lab)), "the freeze")
        with lab.fault(frozen):
            frozen.amqp.reset()  # as the broker does when heartbeats stay away
            await asyncio.sleep(2 * VISIBILITY_S)
        frozen.send(signal.SIGCONT)
        findings = await row.holds(lab)
        assert findings.unknown == 1
        (job,) = (job for job, found in lab.callback.arrivals.items() if found[0].receipt["state"] == "unknown")
        standing = lab.callback.standing(job)
        assert standing is not None
        assert standing.receipt["state"] == "delivered"


def struck(lab: Lab) -> list[dict[str, object]]:
    return [note for note in journal(lab.folder / "journal") if note["event"] == "struck"]


@pytest.mark.fault("SIGSTOP worker, shorter than visibility")
async def test_a_worker_frozen_for_a_moment_goes_on_as_if_nothing_had_been(row: Row) -> None:
    async with row.lab() as lab:
        frozen = lab.workers[0]
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(200, lab.rng), rate=150))
        await lab.accepted(20)
        with lab.fault(frozen):
            frozen.send(signal.SIGSTOP)
            await asyncio.sleep(VISIBILITY_S / 4)
            frozen.send(signal.SIGCONT)
        await sending
        await row.holds(lab)


@pytest.mark.fault("event loop blocked")
async def test_a_worker_whose_event_loop_is_stuck_is_ended_by_itself(row: Row) -> None:
    async with row.lab(concurrency=1) as lab:
        stuck = lab.workers[0]
        stuck.start(Failpoint(Point.SUBMITTING, nth=3, action=Action.BLOCK, seconds=60))
        await lab.start()
        await lab.send(some_jobs(30, lab.rng, categories={"notification": 1}), most=1)
        await lab.until(lambda: bool(struck(lab)), "the block")
        lab.strike(stuck)
        assert await stuck.ended(within_s=45) != 0
        assert (await row.holds(lab)).unknown == 1


@pytest.mark.fault("event loop of one process blocked")
async def test_a_process_whose_event_loop_is_stuck_ends_and_is_replaced(row: Row) -> None:
    async with row.lab(concurrency=1) as lab:
        stuck = lab.workers[0]
        stuck.start(Failpoint(Point.SUBMITTING, nth=3, action=Action.BLOCK, seconds=60), processes=2)
        await lab.start()
        before = stuck.supervised()
        await lab.send(some_jobs(30, lab.rng, categories={"notification": 1}), most=1)
        await lab.until(lambda: bool(struck(lab)), "the block")
        lab.strike()
        await lab.until(lambda: stuck.supervised() != before, "another process in its place")
        assert stuck.running
        await row.holds(lab)
        assert f'"code": {EXIT_STUCK}' in stuck.log.read_text()


@pytest.mark.fault("kill -9 worker under load", short=True)
async def test_of_a_worker_killed_with_many_jobs_in_hand_only_those_are_unknown(row: Row) -> None:
    async with row.lab() as lab:
        doomed = lab.workers[0]
        await lab.carrier.behave(latency_s=0.1)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(400, lab.rng), rate=250, most=40))
        await lab.accepted(lab.rng.randint(50, 150))
        doomed.send(signal.SIGKILL)
        await doomed.ended()
        lab.strike(doomed)
        await sending
        await row.holds(lab)


@pytest.mark.fault("kill -9 one process of a supervised worker", short=True)
async def test_of_a_worker_of_several_processes_one_is_killed_and_replaced_and_nothing_is_lost(row: Row) -> None:
    async with row.lab(workers=1) as lab:
        (worker,) = lab.workers
        await lab.carrier.behave(latency_s=0.1)
        worker.start(processes=2)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(400, lab.rng), rate=250, most=40))
        await lab.accepted(lab.rng.randint(50, 150))
        doomed = lab.rng.choice(worker.supervised())
        os.kill(doomed, signal.SIGKILL)
        lab.strike()
        lab.struck.add(doomed)
        await sending
        await row.holds(lab)
        assert len(set(worker.supervised()) - {doomed}) == 2


@pytest.mark.fault("kill -9 the supervisor of a worker")
async def test_the_processes_of_a_killed_supervisor_finish_what_they_hold_and_end(row: Row) -> None:
    async with row.lab(workers=1) as lab:
        (worker,) = lab.workers
        await lab.carrier.behave(latency_s=0.2)
        worker.start(processes=2)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(400, lab.rng), rate=250, most=20))
        await lab.accepted(100)
        os.kill(worker.pid, signal.SIGKILL)
        lab.strike()
        await lab.until(lambda: not any(map(alive, worker.supervised())), "the end of its processes")
        assert await worker.ended() == -signal.SIGKILL
        worker.start(processes=2)
        await sending
        assert (await row.holds(lab)).unknown == 0
        assert set(begun(lab).values()) == {1}


@pytest.mark.fault("kill -9 both workers, one after the other, x3")
async def test_workers_killed_again_and_again_lose_nothing(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(latency_s=0.05)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(800, lab.rng), rate=80, most=20))
        for _ in range(3):
            for worker in lab.workers:
                await asyncio.sleep(lab.rng.uniform(0.2, 1.0))
                lab.strike(worker)
                await worker.stop(signal.SIGKILL)
                worker.start()
            await lab.start()
        await sending
        await row.holds(lab)


@pytest.mark.fault("SIGTERM under load", short=True)
async def test_a_worker_that_is_stopped_under_load_finishes_what_it_holds_and_gives_the_rest_back(row: Row) -> None:
    async with row.lab() as lab:
        leaving = lab.workers[0]
        await lab.carrier.behave(latency_s=0.2)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(400, lab.rng), rate=250, most=20))
        await lab.accepted(100)
        with lab.fault():
            assert await leaving.stop() == 0
        await sending
        assert (await row.holds(lab)).unknown == 0
        assert set(begun(lab).values()) == {1}


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(3, marks=pytest.mark.fault("rolling restart x3", short=True)),
        pytest.param(20, marks=pytest.mark.fault("rolling restart x20")),
    ],
)
async def test_a_rolling_restart_under_load_leaves_nothing_unknown_and_repeats_nothing(row: Row, times: int) -> None:
    async with row.lab() as lab:
        await lab.start()
        stop = asyncio.Event()
        sending = asyncio.create_task(_send_until(lab, stop))
        with lab.fault():
            for turn in range(times):
                worker = lab.workers[turn % 2]
                assert await worker.stop() == 0
                worker.start()
                await worker.ready()
        stop.set()
        await sending
        assert (await row.holds(lab)).unknown == 0
        assert set(begun(lab).values()) == {1}


async def _send_until(lab: Lab, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await lab.send(some_jobs(50, lab.rng), rate=100)


@pytest.mark.fault("second SIGTERM")
async def test_a_second_signal_ends_a_worker_at_once_and_nothing_is_lost(row: Row) -> None:
    async with row.lab() as lab:
        leaving = lab.workers[0]
        await lab.carrier.behave(latency_s=1.2)
        await lab.start()
        await lab.send(some_jobs(60, lab.rng))
        await asyncio.sleep(0.3)
        leaving.send(signal.SIGTERM)
        await asyncio.sleep(0.2)
        lab.strike(leaving)
        assert await leaving.stop() == SECOND_SIGNAL
        await row.holds(lab)


@pytest.mark.fault("SIGTERM while Redis is away")
async def test_a_worker_without_redis_still_ends_when_told_to_and_nothing_is_lost(row: Row) -> None:
    async with row.lab() as lab:
        leaving = lab.workers[0]
        await lab.carrier.behave(latency_s=0.5)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(100, lab.rng), rate=100))
        await asyncio.sleep(0.5)
        leaving.redis.refuse()
        await asyncio.sleep(0.5)
        lab.strike(leaving)
        assert await leaving.stop(within_s=START_S) == 0
        await sending
        await row.holds(lab)


@pytest.mark.fault("unknown outcome, nobody answers")
async def test_an_unknown_outcome_that_nothing_resolves_is_final_at_its_deadline(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(answers={"silent_after": 1.0}, status="")
        await lab.start()
        with lab.fault():
            await lab.send(some_jobs(20, lab.rng, categories={"notification": 1}, numbers=20))
        findings = await row.holds(lab)
        assert findings.unknown == findings.jobs
        for arrivals in lab.callback.arrivals.values():
            told = [(arrival.receipt["state"], arrival.receipt["final"], arrival.at) for arrival in arrivals]
            assert [one[:2] for one in told] == [("unknown", False), ("unknown", True)]
            assert told[1][2] - told[0][2] > GRACE_S / 2
