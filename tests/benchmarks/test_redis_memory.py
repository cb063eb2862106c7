"""What a message costs Redis in memory: bytes of the server's own count, over thousands of recipients.

`tests/run tests/benchmarks/test_redis_memory.py -s` prints them. The bounds are generous: a change that doubles what is
kept of every message shall be noticed, and one of a few bytes not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from uuid import uuid4

from redis.asyncio import Redis

from adapters.redis.correlator import RedisCorrelator
from adapters.redis.ledger import RedisLedger
from engine.claims import Claim, Granted
from engine.evidence import Link
from engine.limits import Rule, charges_to
from engine.message import Category
from engine.receipts import Receipt, State
from tests.redis_setup import connected, receipt, rule
from tests.servers import PrivateRedis

RECIPIENTS = 16_000
RULES = (  # of config/default.toml, for otp
    rule("1/1m", "5/1h", "10/24h", key=("to", "signature"), name="otp per number and signature"),
    rule("40/24h", name="otp per number"),
)
WITHOUT_MINUTE = (rule("5/1h", "10/24h", key=("to", "signature"), name="otp per number and signature"), RULES[1])


def claims(rules: Sequence[Rule]) -> Iterator[Claim]:
    """One to every recipient."""
    for number in range(RECIPIENTS):
        to = f"+86138{number:08}"
        yield Claim(uuid4(), to, charges_to(tuple(rules), Category.OTP, "default", "Acme", "SMS_1001"), 30.0)


def told(grant: Granted, state: State) -> Receipt:
    """A receipt with all that usually is in one."""
    of = grant.claim
    names = {"signature": "Acme", "template": "SMS_1001", "ref": "order 1234", "channel": "alpha"}
    answer = receipt(of.job, state, to=of.recipient, carrier_id=of.job.hex[:20], **names)
    return answer._replace(submitted_at=answer.at)


async def test_what_a_message_costs_redis() -> None:
    with PrivateRedis() as server:
        async with connected(server.url) as connection, Redis.from_url(server.url) as admin:
            ledger, correlator = RedisLedger(connection), RedisCorrelator(connection)
            grants: list[Granted] = []

            async def begin(claim: Claim) -> None:
                grant = await ledger.begin(claim)
                assert isinstance(grant, Granted)
                grants.append(grant)

            async def finish(grant: Granted) -> None:
                assert await ledger.finish(grant, told(grant, State.SUBMITTED))

            async def link(grant: Granted) -> None:
                answer = told(grant, State.SUBMITTED)
                assert answer.carrier_id
                bucket = answer.carrier_id
                await correlator.link("alpha", bucket, Link(answer.carrier_id, answer.to, answer.job))

            async def advance(grant: Granted) -> None:
                assert await ledger.advance(grant.claim.recipient, told(grant, State.DELIVERED))

            async def bytes_of(step: Callable[..., Awaitable[None]], each: Sequence[object]) -> float:
                before = (await admin.info("memory"))["used_memory"]
                for at in range(0, len(each), 200):
                    await asyncio.gather(*(step(one) for one in each[at : at + 200]))
                return ((await admin.info("memory"))["used_memory"] - before) / len(each)

            await ledger.begin(Claim(uuid4(), "first", (), 30.0))
            leased = await bytes_of(begin, [claim._replace(charges=()) for claim in claims(RULES)])
            assert await admin.flushall()
            await ledger.begin(Claim(uuid4(), "first", (), 30.0))
            grants.clear()
            begun = await bytes_of(begin, list(claims(RULES)))
            finished = await bytes_of(finish, grants)
            linked = await bytes_of(link, grants)
            delivered = await bytes_of(advance, grants)
            grants.clear()
            again = await bytes_of(begin, list(claims(WITHOUT_MINUTE)))
    print(
        f"\nbytes of Redis a message, over {RECIPIENTS} recipients of a code",
        f"  {leased:5.0f}  the record of a job in hand",
        f"  {begun - leased:5.0f}  the logs of a recipient after its first message",
        f"  {again - leased:5.0f}  more in them for a second message",
        f"  {finished:5.0f}  more in the record for the receipt, {delivered:.0f} more once delivered",
        f"  {linked:5.0f}  the link from the carrier's id",
        f"  {begun + finished + linked + delivered:5.0f}  in all, for a first message",
        sep="\n",
    )
    assert begun + finished + linked + delivered < 1200
