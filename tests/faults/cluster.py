"""Three brokers that are one, on one machine: they stand where a single one does, behind a load balancer.

The engine takes one address. So a proxy stands before the cluster, and a row says which node it leads to, as health
checks of a load balancer would.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.servers import FaultRabbit

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.faults.proxy import Proxy
    from tests.servers.processes import OwnProcess

NODES = 3
COOKIE = secrets.token_hex(16)  #: whoever knows it may do anything to a node
LOOK_S = 0.5
WHOLE_S = 90.0  #: bound of a wait


class Node(FaultRabbit):
    """A broker of the cluster."""

    def __init__(self, first: Node | None = None) -> None:
        """All use the port mapper of the first: it is how Erlang nodes find each other."""
        super().__init__()
        self._first = first
        if first:
            self._mapper_port = first._mapper_port
        cookie = self.folder.path / ".erlang.cookie"
        cookie.write_text(COOKIE)
        cookie.chmod(0o400)

    @property
    def node(self) -> str:
        """Its name among nodes."""
        return self._node

    def join(self, other: Node) -> None:
        """Become a member of its cluster; what was here is gone."""
        for order in (["stop_app"], ["join_cluster", other.node], ["start_app"]):
            self.ctl(*order)

    def _spawn(self, binary: Path) -> OwnProcess:
        if self._first:
            self._mapper = self._first._mapper
        return super()._spawn(binary)


@dataclass(frozen=True)
class Replicas:
    """Where a quorum queue is."""

    leader: str
    members: frozenset[str]
    online: frozenset[str]


class Cluster:
    """Three nodes, and the way to them: `front` must be set before it has an address."""

    def __init__(self) -> None:
        first = Node()
        self.nodes = [first, *(Node(first) for _ in range(NODES - 1))]
        self.front: Proxy | None = None
        self._joined = False

    @property
    def port(self) -> int:
        assert self.front
        return self.front.port

    @property
    def url(self) -> str:
        assert self.front
        return self.front.before(self.nodes[0].url)

    @property
    def running(self) -> bool:
        """Whether all do."""
        return all(node.running for node in self.nodes)

    @property
    def leads_to(self) -> Node:
        """Where the front leads to."""
        (node,) = (node for node in self.nodes if self.front and node.port == self.front.server_port)
        return node

    def others(self, *nodes: Node) -> list[Node]:
        """All but these."""
        return [node for node in self.nodes if node not in nodes]

    def lead_to(self, node: Node) -> None:
        """New connections go to this node; those there are stay where they are."""
        assert self.front
        self.front.server_port = node.port

    def launch(self) -> None:
        """Start the nodes that are down. Raises ServerError."""
        for node in self.nodes:
            if not node.running:
                node.launch()

    def wait_until_ready(self) -> None:
        """Wait until all nodes are up and know each other. Raises ServerError."""
        for node in self.nodes:
            node.wait_until_ready()
        if not self._joined:
            first, *others = self.nodes
            for node in others:  # by order: peer discovery wants the nodes started in turn on 3.10, at once on 4.0
                node.join(first)
            self._joined = True
        self.nodes[0].ctl("await_online_nodes", str(NODES))

    def start(self) -> None:
        """Start the nodes that are down and wait for them. Raises ServerError."""
        self.launch()
        self.wait_until_ready()

    async def order(self, *command: str) -> str:
        """What `rabbitmqctl` answers on the node that the front leads to."""
        return await self.leads_to.order(*command)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all nodes."""
        for node in self.nodes:
            node.send(number)

    def close(self) -> None:
        for node in self.nodes:
            node.close()

    @contextlib.asynccontextmanager
    async def without(self, *nodes: Node) -> AsyncIterator[None]:
        """These nodes crash at the same time; when it is over, those that are still down start again."""
        await asyncio.gather(*(asyncio.to_thread(node.kill) for node in nodes))
        try:
            yield
        finally:
            await asyncio.to_thread(self.start)

    @contextlib.asynccontextmanager
    async def isolated(self, node: Node) -> AsyncIterator[None]:
        """Between this node and the others nothing passes; its clients still reach it.

        Erlang nodes that do not agree on a cookie do not talk to each other. When it is over the node is restarted, as
        an operator must: what it decided alone is void, and it takes over what the others did.
        """
        cut = (f"erlang:set_cookie('{other.node}', cut), erlang:disconnect_node('{other.node}')"
               for other in self.others(node))  # fmt: skip
        await node.order("eval", f"{', '.join(cut)}.")
        try:
            yield
        finally:
            await asyncio.to_thread(node.restart)  # the cookie of a node that starts is the right one

    async def queues(self, prefix: str) -> dict[str, Replicas]:
        """Where the queues of an installation are, as seen from where the front leads to."""
        columns = ("name", "leader", "members", "online")
        found = json.loads(await self.order("list_queues", *columns, "--formatter", "json"))
        return {
            queue["name"]: Replicas(queue["leader"], frozenset(queue["members"]), frozenset(queue["online"]))
            for queue in found
            if queue["name"].startswith(f"{prefix}.")
        }

    async def whole(self, prefix: str) -> None:
        """Wait until every queue of an installation has all its replicas online, one on each node."""
        nodes = {node.node for node in self.nodes}
        async with asyncio.timeout(WHOLE_S):
            while not all(queue.members == queue.online == nodes for queue in (await self.queues(prefix)).values()):
                await asyncio.sleep(LOOK_S)
