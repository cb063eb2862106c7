"""One fault after the other, drawn at random: each is over when its function returns."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

from redis.asyncio import Redis

from tests.faults.proxy import Way

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.lab import Lab
    from tests.faults.processes import Worker
    from tests.faults.proxy import Proxy

#: what one channel of the carrier may do to half of its submits
SICK = (
    "silent",
    "silent_after",
    "error_after",
    "hang_up",
    "hang_up_after",
    "drip",
    "refuse",
    "throttle",
    "unavailable",
)


def victim(lab: Lab) -> Worker:
    """The last worker: it alone is killed, frozen and stopped, so that the others live as long as the soak."""
    return lab.workers[-1]


async def kill_worker(lab: Lab) -> None:
    lab.strike(victim(lab))
    await victim(lab).stop(signal.SIGKILL)
    await asyncio.sleep(lab.rng.uniform(0, 3))
    await lab.start(victim(lab))


async def restart_worker(lab: Lab) -> None:
    assert await victim(lab).stop() == 0
    await lab.start(victim(lab))


async def freeze_worker(lab: Lab) -> None:
    lab.strike(victim(lab))
    victim(lab).send(signal.SIGSTOP)
    if lab.rng.random() < 0.5:
        victim(lab).amqp.reset()
    await asyncio.sleep(lab.rng.uniform(0.5, 8))
    victim(lab).send(signal.SIGCONT)


async def reset_connections(lab: Lab) -> None:
    for _ in range(lab.rng.randint(1, 5)):
        any_proxy(lab).reset()
        await asyncio.sleep(lab.rng.uniform(0, 0.5))


async def cut_connection(lab: Lab) -> None:
    any_proxy(lab).cut_after(lab.rng.randint(1, 3000), lab.rng.choice(list(Way)))
    await asyncio.sleep(1)


async def stall_server(lab: Lab) -> None:
    stalled = any_proxy(lab)
    stalled.stall()
    await asyncio.sleep(lab.rng.uniform(0.5, 6))
    stalled.flow()


async def lose_server(lab: Lab) -> None:
    lost = any_proxy(lab)
    lost.refuse()
    await asyncio.sleep(lab.rng.uniform(0.5, 6))
    await lost.accept()


async def swallow_broker(lab: Lab) -> None:
    way = lab.rng.choice(lab.workers).amqp
    before = way.accepted
    way.swallow(*lab.rng.choice([(), (Way.UP,), (Way.DOWN,)]))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while way.accepted < before + 3:
                await asyncio.sleep(0.1)


async def crash_broker(lab: Lab) -> None:
    await asyncio.to_thread(lab.servers.rabbit.kill)
    await asyncio.to_thread(lab.servers.rabbit.start)


async def crash_redis(lab: Lab) -> None:
    await asyncio.to_thread(lab.servers.redis.kill)
    await asyncio.sleep(lab.rng.uniform(0, 2))
    await asyncio.to_thread(lab.servers.redis.start)


async def pause_redis(lab: Lab) -> None:
    async with Redis.from_url(lab.servers.redis.url) as redis:
        await redis.client_pause(lab.rng.randint(100, 4000))


async def crash_postgres(lab: Lab) -> None:
    await asyncio.to_thread(lab.servers.postgres.kill)
    await asyncio.sleep(lab.rng.uniform(0, 3))
    await asyncio.to_thread(lab.servers.postgres.start)


async def sicken_carrier(lab: Lab) -> None:
    channel, answer = lab.rng.choice(list(lab.ways)), lab.rng.choice(SICK)
    await lab.carrier.behave(channel, answers={"accept": 1, answer: 1})
    await asyncio.sleep(lab.rng.uniform(2, 10))
    await lab.carrier.behave(channel)


async def delay_carrier(lab: Lab) -> None:
    channel = lab.rng.choice(list(lab.ways))
    await lab.carrier.behave(channel, latency_s=lab.rng.uniform(0.2, 2), early=lab.rng.random() < 0.5)
    await asyncio.sleep(lab.rng.uniform(2, 10))
    await lab.carrier.behave(channel)


async def repeat_receipts(lab: Lab) -> None:
    channel = lab.rng.choice(list(lab.ways))
    await lab.carrier.behave(channel, reports=3, stray=True, early=lab.rng.random() < 0.5)
    await asyncio.sleep(lab.rng.uniform(2, 10))
    await lab.carrier.behave(channel)


STRIKES: tuple[Callable[[Lab], Awaitable[None]], ...] = (
    kill_worker,
    restart_worker,
    freeze_worker,
    reset_connections,
    cut_connection,
    stall_server,
    lose_server,
    swallow_broker,
    crash_broker,
    crash_redis,
    pause_redis,
    crash_postgres,
    sicken_carrier,
    delay_carrier,
    repeat_receipts,
)


def any_proxy(lab: Lab) -> Proxy:
    """Between a worker and a server, or to the carrier."""
    between = [proxy for worker in lab.workers for proxy in worker.proxies.values()]
    return lab.rng.choice([*between, *lab.ways.values()])
