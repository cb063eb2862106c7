"""A cluster of three brokers loses one node, the majority, or the way between two; or a worker the way to its node."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest

from adapters.rabbitmq.producer import Producer, SendError
from tests.faults.cluster import Cluster
from tests.faults.jobs import job, number, some_jobs
from tests.faults.lab import SETTLED_S
from tests.faults.proxy import proxy
from tests.faults.servers import Servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.faults.cluster import Node
    from tests.faults.conftest import Row
    from tests.faults.jobs import Job
    from tests.faults.lab import Lab

AGAIN_S = 60.0  #: bound of a call that ends by itself; nothing is asserted about the time it takes
LONG_S = 20.0  #: several times as long as a worker waits between two tries


@pytest.fixture(scope="module")
def servers(servers: Servers) -> Iterator[Servers]:
    """The servers of all rows, but for the broker."""
    cluster = Cluster()
    try:
        cluster.start()
        yield Servers(cluster, servers.redis, servers.postgres)  # type: ignore[arg-type]
    finally:
        cluster.close()


@pytest.fixture
async def cluster(row: Row) -> AsyncIterator[Cluster]:
    """The cluster behind its load balancer, which leads to one of the nodes."""
    cluster = row.servers.rabbit
    assert isinstance(cluster, Cluster)
    async with proxy(Random(row.seed).choice(cluster.nodes).port) as cluster.front:
        yield cluster


async def _home(cluster: Cluster, lab: Lab) -> tuple[Node, list[Node]]:
    """The node where everybody is connected and every queue has its leader, and the others, which have its replicas."""
    home = cluster.leads_to
    await cluster.whole(lab.prefix)
    assert {queue.leader for queue in (await cluster.queues(lab.prefix)).values()} == {home.node}
    return home, cluster.others(home)


async def _not_confirmed(url: str, lab: Lab) -> Job:
    """A job whose sender gets a clear error instead of a confirm."""
    late = job(number(1))
    async with Producer(url, prefix=lab.prefix, timeout_s=2) as producer, asyncio.timeout(AGAIN_S):
        with pytest.raises(SendError) as raised:
            await producer.send(**late.fields())
    assert [fields["id"] for fields in raised.value.jobs] == [late.id]
    return late


@pytest.mark.fault("cluster: kill -9 of 1 of 3 nodes")
async def test_two_of_three_nodes_do_the_work_of_all(row: Row, cluster: Cluster) -> None:
    async with row.lab() as lab:
        home, (other, _) = await _home(cluster, lab)
        await lab.carrier.behave(latency_s=0.1)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        await lab.accepted(30)
        lab.strike()
        async with cluster.without(home):
            cluster.lead_to(other)
            await asyncio.wait_for(sending, SETTLED_S)
            assert await lab.settled()
            assert not home.running
        await cluster.whole(lab.prefix)
        cluster.lead_to(home)
        await lab.send(some_jobs(50, lab.rng))
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("cluster: kill -9 of 2 of 3 nodes")
async def test_without_a_majority_nothing_is_confirmed_and_everybody_says_so(row: Row, cluster: Cluster) -> None:
    async with row.lab() as lab:
        home, (other, left) = await _home(cluster, lab)
        await lab.carrier.behave(latency_s=0.1)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        await lab.accepted(30)
        async with cluster.without(home, other):
            with lab.fault():
                cluster.lead_to(left)
                late = await _not_confirmed(cluster.url, lab)
                await asyncio.gather(*(worker.not_ready() for worker in lab.workers))
                await asyncio.sleep(LONG_S)
                # Twice, where a node without a majority takes a connection, but no message.
                assert all(set(worker.outages().values()) <= {1, 2} for worker in lab.workers)
                await asyncio.to_thread(other.start)
            await lab.start()
            await asyncio.wait_for(sending, SETTLED_S)
            await lab.send([late])
            assert await lab.settled()
        await cluster.whole(lab.prefix)
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("cluster: partition between two broker nodes")
async def test_what_an_isolated_node_took_is_not_confirmed_and_done_by_the_majority(row: Row, cluster: Cluster) -> None:
    async with row.lab() as lab:
        home, (other, _) = await _home(cluster, lab)
        await lab.carrier.behave(latency_s=0.1)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(300, lab.rng), rate=150))
        await lab.accepted(30)
        async with cluster.isolated(home):
            with lab.fault():
                late = await _not_confirmed(home.url, lab)
                cluster.lead_to(other)
                cluster.front.reset()
            await asyncio.wait_for(sending, SETTLED_S)
            await lab.send([late])
            assert await lab.settled()
        await cluster.whole(lab.prefix)
        assert (await row.holds(lab)).unknown == 0


@pytest.mark.fault("cluster: partition between a worker and its node")
async def test_a_worker_that_lost_its_node_without_a_word_goes_to_another(row: Row, cluster: Cluster) -> None:
    async with row.lab() as lab:
        deaf = lab.workers[0]
        _, (other, _) = await _home(cluster, lab)
        await lab.start()
        sending = asyncio.create_task(lab.send(some_jobs(200, lab.rng), rate=100))
        await lab.accepted(20)
        before = deaf.amqp.accepted
        with lab.fault():
            cluster.lead_to(other)
            deaf.amqp.swallow()
            await lab.until(lambda: deaf.amqp.accepted >= before + 3, "three connections to be made anew")
        await asyncio.wait_for(sending, SETTLED_S)
        assert (await row.holds(lab)).unknown == 0
