"""What every message store does, in the process or in PostgreSQL."""

from __future__ import annotations

import secrets
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import permutations
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.clock import SystemClock
from adapters.memory.message_store import MemoryMessageStore
from adapters.postgres.store import PostgresMessageStore
from engine.carrier_ids import Rule
from engine.evidence import Evidence
from engine.message import Category
from engine.receipts import DeliveryReceipt, Receipt, State, merge, never_reported
from tests.integration.postgres_database import EVERY_FIELD, Listener, job_made_at, new_database, now, receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from uuid import UUID

    from engine.ports import MessageStore


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    with new_database(postgres_url, ready=True) as dsn:
        yield dsn


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest, database: str) -> AsyncIterator[MessageStore]:
    if request.param == "memory":
        yield MemoryMessageStore()
        return
    async with PostgresMessageStore(database, SystemClock(), Listener()) as postgres:
        yield postgres


async def test_a_job_nobody_reported_on_has_no_receipt(store: MessageStore) -> None:
    await store.merge([receipt()])
    assert await store.latest(job_made_at(now())) is None


async def test_no_receipts_change_nothing(store: MessageStore) -> None:
    await store.merge([])


async def test_every_field_of_a_receipt_comes_back(store: MessageStore) -> None:
    full = receipt(state=State.DELIVERED, **EVERY_FIELD)
    bare = receipt(state=State.REJECTED)
    await store.merge([full, bare])
    assert await store.latest(full.job) == full
    assert await store.latest(bare.job) == bare


async def test_receipts_of_several_jobs_in_one_batch_do_not_mix(store: MessageStore) -> None:
    submitted = [receipt() for _ in range(50)]
    delivered = [r._replace(state=State.DELIVERED, final=True) for r in submitted[::2]]
    await store.merge(submitted + delivered)
    states = [(await store.latest(r.job)).state for r in submitted]  # type: ignore[union-attr]
    assert states == [State.DELIVERED, State.SUBMITTED] * 25


async def test_what_waits_for_a_delivery_receipt_is_found_page_by_page(store: MessageStore) -> None:
    about = {"channel": "alpha", "carrier_id": "a", "submitted_at": now()}
    waiting = [receipt(**about) for _ in range(5)]
    reported = receipt(**about)
    earlier = receipt(**about, at=now() - timedelta(days=2))
    await store.merge([*waiting, reported, earlier, receipt(submitted_at=now()), receipt(state=State.REJECTED)])
    await store.merge([reported._replace(state=State.DELIVERED, final=True)])
    since, found, after = now() - timedelta(days=1), [], None
    while page := await store.awaited(since, after, 2):
        assert len(page) <= 2
        found += page
        after = page[-1]
    assert [r for r in found if r in waiting] == sorted(waiting, key=lambda r: (r.at, r.job))
    assert not {reported.job, earlier.job} & {r.job for r in found}


async def test_a_repeated_batch_changes_nothing(store: MessageStore) -> None:
    first = receipt()
    last = first._replace(state=State.DELIVERED, final=True, code="A")
    for _ in range(3):
        await store.merge([first, last])
        await store.merge([first])
    assert await store.latest(first.job) == last


async def test_the_first_of_two_different_final_receipts_stands(store: MessageStore) -> None:
    delivered = receipt(state=State.DELIVERED)
    failed = delivered._replace(state=State.UNDELIVERED)
    await store.merge([delivered])
    await store.merge([failed])
    assert await store.latest(delivered.job) == delivered
    other = failed._replace(job=job_made_at(now()))
    await store.merge([other, other._replace(state=State.DELIVERED)])
    assert await store.latest(other.job) == other


async def test_unknown_for_good_still_gives_way_to_evidence(store: MessageStore) -> None:
    unknown = receipt(state=State.UNKNOWN, final=True)
    await store.merge([unknown])
    await store.merge([unknown._replace(state=State.DELIVERED)])
    assert (await store.latest(unknown.job)).state is State.DELIVERED  # type: ignore[union-attr]


async def test_receipts_of_different_rank_end_the_same_in_every_order(store: MessageStore) -> None:
    for order in permutations([(State.UNKNOWN, False), (State.SUBMITTED, False), (State.UNKNOWN, True), DELIVERED]):
        job = job_made_at(now())
        for state, final in order:
            await store.merge([receipt(job, state, final=final)])
        standing = await store.latest(job)
        assert standing
        assert (standing.state, standing.final) == DELIVERED, order


DELIVERED = (State.DELIVERED, True)


