"""A worker is killed at each step of a delivery; another takes over, and nothing is lost or sent twice."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.failpoints import Failpoint, Point
from tests.faults.jobs import some_jobs

if TYPE_CHECKING:
    from tests.faults.conftest import Row

#: where a worker may have submitted and did not say so: that job's outcome is unknown, and no other's
OPEN = (Point.GRANTED, Point.SUBMITTING, Point.ACCEPTED)
SHORT = (Point.TAKEN, Point.ACCEPTED, Point.FINISHED)


def rows() -> list[object]:
    return [
        pytest.param(point, marks=pytest.mark.fault(f"kill -9 worker: {point}", short=point in SHORT), id=point.value)
        for point in Point
        if point is not Point.DRAINING
    ]


@pytest.mark.parametrize("point", rows())
async def test_what_a_killed_worker_held_is_taken_over_and_unknown_only_if_it_may_have_been_sent(
    row: Row, point: Point
) -> None:
    async with row.lab(concurrency=1) as lab:
        doomed, heir = lab.workers
        doomed.start(Failpoint(point, nth=lab.rng.randint(2, 6)))
        await lab.start()
        await lab.send(some_jobs(40, lab.rng, categories={"notification": 1}), most=1)
        assert await doomed.ended() == -signal.SIGKILL
        lab.strike(doomed)
        findings = await row.holds(lab)
        assert findings.unknown == (1 if point in OPEN else 0)
        assert heir.pids


@pytest.mark.fault("kill -9 worker: in drain", short=True)
async def test_a_worker_killed_while_it_drains_leaves_nothing_unknown_that_it_had_finished(row: Row) -> None:
    async with row.lab(concurrency=1) as lab:
        doomed, heir = lab.workers
        await lab.carrier.behave(latency_s=1.0)
        doomed.start(Failpoint(Point.DRAINING))
        await doomed.ready()
        await lab.send(some_jobs(30, lab.rng, categories={"notification": 1}), most=1)
        await lab.until(lambda: lab.calls_under_way() > 0, "a call that the drain has to wait for")
        doomed.send(signal.SIGTERM)
        assert await doomed.ended() == -signal.SIGKILL
        lab.strike(doomed)
        await lab.carrier.behave()
        await lab.start(heir)
        assert (await row.holds(lab)).unknown == 0
