"""What is kept in memory is bounded, in time and in number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.expiring import Expiring
from adapters.memory.ledger import MemoryLedger
from engine.claims import Done, Granted
from engine.receipts import State
from tests.redis_setup import NUMBER, OwnClock, charge, claim, receipt, rule

HOUR_S = 3600


def test_a_value_is_there_until_its_time_is_over() -> None:
    clock = OwnClock()
    kept: Expiring[str, int] = Expiring(clock)
    kept.put("a", 1, 10)
    clock.elapse(9.999)
    assert kept.get("a") == 1
    clock.elapse(0.001)
    assert kept.get("a") is None


def test_putting_it_again_counts_from_then_on() -> None:
    clock = OwnClock()
    kept: Expiring[str, int] = Expiring(clock)
    kept.put("a", 1, 100)
    clock.elapse(1)
    kept.put("a", 2, 10)
    clock.elapse(9)
    assert kept.get("a") == 2
    clock.elapse(1)
    assert kept.get("a") is None


def test_beyond_the_count_the_oldest_go() -> None:
    kept: Expiring[int, int] = Expiring(OwnClock(), max_count=3)
    for key in (1, 2, 3, 1, 4):
        kept.put(key, key, 10)
    assert [key for key in range(6) if kept.get(key)] == [1, 3, 4]
    assert len(kept) == 3


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.sampled_from([10, 20, 40])), max_size=60))
def test_it_holds_what_is_alive_and_nothing_else(history: list[tuple[int, int, int]]) -> None:
    clock = OwnClock()
    kept: Expiring[int, int] = Expiring(clock)
    ends_at: dict[int, float] = {}
    for key, elapsed_s, keep_s in history:
        clock.elapse(elapsed_s)
        kept.put(key, key, keep_s)
        ends_at[key] = clock.monotonic() + keep_s
        alive = {key for key, end in ends_at.items() if end > clock.monotonic()}
        assert {key for key in range(6) if kept.get(key) is not None} == alive
        assert len(kept) == len(alive)


async def test_a_final_receipt_is_kept_a_day_and_any_other_four() -> None:
    clock = OwnClock()
    ledger = MemoryLedger(clock)
    final, awaited = receipt(claim().job, State.DELIVERED), receipt(claim().job)
    await ledger.advance(NUMBER, final)
    await ledger.advance(NUMBER, awaited)
    clock.elapse(24 * HOUR_S - 1)
    assert await ledger.begin(claim(job=final.job)) == Done(final)
    clock.elapse(1)
    assert isinstance(await ledger.begin(claim(job=final.job)), Granted)
    clock.elapse(72 * HOUR_S - 1)
    assert await ledger.find(NUMBER, awaited.job) == awaited
    clock.elapse(1)
    assert await ledger.find(NUMBER, awaited.job) is None


async def test_a_ledger_that_works_for_a_month_does_not_grow() -> None:
    clock = OwnClock()
    ledger = MemoryLedger(clock)
    limits = rule("5/1h", name="hourly"), rule("9/1d", name="daily"), rule("5000/1d", name="quota", key=("account",))
    for hour in range(31 * 24):
        clock.elapse(HOUR_S)
        wish = claim(*(charge(limit, f"{hour}" if limit.key == ("to",) else "") for limit in limits))
        verdict = await ledger.begin(wish)
        assert isinstance(verdict, Granted)
        await ledger.finish(verdict, receipt(wish.job, State.DELIVERED))
    assert len(ledger._records) <= 25
    assert len(ledger._logs) <= 30