@st.composite
def histories(draw: st.DrawFn) -> list[list[Receipt]]:
    """Receipts of two jobs in any order, repeats included, cut into batches."""
    jobs: list[UUID] = [job_made_at(now()), job_made_at(now())]
    one = st.builds(
        lambda job, state, final, attempts, code: receipt(job, state, final=final, attempts=attempts, code=code),
        st.sampled_from(jobs),
        st.sampled_from(State),
        st.booleans(),
        st.integers(0, 2),
        st.sampled_from([None, "A", "B"]),
    )
    made = draw(st.lists(one, min_size=1, max_size=8))
    made += draw(st.lists(st.sampled_from(made), max_size=4))
    batches: list[list[Receipt]] = [[]]
    for item in made:
        batches[-1].append(item)
        if draw(st.booleans()):
            batches.append([])
    return batches


@given(history=histories())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_stands_is_what_the_merge_rule_says(store: MessageStore, history: list[list[Receipt]]) -> None:
    for batch in history:
        await store.merge(batch)
    received = [item for batch in history for item in batch]
    for job in {item.job for item in received}:
        of_job = [item for item in received if item.job == job]
        assert await store.latest(job) == reduce(merge, of_job, None)  # type: ignore[arg-type]


async def test_the_history_of_numbers_is_what_stands_of_their_jobs_since_a_time(store: MessageStore) -> None:
    since, numbers = now(), [f"+86138{secrets.randbelow(10**8):08}" for _ in range(3)]
    before, after = since - timedelta(hours=1), since + timedelta(seconds=1)
    old = receipt(to=numbers[0], at=before)
    scheduled = receipt(to=numbers[0], at=before, submitted_at=after)
    refused = receipt(to=numbers[1], at=after, state=State.REJECTED)
    others = receipt(to=numbers[2], at=after)
    final = scheduled._replace(state=State.DELIVERED, final=True)
    await store.merge([old, scheduled, refused, others, final])
    found = await store.history(numbers[:2], since)
    assert sorted(found, key=lambda r: r.to) == sorted([final, refused], key=lambda r: r.to)


def half_past() -> datetime:
    return now().replace(minute=30, second=0, microsecond=0)


@st.composite
def sendings(draw: st.DrawFn) -> list[Receipt]:
    """Receipts of messages of a few kinds, taken or not, within some minutes, of an account of their own."""
    account = secrets.token_hex(6)
    seconds = st.integers(-90, 90).map(lambda s: half_past() + timedelta(seconds=s))
    made = draw(
        st.lists(
            st.builds(
                lambda category, state, signature, at, late: receipt(
                    category=category,
                    state=state,
                    signature=signature,
                    account=account,
                    at=at,
                    submitted_at=at,
                    enqueued_at=at - timedelta(days=late),
                ),
                st.sampled_from([Category.OTP, Category.PROMOTION]),
                st.sampled_from([State.SUBMITTED, State.UNKNOWN, State.REJECTED, State.FAILED]),
                st.sampled_from(["Acme", None]),
                seconds,
                st.integers(0, 3),
            ),
            max_size=12,
        )
    )
    final = draw(st.sampled_from([State.DELIVERED, State.UNDELIVERED, State.UNKNOWN]))
    after = timedelta(seconds=draw(st.sampled_from([-30, 20])))  # by the carrier's clock
    sent = [r for r in made if r.submitted_at and r.taken]
    return made + [r._replace(state=final, final=True, at=r.at + after) for r in sent[::2]]


@given(receipts=sendings(), each=st.integers(0, 3))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_it_counts_what_carriers_took_of_each_kind_and_knows_the_last_of_them(
    store: MessageStore, receipts: list[Receipt], each: int
) -> None:
    await store.merge(receipts)
    since, until = half_past() - timedelta(seconds=45), half_past() + timedelta(seconds=45)
    expected: dict[tuple[object, ...], list[datetime]] = defaultdict(list)
    for job in {r.job for r in receipts}:
        r = await store.latest(job)
        assert r
        at = r.submitted_at or r.at
        if r.taken and r.category is Category.OTP and since <= at < until:
            expected[r.category, r.account, r.signature, r.template].append(at)
    mine = {r.account for r in receipts}
    found = {tuple(t[:4]): t for t in await store.taken(since, until, {Category.OTP}, each) if t.account in mine}
    assert {kind: taken.messages for kind, taken in found.items()} == {kind: len(at) for kind, at in expected.items()}
    for kind, taken in found.items():
        assert [at for _, at in taken.last] == sorted(expected[kind], reverse=True)[:each]
        assert len({job for job, _ in taken.last}) == len(taken.last)


async def test_it_knows_whether_any_job_was_enqueued_before_a_time(store: MessageStore) -> None:
    assert not await store.any_before(datetime(1990, 1, 1, tzinfo=UTC))
    await store.merge([receipt()])
    assert await store.any_before(now() + timedelta(seconds=1))


