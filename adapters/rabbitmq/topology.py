"""Which exchanges and queues make an installation? `init` declares them; workers only look whether they are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed

from adapters.outage import NotPreparedError
from engine.message import Category

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from aiormq.abc import AbstractChannel

#: how long each queue of waiting jobs keeps them, ascending; a message waits in the longest that is not too long
TIERS: Mapping[str, int] = {"1s": 1, "5s": 5, "15s": 15, "60s": 60, "5m": 300, "15m": 900, "1h": 3600}

#: Explicit, because 3.10 has none by default, and positive, because it takes -1 for "none at all". Everything a
#: crashing worker had fetched counts, not only the message that crashed it: see `triage.py`.
DELIVERY_LIMIT = 20
#: These queues are looked into, and everything is put back.
LOOK_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Names:
    """What everything of one installation is called."""

    prefix: str

    @property
    def jobs(self) -> str:
        """The exchange jobs are sent to, by category."""
        return f"{self.prefix}.jobs"

    @property
    def delay(self) -> str:
        """The exchange of jobs that shall wait, by tier and category."""
        return f"{self.prefix}.delay"

    @property
    def receipts(self) -> str:
        """The exchange receipts are sent to, by account."""
        return f"{self.prefix}.receipts"

    @property
    def callback(self) -> str:
        """The queue of receipts for the business services."""
        return f"{self.prefix}.callback"

    @property
    def record(self) -> str:
        """The queue of receipts for the engine's own recorder."""
        return f"{self.prefix}.record"

    @property
    def arrived(self) -> str:
        """The queue of inbound messages of which nobody knows as yet whose they are."""
        return f"{self.prefix}.arrived"

    @property
    def inbound(self) -> str:
        """The exchange inbound messages are sent to, by account."""
        return f"{self.prefix}.inbound"

    @property
    def replies(self) -> str:
        """The queue of inbound messages for the business services."""
        return f"{self.prefix}.replies"

    @property
    def dlr(self) -> str:
        """The queue of delivery receipts for the recorder that became no receipt of ours."""
        return f"{self.prefix}.dlr"

    @property
    def dead(self) -> str:
        """The queue of what a person has to look at."""
        return f"{self.prefix}.dead"

    @property
    def triage(self) -> str:
        """The queue of jobs that were handed out too often."""
        return f"{self.prefix}.triage"

    def of_category(self, category: Category) -> str:
        """The queue of a category's jobs."""
        return f"{self.jobs}.{category}"

    def of_tier(self, tier: str) -> str:
        """The queue of jobs that wait that long."""
        return f"{self.delay}.{tier}"

    @property
    def exchanges(self) -> tuple[str, ...]:
        """Every exchange."""
        return (self.jobs, self.delay, self.receipts, self.inbound)

    @property
    def queues(self) -> tuple[str, ...]:
        """Every queue."""
        worked = [self.of_category(category) for category in Category]
        waiting = [self.of_tier(tier) for tier in TIERS]
        own = (self.record, self.dlr, self.arrived)
        return (self.dead, self.triage, *worked, *waiting, *own, self.callback, self.replies)


def tier_for(delay_s: float) -> str:
    """The longest tier that does not keep a message too long; the shortest for less."""
    return next((tier for tier, keeps_s in reversed(list(TIERS.items())) if keeps_s <= delay_s), next(iter(TIERS)))


async def declare(channel: AbstractChannel, prefix: str) -> None:
    """Create what is missing; it may run any number of times.

    Raises:
        NotPreparedError: something of that name exists with other settings.
    """
    names = Names(prefix)
    for exchange in names.exchanges:
        await _agreed(exchange, channel.exchange_declare(exchange, exchange_type="topic", durable=True))
    for queue in (names.dead, names.triage):
        await _declare_queue(channel, queue, {"x-delivery-limit": LOOK_LIMIT})
    for category in Category:
        queue = names.of_category(category)
        await _declare_queue(channel, queue, {"x-delivery-limit": DELIVERY_LIMIT, **_dead_letters_to("", names.triage)})
        await channel.queue_bind(queue, names.jobs, category)
        await channel.queue_bind(queue, names.jobs, f"*.{category}")  # as they come back from the tiers
    for tier, keeps_s in TIERS.items():
        # No dead-letter routing key: the one with the category survives the trip.
        waits = {"x-delivery-limit": LOOK_LIMIT, "x-message-ttl": keeps_s * 1000, **_dead_letters_to(names.jobs)}
        await _declare_queue(channel, names.of_tier(tier), waits)
        await channel.queue_bind(names.of_tier(tier), names.delay, f"{tier}.*")
    for queue in (names.callback, names.record, names.dlr, names.arrived, names.replies):
        await _declare_queue(channel, queue, {"x-delivery-limit": DELIVERY_LIMIT, **_dead_letters_to("", names.dead)})
    for queue in (names.callback, names.record):
        await channel.queue_bind(queue, names.receipts, "#")
    await channel.queue_bind(names.replies, names.inbound, "#")


async def verify(channel: AbstractChannel, prefix: str) -> None:
    """See whether everything is there, which needs no right to configure the broker.

    Raises:
        NotPreparedError: something is missing.
    """
    names = Names(prefix)
    try:
        for name in names.exchanges:
            await channel.exchange_declare(name, passive=True)
        for name in names.queues:
            await channel.queue_declare(name, passive=True)
    except ChannelNotFoundEntity:
        raise NotPreparedError(f"RabbitMQ has no {name}: run `sms-engine init`.") from None


def _dead_letters_to(exchange: str, routing_key: str | None = None) -> dict[str, Any]:
    """At least once: a message stays until the next queue has confirmed it, for which this one must refuse overflow."""
    arguments = {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return arguments if routing_key is None else {**arguments, "x-dead-letter-routing-key": routing_key}


async def _declare_queue(channel: AbstractChannel, queue: str, arguments: dict[str, Any]) -> None:
    arguments = {"x-queue-type": "quorum", **arguments}
    await _agreed(queue, channel.queue_declare(queue, durable=True, arguments=arguments))


async def _agreed(name: str, declaration: Awaitable[object]) -> None:
    try:
        await declaration
    except ChannelPreconditionFailed as error:
        raise NotPreparedError(
            f"RabbitMQ has {name} with other settings: delete it once it is empty, or choose another prefix ({error})."
        ) from None
