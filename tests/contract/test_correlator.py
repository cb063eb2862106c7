"""What is known of carriers' ids over every correlator, whatever it is made of."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.memory.correlator import MemoryCorrelator
from adapters.redis.correlator import RedisCorrelator
from engine.carrier_ids import SETTLED_AFTER, Rule, bounded
from engine.correlation import Correlation
from engine.evidence import Link, Match
from engine.ports import Correlator
from engine.receipts import DeliveryReceipt, State
from tests.redis_setup import NUMBER, OwnClock, connected, redis_prefix

DELIVERED = DeliveryReceipt("alpha", "a-1", State.DELIVERED, datetime(2026, 11, 22, 10, 0, 0, 123000, UTC), "000", "OK")
OTHER_NUMBER = "+8613900000001"


@pytest.fixture(params=["memory", "redis"])
async def correlator(request: pytest.FixtureRequest) -> AsyncIterator[Correlator]:
    if request.param == "memory":
        yield MemoryCorrelator(OwnClock())
        return
    url = request.getfixturevalue("redis_url")
    async with redis_prefix(url) as prefix, connected(url) as redis:
        yield RedisCorrelator(redis, prefix)


@pytest.fixture
def correlation(correlator: Correlator) -> Correlation:
    return Correlation(correlator)


def about(carrier_id: str, **fields: object) -> DeliveryReceipt:
    return DELIVERED._replace(carrier_id=carrier_id, **fields)


async def job_of(correlation: Correlation, dlr: DeliveryReceipt) -> UUID | None:
    match = await correlation.match(dlr, anywhere=True)
    return match.link.job if match else None


async def early(correlation: Correlation, carrier_id: str, job: UUID, number: str = NUMBER) -> list[DeliveryReceipt]:
    found = await correlation.remember("alpha", carrier_id, number, job)
    assert {match.link.job for _, match in found} <= {job}
    return [dlr for dlr, _ in found]


async def test_a_remembered_message_is_matched_again_and_again(correlation: Correlation) -> None:
    job = uuid4()
    assert await early(correlation, "a-1", job) == []
    for _ in range(2):
        assert await correlation.match(DELIVERED, anywhere=False) == Match(Link("a-1", NUMBER, job), Rule.RAW)


async def test_jobs_without_a_readable_number_are_matched_too(correlation: Correlation) -> None:
    job = uuid4()
    await correlation.remember("alpha", "a-1", "-", job)
    match = await correlation.match(DELIVERED._replace(to=NUMBER), anywhere=True)
    assert match
    assert match.link == Link("a-1", "-", job)


async def test_delivery_receipts_that_come_early_are_kept_oldest_first(correlation: Correlation) -> None:
    came = [DELIVERED._replace(state=State.SUBMITTED, status="ENROUTE", code=None), DELIVERED._replace(to=NUMBER)]
    for dlr in came:
        assert await job_of(correlation, dlr) is None
    assert await early(correlation, "a-1", uuid4()) == came


async def test_a_worker_that_asks_again_finds_the_early_ones_again_until_they_are_dealt_with(
    correlation: Correlation,
) -> None:
    job = uuid4()
    await job_of(correlation, DELIVERED)
    for _ in range(2):
        assert await early(correlation, "a-1", job) == [DELIVERED]
    await correlation.forget(DELIVERED)
    assert await early(correlation, "a-1", job) == []


async def test_a_matched_delivery_receipt_is_not_parked(correlation: Correlation) -> None:
    job = uuid4()
    await early(correlation, "a-1", job)
    await job_of(correlation, DELIVERED)
    assert await early(correlation, "a-1", job) == []


async def test_carriers_may_use_the_same_ids(correlation: Correlation) -> None:
    await correlation.remember("beta", "a-1", NUMBER, uuid4())
    assert await job_of(correlation, DELIVERED) is None
    assert list(await correlation.remember("alpha:a", "-1", NUMBER, uuid4())) == []


async def test_of_a_flood_the_newest_twenty_are_kept(correlation: Correlation) -> None:
    flood = [DELIVERED._replace(status=str(nth)) for nth in range(30)]
    for dlr in flood:
        await job_of(correlation, dlr)
    assert await early(correlation, "a-1", uuid4()) == flood[10:]


async def test_a_repeated_delivery_receipt_is_kept_once(correlation: Correlation) -> None:
    others = [DELIVERED._replace(status=str(nth)) for nth in range(19)]
    for dlr in [DELIVERED, *others, DELIVERED, DELIVERED]:
        await job_of(correlation, dlr)
    assert await early(correlation, "a-1", uuid4()) == [*others, DELIVERED]


@pytest.mark.parametrize("carrier_id", ["", " ", "a b", "}{", "{x}", "a\x00b", "a\nb", "☃", "\udc80", "x" * 1_000_000])
async def test_any_carrier_id_will_do(correlation: Correlation, carrier_id: str) -> None:
    job, dlr = uuid4(), about(carrier_id)
    assert await job_of(correlation, dlr) is None
    assert await early(correlation, carrier_id, job) == [about(bounded(carrier_id))]
    assert await job_of(correlation, dlr) == job
    assert await job_of(correlation, about(carrier_id + "x")) is None


NOTATIONS = [
    ("0a1bff", "0A1BFF", Rule.CASE),
    ("0000123456", "123456", Rule.ZEROS),
    ("7F9C2BA4-E88F-417B-8A5C-0123456789AB", "7f9c2ba4e88f417b8a5c0123456789ab", Rule.DASHES),
    ("1A2B", "6699", Rule.HEX_TO_DECIMAL),
    ("1234", "4660", Rule.HEX_TO_DECIMAL),
    ("6699", "1A2B", Rule.DECIMAL_TO_HEX),
    ("4660", "1234", Rule.DECIMAL_TO_HEX),
    ("7307508186654514", "3584599858", Rule.LOW_32_BITS),
    ("17F0A1B2C3D4", "2712847316", Rule.LOW_32_BITS),
]


@pytest.mark.parametrize(("submitted", "reported", "rule"), NOTATIONS)
async def test_a_message_is_found_by_another_notation_of_its_id(
    correlation: Correlation, submitted: str, reported: str, rule: Rule
) -> None:
    job = uuid4()
    await early(correlation, submitted, job)
    match = await correlation.match(about(reported), anywhere=True)
    assert match == Match(Link(submitted, NUMBER, job), rule)


@pytest.mark.parametrize(("submitted", "reported", "rule"), NOTATIONS)
async def test_a_message_finds_what_came_early_under_another_notation_of_its_id(
    correlation: Correlation, submitted: str, reported: str, rule: Rule
) -> None:
    job = uuid4()
    assert await job_of(correlation, about(reported)) is None
    found = await correlation.remember("alpha", submitted, NUMBER, job)
    assert list(found) == [(about(reported), Match(Link(submitted, NUMBER, job), rule))]


async def test_what_was_found_under_another_notation_is_no_word_on_the_message_that_has_this_id(
    correlation: Correlation,
) -> None:
    job = uuid4()
    await early(correlation, "1234", job)
    assert await job_of(correlation, about("4660")) == job
    assert await early(correlation, "4660", uuid4()) == []


async def test_what_was_dealt_with_when_its_message_came_is_no_word_on_another(correlation: Correlation) -> None:
    await job_of(correlation, about("4660"))
    (dlr,) = await early(correlation, "1234", uuid4())
    await correlation.forget(dlr)
    assert await early(correlation, "4660", uuid4()) == []


@pytest.mark.parametrize("order", [("4660", "1234"), ("1234", "4660")])
async def test_the_id_as_it_was_given_goes_before_every_other_notation(
    correlation: Correlation, order: tuple[str, str]
) -> None:
    jobs = {carrier_id: uuid4() for carrier_id in order}
    for carrier_id, job in jobs.items():
        await early(correlation, carrier_id, job)
    assert await job_of(correlation, about("4660")) == jobs["4660"]


async def test_of_two_messages_with_one_id_the_newer_is_meant(correlation: Correlation) -> None:
    older, newer = uuid4(), uuid4()
    await early(correlation, "77", older)
    await early(correlation, "77", newer)
    await early(correlation, "78", uuid4())
    assert await job_of(correlation, about("77")) == newer


async def test_of_two_messages_with_one_id_the_number_tells_which_is_meant(correlation: Correlation) -> None:
    older, newer = uuid4(), uuid4()
    await early(correlation, "77", older)
    await early(correlation, "0077", newer, OTHER_NUMBER)
    assert await job_of(correlation, about("77", to=OTHER_NUMBER)) == newer
    assert await job_of(correlation, about("0077", to=NUMBER.removeprefix("+86"))) == older


async def test_an_id_that_came_round_again_is_not_matched_before_its_message_is_known(correlation: Correlation) -> None:
    """The carrier has told numbers before, so this receipt is of another message: one that is just being submitted."""
    older, newer = uuid4(), uuid4()
    await early(correlation, "77", older)
    assert await job_of(correlation, about("77", to=NUMBER)) == older
    assert await job_of(correlation, about("77", to=OTHER_NUMBER)) is None
    assert await early(correlation, "77", newer, OTHER_NUMBER) == [about("77", to=OTHER_NUMBER)]


async def test_a_carrier_that_tells_our_number_instead_of_the_recipients_is_believed(correlation: Correlation) -> None:
    for carrier_id in ("77", "78"):
        job = uuid4()
        await early(correlation, carrier_id, job)
        assert await job_of(correlation, about(carrier_id, to="106900001234")) == job


async def test_a_conversion_to_another_number_is_no_match(correlation: Correlation) -> None:
    await early(correlation, "1A2B", uuid4(), OTHER_NUMBER)
    assert await job_of(correlation, about("6699", to=NUMBER)) is None
    job = uuid4()
    assert await early(correlation, "1a2b", job) == [about("6699", to=NUMBER)]


async def test_a_carrier_that_repeats_ids_is_not_taken_to_convert_one_that_is_early(correlation: Correlation) -> None:
    for nth in range(SETTLED_AFTER):
        job = uuid4()
        await early(correlation, str(1000 + nth), job)
        assert await job_of(correlation, about(str(1000 + nth))) == job
    await early(correlation, "1234", uuid4())
    assert await job_of(correlation, about("4660")) is None
    job = uuid4()
    assert await early(correlation, "4660", job) == [about("4660")]


async def test_a_carrier_that_converts_is_believed_without_a_second_look(correlation: Correlation) -> None:
    await early(correlation, "1A2B", uuid4())
    await job_of(correlation, about("6699"))
    job = uuid4()
    await early(correlation, "1234", job)
    match = await correlation.match(about("4660"), anywhere=False)
    assert match
    assert match.link.job == job


async def test_a_carrier_that_always_converts_is_believed_over_the_equal_id_of_another_message(
    correlation: Correlation,
) -> None:
    for nth in range(SETTLED_AFTER):
        await early(correlation, f"{0xA00 + nth:X}", uuid4())
        await job_of(correlation, about(str(0xA00 + nth)))
    jobs = {carrier_id: uuid4() for carrier_id in ("4D2", "1234")}
    for carrier_id, job in jobs.items():
        await early(correlation, carrier_id, job)
    assert await job_of(correlation, about("1234")) == jobs["4D2"]


async def test_until_then_a_receipt_that_may_be_early_is_not_converted(correlation: Correlation) -> None:
    await early(correlation, "1234", uuid4())
    assert await correlation.match(about("4660"), anywhere=False) is None


async def test_many_messages_with_one_id_are_not_all_kept(correlator: Correlator) -> None:
    every = [Link("77", NUMBER, uuid4()) for _ in range(20)]
    for link in every:
        await correlator.link("alpha", "77", link)
    assert list(await correlator.look("77", DELIVERED, ())) == every[:-9:-1]


async def test_a_link_that_came_between_two_looks_is_not_missed(correlator: Correlator) -> None:
    one, other = Link("77", NUMBER, uuid4()), Link("0077", NUMBER, uuid4())
    await correlator.link("alpha", "77", one)
    known = await correlator.look("77", DELIVERED, ())
    await correlator.link("alpha", "77", other)
    assert list(await correlator.look("77", DELIVERED, known)) == [other, one]
    assert list(await correlator.link("alpha", "77", other)) == [], "nothing was parked, for there was news"


async def test_each_part_of_a_message_is_linked(correlation: Correlation) -> None:
    job = uuid4()
    await early(correlation, "77 78 79", job)
    for part, carrier_id in enumerate(("77", "78", "79"), 1):
        match = await correlation.match(about(carrier_id), anywhere=True)
        assert match == Match(Link(carrier_id, NUMBER, job, part, 3), Rule.RAW)
    match = await correlation.match(about("77 78 79"), anywhere=True)
    assert match
    assert match.link.parts == 1


async def test_parts_under_one_id_are_one_message(correlation: Correlation) -> None:
    job = uuid4()
    await early(correlation, "77 77", job)
    match = await correlation.match(about("77"), anywhere=True)
    assert match
    assert match.link.parts == 1


async def test_word_on_parts_that_came_early_is_kept(correlation: Correlation) -> None:
    for carrier_id in ("79", "77"):
        await job_of(correlation, about(carrier_id))
    found = await correlation.remember("alpha", "77 78 79", NUMBER, uuid4())
    assert sorted((dlr.carrier_id, match.link.part) for dlr, match in found) == [("77", 1), ("79", 3)]


D, U, S = State.DELIVERED, State.UNDELIVERED, State.SUBMITTED


@pytest.mark.parametrize(
    ("words", "together"),
    [
        (["1D", "2D", "3D"], [S, S, D]),
        (["1D", "1D", "2D", "3D"], [S, S, S, D]),
        (["1D", "2U", "3D"], [S, U, S]),
        (["1U", "1D"], [U, S]),
        (["1D", "1U", "2D", "3D"], [S, S, S, D]),
        (["1S", "2D", "3D"], [S, S, S]),
        (["1D", "2D", "3D", "3D"], [S, S, D, D]),
        (["2U", "2U"], [U, U]),
    ],
)
async def test_a_message_is_delivered_when_all_its_parts_are_and_undelivered_as_soon_as_one_is(
    correlation: Correlation, words: list[str], together: list[State]
) -> None:
    job = uuid4()
    await early(correlation, "1 2 3", job)
    said = []
    for part, state in words:
        dlr = about(part, state={"D": D, "U": U, "S": S}[state])
        match = await correlation.match(dlr, anywhere=True)
        assert match
        said.append(await correlation.state(dlr, match))
    assert said == together


async def test_the_parts_of_one_message_do_not_settle_another(correlation: Correlation) -> None:
    for ids in ("1 2", "3 4"):
        await early(correlation, ids, uuid4())
    for carrier_id in ("1", "3"):
        dlr = about(carrier_id)
        match = await correlation.match(dlr, anywhere=True)
        assert match
        assert await correlation.state(dlr, match) is S


WAYS = {
    "raw": ("{:d}", "{:d}"),
    "hex": ("{:08x}", "{:X}"),
    "to_decimal": ("{:X}", "{:d}"),
    "to_hex": ("{:010d}", "{:x}"),
}


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, list[int], list[int]]:
    """How a carrier writes, its numbers, and an order of links (positive places) and receipts (negative ones)."""
    numbers = draw(st.lists(st.integers(1, 2**40), min_size=1, max_size=6, unique=True))
    events = [place for nth in range(1, len(numbers) + 1) for place in (nth, -nth)]
    return draw(st.sampled_from(sorted(WAYS))), numbers, draw(st.permutations(events))


@given(history=messages())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_in_whatever_order_links_and_receipts_come_each_receipt_finds_its_message(
    correlator: Correlator, history: tuple[str, list[int], list[int]]
) -> None:
    way, numbers, events = history
    submitted, reported = WAYS[way]
    channel, correlation = uuid4().hex, Correlation(correlator)
    jobs = [uuid4() for _ in numbers]
    phones = [f"+8613{random.Random(nth).randrange(10**9):09d}" for nth in range(len(numbers))]
    found: dict[str, UUID] = {}
    await correlation.remember(channel, "first", NUMBER, uuid4())
    assert await correlation.match(about("first", channel=channel, to=NUMBER), anywhere=True)  # it tells numbers
    for event in events:
        nth = abs(event) - 1
        if event > 0:
            carrier_id = submitted.format(numbers[nth])
            for dlr, match in await correlation.remember(channel, carrier_id, phones[nth], jobs[nth]):
                found[dlr.carrier_id] = match.link.job
                await correlation.forget(dlr)
        else:
            dlr = about(reported.format(numbers[nth]), channel=channel, to=phones[nth])
            if match := await correlation.match(dlr, anywhere=True):
                found[dlr.carrier_id] = match.link.job
    assert found == {reported.format(number): job for number, job in zip(numbers, jobs, strict=True)}


@pytest.mark.parametrize("order", [("link", "look"), ("look", "link")])
async def test_a_link_and_a_receipt_at_the_same_moment_find_each_other(
    correlation: Correlation, order: tuple[str, str]
) -> None:
    job = uuid4()
    work = {"link": lambda: early(correlation, "1234", job), "look": lambda: job_of(correlation, about("4660"))}
    said = dict(zip(order, await asyncio.gather(*(work[name]() for name in order)), strict=True))
    assert said["link"] or said["look"]
