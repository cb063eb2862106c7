"""What every ledger does about promotions to a number that opted out, in this process or in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.replies import MemoryOptOuts, MemoryReplyStore
from adapters.redis.ledger import RedisLedger
from adapters.redis.opt_outs import RedisOptOuts
from engine.claims import Busy, Claim, Done, Granted, Limited, OptedOut
from engine.inbound_ports import OptOuts
from engine.opt_out import EVERY_ACCOUNT, OptOut
from engine.ports import Ledger
from engine.receipts import State
from tests.redis_setup import NUMBER, Heard, OwnClock, OwnTimeConnection, charge, claim, receipt, redis_prefix, rule

OTHER = "+8613900000000"
ONE_AN_HOUR = rule("1/1h")


@dataclass
class Bench:
    ledger: Ledger
    opt_outs: OptOuts
    clock: OwnClock

    def word(self, account: str = "shop", recipient: str = NUMBER, minutes: int = 0, *, lifted: bool = False) -> OptOut:
        at = self.clock.now() + timedelta(minutes=minutes)
        return OptOut(recipient, account, at, at if lifted else None)


@pytest.fixture(params=["memory", "redis", "redis, every call repeated"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    clock = OwnClock()
    if request.param == "memory":
        known = MemoryOptOuts()
        yield Bench(MemoryLedger(clock, known), known, clock)
        return
    url = request.getfixturevalue("redis_url")
    async with redis_prefix(url) as prefix, OwnTimeConnection(url, clock, Heard()) as redis:
        redis.twice = request.param != "redis"
        opt_outs = RedisOptOuts(redis, prefix, MemoryReplyStore(), assigned=nothing)
        yield Bench(RedisLedger(redis, prefix), opt_outs, clock)


async def nothing() -> None: ...


def promotion(account: str = "shop", recipient: str = NUMBER) -> Claim:
    return claim(charge(ONE_AN_HOUR, recipient), recipient=recipient)._replace(promotes=account)


async def test_a_promotion_to_a_number_that_opted_out_is_not_granted(bench: Bench) -> None:
    await bench.opt_outs.settle(NUMBER, [bench.word()])
    assert await bench.ledger.begin(promotion()) == OptedOut()


async def test_everything_else_still_is(bench: Bench) -> None:
    await bench.opt_outs.settle(NUMBER, [bench.word()])
    code = claim(charge(ONE_AN_HOUR))
    for wish in (code, promotion("bank"), promotion(recipient=OTHER)):
        verdict = await bench.ledger.begin(wish)
        if isinstance(verdict, Granted):
            await bench.ledger.release(verdict, 0)
        assert isinstance(verdict, Granted)


async def test_it_is_charged_to_no_limit(bench: Bench) -> None:
    await bench.opt_outs.settle(NUMBER, [bench.word()])
    await bench.ledger.begin(promotion())
    assert isinstance(await bench.ledger.begin(promotion("bank")), Granted)
    assert isinstance(await bench.ledger.begin(promotion("bank")), Limited)


async def test_an_opt_out_of_every_account_is_heeded_for_each(bench: Bench) -> None:
    await bench.opt_outs.settle(NUMBER, [bench.word(EVERY_ACCOUNT)])
    assert await bench.ledger.begin(promotion()) == OptedOut()
    assert await bench.ledger.begin(promotion("bank")) == OptedOut()


async def test_a_lifted_opt_out_is_none(bench: Bench) -> None:
    await bench.opt_outs.settle(NUMBER, [bench.word()])
    await bench.opt_outs.settle(NUMBER, [bench.word(minutes=1, lifted=True)])
    assert isinstance(await bench.ledger.begin(promotion()), Granted)
    await bench.opt_outs.settle(NUMBER, [bench.word(minutes=2)])
    assert await bench.ledger.begin(promotion()) == OptedOut()


async def test_of_two_words_the_later_stands_whichever_comes_first(bench: Bench) -> None:
    await bench.opt_outs.settle(NUMBER, [bench.word(minutes=1)])
    await bench.opt_outs.settle(NUMBER, [bench.word(lifted=True)])
    assert await bench.ledger.begin(promotion()) == OptedOut()
    await bench.opt_outs.settle(NUMBER, [bench.word(minutes=3, lifted=True)])
    await bench.opt_outs.settle(NUMBER, [bench.word(minutes=2)])
    assert isinstance(await bench.ledger.begin(promotion()), Granted)


async def test_while_a_message_that_may_opt_out_is_held_promotions_wait_and_codes_do_not(bench: Bench) -> None:
    message, saved = uuid4(), []

    async def save() -> None:
        saved.append(message)

    await bench.opt_outs.hold(NUMBER, message, save)
    assert saved == [message]
    assert isinstance(await bench.ledger.begin(promotion("any")), Busy)
    assert isinstance(await bench.ledger.begin(promotion(recipient=OTHER)), Granted)
    assert isinstance(await bench.ledger.begin(claim(charge(ONE_AN_HOUR))), Granted)


async def test_every_held_message_has_to_be_settled(bench: Bench) -> None:
    one, other = uuid4(), uuid4()
    await bench.opt_outs.hold(NUMBER, one, nothing)
    await bench.opt_outs.hold(NUMBER, other, nothing)
    await bench.opt_outs.settle(NUMBER, [bench.word()], one)
    assert isinstance(await bench.ledger.begin(promotion()), Busy)
    await bench.opt_outs.settle(NUMBER, [bench.word()], other)
    assert await bench.ledger.begin(promotion()) == OptedOut()
    assert isinstance(await bench.ledger.begin(promotion("bank")), Granted)


async def test_a_message_that_could_not_be_saved_holds_promotions_and_is_taken_when_it_comes_again(
    bench: Bench,
) -> None:
    message = uuid4()

    async def fail() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await bench.opt_outs.hold(NUMBER, message, fail)
    assert isinstance(await bench.ledger.begin(promotion()), Busy)
    await bench.opt_outs.hold(NUMBER, message, nothing)
    await bench.opt_outs.settle(NUMBER, [], message)
    assert isinstance(await bench.ledger.begin(promotion()), Granted)


async def test_what_was_done_before_stays_done(bench: Bench) -> None:
    sent = promotion()
    grant = await bench.ledger.begin(sent)
    assert isinstance(grant, Granted)
    standing = await bench.ledger.finish(grant, receipt(sent.job, State.SUBMITTED))
    assert standing
    await bench.opt_outs.settle(NUMBER, [bench.word()])
    assert await bench.ledger.begin(sent) == Done(standing)


async def test_a_job_begun_before_is_not_begun_again_after(bench: Bench) -> None:
    wish = promotion()
    grant = await bench.ledger.begin(wish)
    assert isinstance(grant, Granted)
    await bench.opt_outs.settle(NUMBER, [bench.word()])
    await bench.ledger.release(grant, 1)
    assert await bench.ledger.begin(wish) == OptedOut()
