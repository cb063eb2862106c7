"""The carrier answers late, badly, or not at all, and reports early, twice, or on what nobody sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.jobs import TIMEOUT_S, some_jobs
from tests.faults.proxy import Way

if TYPE_CHECKING:
    from tests.faults.conftest import Row

NOTIFICATION = {"notification": 1.0}
#: answers after which nobody knows whether the message was sent; each to one submit in four
OPEN = ("silent", "silent_after", "error", "error_after", "hang_up", "hang_up_after", "drip")
#: answers after which everybody knows that it was not
NOT_SENT = ("throttle", "unavailable")


@pytest.mark.parametrize(
    "answer", [pytest.param(a, marks=pytest.mark.fault(f"carrier: {a}", short=a == "silent_after"), id=a) for a in OPEN]
)
async def test_a_submit_of_open_outcome_is_unknown_and_goes_to_no_other_channel(row: Row, answer: str) -> None:
    async with row.lab() as lab:
        await lab.start()
        with lab.fault():
            await lab.carrier.behave("alpha", answers={"accept": 3, answer: 1})
            await lab.send(some_jobs(100, lab.rng, categories=NOTIFICATION, numbers=100), rate=100)
        findings = await row.holds(lab)
        calls = [line for line in lab.carrier.lines() if line["kind"] == "call"]
        unclear = [line for line in calls if line["answer"] == answer]
        assert len(calls) == len({line["job"] for line in calls})
        assert findings.unknown >= len(unclear) > 0


@pytest.mark.fault("carrier: late reply", short=True)
async def test_a_reply_that_comes_too_late_leaves_the_outcome_unknown(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave("alpha", late_s=TIMEOUT_S * 2)
        await lab.start()
        with lab.fault():
            await lab.send(some_jobs(60, lab.rng, categories=NOTIFICATION, numbers=60), rate=100)
        findings = await row.holds(lab)
        assert 0 < findings.unknown < findings.jobs


@pytest.mark.parametrize(
    "answer", [pytest.param(a, marks=pytest.mark.fault(f"carrier: half of the answers {a}"), id=a) for a in NOT_SENT]
)
async def test_what_surely_was_not_sent_goes_to_the_other_channel(row: Row, answer: str) -> None:
    jobs = 30 if answer == "throttle" else 100  # after each throttle a channel has a pause
    async with row.lab() as lab:
        await lab.carrier.behave("alpha", answers={answer: 1})
        await lab.carrier.behave("beta", answers={"accept": 1, answer: 1})
        await lab.start()
        with lab.fault():
            await lab.send(some_jobs(jobs, lab.rng, categories=NOTIFICATION, numbers=jobs), rate=100)
        assert (await row.holds(lab)).unknown == 0
        assert lab.states() == {"delivered": jobs}


@pytest.mark.fault("carrier: refuses on one channel")
async def test_a_message_one_carrier_refuses_is_offered_to_the_other(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave("alpha", answers={"refuse": 1})
        await lab.start()
        with lab.fault():
            await lab.send(some_jobs(100, lab.rng, categories=NOTIFICATION, numbers=100), rate=100)
        assert (await row.holds(lab)).unknown == 0
        assert lab.states() == {"delivered": 100}


@pytest.mark.fault("carrier: refuses on every channel")
async def test_a_message_every_carrier_refuses_has_failed_and_costs_no_limit(row: Row) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(answers={"refuse": 1})
        await lab.start()
        with lab.fault():
            await lab.send(some_jobs(60, lab.rng, categories=NOTIFICATION, numbers=60), rate=100)
        assert (await row.holds(lab)).unknown == 0
        assert lab.states() == {"failed": 60}


@pytest.mark.fault("carrier: answers cut after N bytes", short=True)
async def test_an_answer_cut_on_its_way_leaves_that_one_unknown(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(200, lab.rng), rate=100))
        with lab.fault():
            for _ in range(10):
                lab.ways[lab.rng.choice(["alpha", "beta"])].cut_after(lab.rng.randint(1, 150), Way.DOWN)
                await asyncio.sleep(0.15)
        await sending
        findings = await row.holds(lab, cut=True)
        assert findings.unknown <= 10


@pytest.mark.fault("carrier: requests cut after N bytes")
async def test_a_request_cut_on_its_way_leaves_that_one_unknown(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(200, lab.rng), rate=100))
        with lab.fault():
            for _ in range(10):
                lab.ways[lab.rng.choice(["alpha", "beta"])].cut_after(lab.rng.randint(1, 400), Way.UP)
                await asyncio.sleep(0.15)
        await sending
        assert (await row.holds(lab, cut=True)).unknown <= 10


@pytest.mark.fault("carrier: unreachable for 3 s")
async def test_jobs_wait_for_carriers_that_cannot_be_reached(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        for way in lab.ways.values():
            way.refuse()
        with lab.fault():
            await lab.send(some_jobs(100, lab.rng, categories=NOTIFICATION, numbers=100), rate=100)
            await asyncio.sleep(2)
            for way in lab.ways.values():
                await way.accept()
        assert (await row.holds(lab)).unknown == 0
        assert lab.states() == {"delivered": 100}


@pytest.mark.fault("carrier: one of two channels sick")
async def test_traffic_leaves_a_sick_channel_but_for_a_little_by_which_it_is_found_well(row: Row) -> None:
    async with row.lab() as lab:
        await lab.start()
        with lab.fault():
            await lab.carrier.behave("alpha", answers={"unavailable": 1})
            await lab.send(some_jobs(300, lab.rng, categories=NOTIFICATION, numbers=300), rate=150)
            await lab.heard_of(300)
            calls = [line["channel"] for line in lab.carrier.lines() if line["kind"] == "call"]
        await lab.carrier.behave("alpha", answers={"accept": 1})
        while not Counter(line["answer"] for line in lab.carrier.lines() if line.get("channel") == "alpha")["accept"]:
            await lab.send(some_jobs(30, lab.rng, categories=NOTIFICATION, numbers=30), rate=30)
        assert (await row.holds(lab)).unknown == 0
        assert Counter(calls[-100:])["alpha"] < 20


REPORTS: dict[str, dict[str, Any]] = {
    "before the answer": {"early": True},
    "twice": {"reports": 2},
    "of a message nobody sent": {"stray": True},
    "undelivered": {"status": "UNDELIV"},
    "at once": {"report_s": 0.0},
    "late": {"report_s": 4.0},
    "never": {"status": ""},
}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.fault(f"receipt: {kind}", short="never" not in kind and kind != "late"))
        for kind in REPORTS
    ],
)
async def test_a_delivery_receipt_counts_whenever_it_comes(row: Row, kind: str) -> None:
    async with row.lab() as lab:
        await lab.carrier.behave(**REPORTS[kind])
        await lab.start()
        with lab.fault():
            await lab.send(some_jobs(60, lab.rng, categories=NOTIFICATION, numbers=60), rate=200)
        assert (await row.holds(lab)).unknown == 0
        expected = {"undelivered": "undelivered", "never": "submitted"}.get(kind, "delivered")
        assert lab.states() == {expected: 60}
