"""Thousands of random histories: Redis, memory and a brute-force recount agree, and no window is ever overfull."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.memory.ledger import MemoryLedger
from adapters.redis.ledger import RedisLedger
from engine.claims import Busy, Claim, Done, Granted, Limited, Verdict
from engine.limits import Rule, Window
from engine.receipts import State
from tests.redis_setup import EPOCH, Heard, OwnClock, OwnTimeConnection, charge, receipt, redis_prefix
from tests.window_oracle import US, OracleLog, overfull

VISIBILITY_S = 365 * 86400.0  #: longer than any history: these are about limits, not about leases
SPANS_S = (1, 60, 3600, 86400)

shared_server = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

windows = st.builds(Window, st.integers(1, 4), st.sampled_from(SPANS_S))
steps_us = st.one_of(
    st.sampled_from([0, 1, *(span * US + off for span in SPANS_S for off in (-1, 0, 1))]),
    st.integers(0, 2 * max(SPANS_S) * US),
    st.integers(0, 100 * US),
)


def rules_with_key(field: str, most: int) -> st.SearchStrategy[list[Rule]]:
    """Up to `most` rules with different names, which share a count by one field."""
    several = st.lists(windows, min_size=1, max_size=3, unique_by=lambda window: window.seconds).map(tuple)
    found = st.lists(several, min_size=1, max_size=most)
    return found.map(lambda each: [Rule(f"{field} {i}", (field,), found) for i, found in enumerate(each)])


own_rules, wide_rules = rules_with_key("to", 3), rules_with_key("account", 2)
forward = st.one_of(
    st.tuples(st.just("begin"), st.integers(0, 7), st.booleans()),
    st.tuples(st.just("begin"), st.integers(0, 7), st.booleans()),
    st.tuples(st.sampled_from(["accepted", "accepted", "failed", "release"]), st.integers(0, 7), st.booleans()),
    st.tuples(st.just("elapse"), steps_us, st.just(False)),
)
forward_and_back = st.one_of(forward, forward, st.tuples(st.just("step back"), steps_us, st.just(False)))


@dataclass
class Servers:
    """Both ledgers on one clock."""

    clock: OwnClock
    memory: MemoryLedger
    redis: RedisLedger
    connection: OwnTimeConnection


@pytest.fixture
async def servers(redis_url: str) -> AsyncIterator[Servers]:
    clock = OwnClock()
    async with redis_prefix(redis_url) as prefix, OwnTimeConnection(redis_url, clock, Heard()) as connection:
        yield Servers(clock, MemoryLedger(clock), RedisLedger(connection, prefix), connection)


class History:
    """One history of eight jobs to two numbers, told to both ledgers and to the oracle."""

    def __init__(self, servers: Servers, rules: Sequence[Rule]) -> None:
        self.servers = servers
        self.claims = list(self._claims(rules))
        self.logs: defaultdict[str, OracleLog] = defaultdict(OracleLog)
        self.grants: dict[int, tuple[Granted, Granted]] = {}
        self.done: set[int] = set()
        self.elapsed_us = 0  #: true time, which never runs back
        self.sent_at: defaultdict[str, dict[int, int]] = defaultdict(dict)  #: in true time, by scope

    async def take(self, act: str, number: int, twice: bool) -> None:
        """One step; `twice` sends every call to Redis a second time, as after a lost answer."""
        self.servers.connection.twice = twice
        if act == "elapse":
            # The monotonic clock stands, so that memory does not forget what Redis, whose real time stands, keeps.
            self.servers.clock.us += number
            self.elapsed_us += number
        elif act == "step back":
            self.servers.clock.us -= number
        elif act == "begin":
            await self._begin(number)
        elif number in self.grants:
            await self._end(act, number)

    async def _begin(self, number: int) -> None:
        wish = self.claims[number]
        by_redis, by_memory = await self.servers.redis.begin(wish), await self.servers.memory.begin(wish)
        if number in self.grants:
            assert isinstance(by_redis, Busy)
            assert isinstance(by_memory, Busy)
        elif number in self.done:
            assert isinstance(by_redis, Done)
            assert by_redis == by_memory
        elif refused := self._refusal(number):
            assert by_memory == Limited(*refused)
            self._check_refusal(by_redis, refused)
        else:
            assert isinstance(by_redis, Granted)
            assert isinstance(by_memory, Granted)
            self.grants[number] = by_redis, by_memory
            for of in wish.charges:
                self.logs[of.scope].accept(number, of.rule.windows, self.servers.clock.us)
                self.sent_at[of.scope][number] = self.elapsed_us
        for of in wish.charges:
            assert not overfull(list(self.sent_at[of.scope].values()), of.rule.windows)

    def _check_refusal(self, by_redis: Verdict, refused: tuple[Rule, datetime]) -> None:
        assert isinstance(by_redis, Limited)
        if refused[0].key == ("to",):
            assert by_redis == Limited(*refused)
        else:  # where the number itself refuses, Redis does not ask the others how long they would
            assert by_redis.retry_at <= refused[1]

    async def _end(self, act: str, number: int) -> None:
        grants = self.grants.pop(number)
        result = receipt(self.claims[number].job, State.SUBMITTED if act == "accepted" else State.FAILED)
        for ledger, grant in zip((self.servers.redis, self.servers.memory), grants, strict=True):
            if act == "release":
                await ledger.release(grant, attempts=1)
            else:
                assert await ledger.finish(grant, result) == result
        if act != "release":
            self.done.add(number)
        if act != "accepted":
            for of in self.claims[number].charges:
                self.logs[of.scope].refund(number)
                del self.sent_at[of.scope][number]

    def _refusal(self, number: int) -> tuple[Rule, datetime] | None:
        found = [
            (free_at, of.rule)
            for of in self.claims[number].charges
            if (free_at := self.logs[of.scope].refusal(number, of.rule.windows, self.servers.clock.us)) is not None
        ]
        if not found:
            return None
        free_at, rule = max(found, key=lambda refusal: refusal[0])
        return rule, EPOCH + timedelta(microseconds=free_at)

    @staticmethod
    def _claims(rules: Sequence[Rule]) -> Iterator[Claim]:
        name = token_hex(8)
        for number in range(8):
            recipient = f"{name}-{number % 2}"
            scopes = [recipient if rule.key == ("to",) else name for rule in rules]
            charges = tuple(charge(rule, scope) for rule, scope in zip(rules, scopes, strict=True))
            yield Claim(uuid4(), recipient, charges, VISIBILITY_S)


#: A refund while the last entry of a log has just run out, then a clock that steps back to where it still counts.
DAY_US = 86400 * US
refund_then_step_back = [
    ("begin", 2, False), ("elapse", DAY_US, False), ("begin", 0, False), ("elapse", DAY_US, False),
    ("failed", 2, False), ("step back", 1, False), ("begin", 4, False),
]  # fmt: skip


@settings(shared_server, max_examples=2000)
@example(rules=[Rule("to 0", ("to",), (Window(1, 86400),))], history=refund_then_step_back)
@given(rules=own_rules, history=st.lists(forward_and_back, min_size=15, max_size=40))
async def test_all_agree_on_every_admission_and_retry_time(
    servers: Servers, rules: list[Rule], history: list[tuple[str, int, bool]]
) -> None:
    told = History(servers, rules)
    for act, number, twice in history:
        await told.take(act, number, twice)


@settings(shared_server, max_examples=500)
@given(
    own=own_rules,
    wide=wide_rules,
    history=st.lists(forward, min_size=15, max_size=40),
)
async def test_all_agree_where_some_counts_belong_to_no_single_number(
    servers: Servers, own: list[Rule], wide: list[Rule], history: list[tuple[str, int, bool]]
) -> None:
    told = History(servers, [*own, *wide])
    for act, number, twice in history:
        await told.take(act, number, twice)