def about(carrier_id: str, state: State = State.DELIVERED, **fields: Any) -> Evidence:
    """A delivery receipt of channel alpha, received now."""
    dlr = {"code": "000", "status": state.name, "to": None, "at": now()} | {
        name: fields.pop(name) for name in ("code", "status", "to", "channel") if name in fields
    }
    return Evidence(DeliveryReceipt(**{"channel": "alpha", **dlr}, carrier_id=carrier_id, state=state), now(), **fields)


def sent(carrier_id: str, **fields: Any) -> Receipt:
    return receipt(**{"channel": "alpha", "carrier_id": carrier_id, "submitted_at": now(), **fields})


def fresh() -> str:
    """An id of digits that no other test has."""
    return str(10**15 + secrets.randbelow(10**15))


async def test_delivery_receipts_of_parts_come_back_with_everything(store: MessageStore) -> None:
    ids = [fresh() for _ in range(3)]
    message = sent(" ".join(ids))
    known = {"job": message.job, "rule": Rule.ZEROS}
    first, second = about(f"0{ids[0]}", part=1, to="8613800000000", **known), about(ids[1], part=2, code=None, **known)
    others = [about(ids[2], State.SUBMITTED, part=3, **known), about(ids[2], job=job_made_at(now()), part=3)]
    await store.keep([second, first, *others])
    found = await store.evidence_about([message, sent(fresh())])
    assert sorted(found, key=lambda e: e.part or 0) == [first, second]


@pytest.mark.parametrize("spelling", ["{}", "000{}", "{:x}", "{:X}"])
async def test_delivery_receipts_of_unknown_job_are_found_by_any_notation(store: MessageStore, spelling: str) -> None:
    carrier_id = fresh()
    stray = about(spelling.format(int(carrier_id) if "x" in spelling.lower() else carrier_id))
    known = about(carrier_id, job=uuid4(), status="of another")
    on_its_way = about(stray.dlr.carrier_id, State.SUBMITTED)
    await store.keep([stray, about(fresh()), about(stray.dlr.carrier_id, channel="beta"), known, on_its_way])
    assert list(await store.evidence_about([sent(carrier_id)])) == [stray]
    assert list(await store.evidence_about([sent(f"1 {carrier_id}")])) == [stray]


async def test_what_is_said_again_changes_nothing_but_that_its_job_may_be_known(store: MessageStore) -> None:
    message = sent(f"{fresh()} {fresh()}")
    carrier_id = (message.carrier_id or "").split(" ")[1]
    stray = about(carrier_id)
    known = replace(stray, job=message.job, part=2, rule=Rule.RAW)
    again = replace(known, dlr=stray.dlr._replace(at=now()), job=job_made_at(now()))
    for batch in ([stray], [stray, stray], [known, stray], [again], [stray]):
        await store.keep(batch)
    assert list(await store.evidence_about([message])) == [known]


async def test_no_delivery_receipts_change_nothing(store: MessageStore) -> None:
    await store.keep([])
    assert list(await store.evidence_about([])) == []


async def test_what_waits_too_long_is_shown_once_it_may_be_given_up(store: MessageStore) -> None:
    deadline = now() - timedelta(hours=72)
    old = [sent(fresh(), at=deadline - timedelta(minutes=nth + 1)) for nth in range(3)]
    reported, young = sent(fresh(), at=deadline - timedelta(minutes=9)), sent(fresh(), at=deadline + timedelta(hours=1))
    await store.merge([*old, reported, young, receipt(state=State.REJECTED, at=deadline - timedelta(minutes=1))])
    await store.merge([reported._replace(state=State.DELIVERED, final=True)])
    shown: list[Receipt] = []

    async def refuse(receipts: Sequence[Receipt]) -> bool:
        shown.extend(receipts)
        return False

    async def settle(receipts: Sequence[Receipt]) -> bool:
        shown.extend(receipts)
        await store.merge([never_reported(each, now()) for each in receipts])
        return True

    for give_up in (refuse, settle):
        shown.clear()
        while await store.overdue(deadline, give_up):
            pass
        mine = {each.job for each in [*old, reported, young]}
        assert {each.job for each in shown if each.job in mine} == {each.job for each in old}
    shown.clear()
    while await store.overdue(deadline, settle):
        pass
    assert shown == []


async def test_the_memory_store_forgets_the_jobs_it_has_known_longest() -> None:
    store = MemoryMessageStore(max_jobs=2)
    jobs = [receipt() for _ in range(3)]
    await store.merge(jobs[:2])
    await store.merge([jobs[0]._replace(state=State.DELIVERED, final=True), jobs[2]])
    assert [await store.latest(r.job) for r in jobs] == [None, *jobs[1:]]
