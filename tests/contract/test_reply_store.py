"""What every store of replies and opt-outs promises, in this process or in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from adapters.clock import SystemClock
from adapters.memory.replies import MemoryReplyStore
from adapters.postgres.replies import PostgresReplyStore
from adapters.postgres.store import PostgresMessageStore
from engine.inbound import InboundMessage, holdable
from engine.inbound_ports import ReplyStore
from engine.opt_out import EVERY_ACCOUNT, OptOut
from engine.replies import Reply, reply_to
from tests.integration.postgres_database import Listener, new_database, now

NUMBER, OTHER = "+8613800000000", "+8613900000000"
HOUR = timedelta(hours=1)
AT = datetime(2026, 11, 25, 10, 0, 0, 123000, tzinfo=UTC)


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    with new_database(postgres_url, ready=True) as dsn:
        yield dsn


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[ReplyStore]:
    if request.param == "memory":
        yield MemoryReplyStore()
        return
    async with PostgresMessageStore(request.getfixturevalue("database"), SystemClock(), Listener()) as messages:
        yield PostgresReplyStore(messages.database)


def reply(**fields: Any) -> Reply:
    return replace(Reply(uuid4(), "shop", NUMBER, "10690001", "hello", "alpha", now()), **fields)


def out(account: str = "shop", at: datetime = AT, recipient: str = NUMBER) -> OptOut:
    return OptOut(recipient, account, at, keyword="TD", channel="alpha")


def back(account: str = "shop", at: datetime = AT, recipient: str = NUMBER) -> OptOut:
    return OptOut(recipient, account, at, at)


async def test_a_reply_comes_back_as_it_was_stored_first(store: ReplyStore) -> None:
    full = reply(text="回复 ☃ '\"\\", carrier_id="m1", extend="07", job=uuid4(), ref="order 1")
    assert await store.keep(full) == full
    again = replace(full, at=full.at + HOUR, account="other", job=uuid4())
    assert await store.keep(again) == full
    assert await store.keep(plain := reply()) == plain


async def test_copies_of_a_reply_at_the_same_time_are_stored_once(store: ReplyStore) -> None:
    first = reply()
    kept = await asyncio.gather(*(store.keep(replace(first, ref=str(n))) for n in range(8)))
    assert len(set(kept)) == 1


async def test_a_repeat_on_another_day_is_the_first_one(store: ReplyStore) -> None:
    first = reply(at=now() - timedelta(days=2))
    await store.keep(first)
    assert await store.keep(replace(first, at=now())) == first


async def test_a_repeat_on_another_day_is_no_second_row(database: str) -> None:
    async with PostgresMessageStore(database, SystemClock(), Listener()) as messages:
        store = PostgresReplyStore(messages.database)
        first = reply(at=now() - timedelta(days=2))
        await store.keep(first)
        await store.keep(replace(first, at=now()))
        assert await store.recent(10) == [first]


async def test_a_reply_of_a_day_long_past_is_kept(store: ReplyStore) -> None:
    old = reply(at=now() - timedelta(days=40))
    assert await store.keep(old) == old


@pytest.mark.parametrize("text", ["\x00", "\ud800", "'; drop table inbound; --", "\u202e\ufffe\U0010ffff", "x" * 10**6])
async def test_whatever_a_person_or_a_carrier_writes_is_kept(store: ReplyStore, text: str) -> None:
    message = holdable(InboundMessage("alpha", text, text, text, now(), text))
    hostile = reply_to(None, message, message.sender, "default")
    assert await store.keep(hostile) == hostile


async def test_an_opt_out_is_answered_with_all_that_is_known_of_the_number(store: ReplyStore) -> None:
    await store.note([out("bank")])
    await store.note([out("shop", recipient=OTHER)])
    known = await store.note([out("shop", AT + HOUR)])
    assert {each.account: each for each in known} == {"bank": out("bank"), "shop": out("shop", AT + HOUR)}


async def test_an_opt_in_lifts_an_opt_out_that_came_before_it(store: ReplyStore) -> None:
    await store.note([out()])
    (known,) = await store.note([back(at=AT + HOUR), back(EVERY_ACCOUNT, AT + HOUR)])
    assert (known.account, known.lifted_at) == ("shop", AT + HOUR)
    assert list(await store.standing(None, 10)) == []


async def test_an_opt_in_lifts_what_was_written_to_the_same_number_too(store: ReplyStore) -> None:
    await store.note([replace(out("shop"), number="1069")])
    await store.note([replace(out("bank"), number="1070")])
    await store.note([replace(out("club"), number=None)])
    known = await store.note([replace(back("last", AT + HOUR), number="1069")])
    assert {each.account: each.lifted_at for each in known} == {"shop": AT + HOUR, "bank": None, "club": None}


async def test_of_two_words_the_later_stands_whichever_comes_first(store: ReplyStore) -> None:
    await store.note([out(at=AT + HOUR)])
    (known,) = await store.note([back(at=AT)])
    assert known == out(at=AT + HOUR)
    await store.note([back(at=AT + 3 * HOUR)])
    (known,) = await store.note([out(at=AT + 2 * HOUR)])
    assert known.lifted_at == AT + 3 * HOUR
    (known,) = await store.note([out(at=AT + 4 * HOUR)])
    assert known == out(at=AT + 4 * HOUR)


async def test_the_same_word_again_changes_nothing(store: ReplyStore) -> None:
    assert list(await store.note([out()])) == list(await store.note([out()])) == [out()]


async def test_opt_outs_that_stand_come_page_by_page_each_once(store: ReplyStore) -> None:
    numbers = [f"+86138{n:08}" for n in range(25)]
    for number in numbers:
        await store.note([out(recipient=number), out("bank", recipient=number)])
    await store.note([back(at=AT + HOUR, recipient=numbers[3])])
    found, after = [], None
    while page := await store.standing(after, 10):
        assert len(page) <= 10
        found += [(each.recipient, each.account) for each in page]
        after = page[-1]
    assert sorted(found) == sorted(
        (number, account)
        for number in numbers
        for account in ("shop", "bank")
        if (number, account) != (numbers[3], "shop")
    )
