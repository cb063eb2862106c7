"""Where does a job go that must wait, and a message that is nobody's work?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adapters.rabbitmq import headers
from adapters.rabbitmq.topology import TIERS, tier_for
from engine.events import DeadLettered

if TYPE_CHECKING:
    from pamqp.commands import Basic

    from adapters.rabbitmq.headers import Slip
    from adapters.rabbitmq.publisher import Publisher
    from adapters.rabbitmq.topology import Names
    from engine.message import Category
    from engine.ports import Clock, Telemetry


@dataclass(frozen=True, slots=True)
class Detours:
    """Both return once the message is safe in the other queue, so that it may be acknowledged in the first."""

    publisher: Publisher
    names: Names
    clock: Clock
    telemetry: Telemetry

    async def wait(self, body: bytes, category: Category, slip: Slip) -> None:
        """Have jobs handed out again after their wait, which may take them through several tiers."""
        if slip.wait_s <= 0:
            return await self.publisher.publish(self.names.jobs, category, body, headers.of_jobs(slip))
        tier = tier_for(slip.wait_s)
        then = replace(slip, wait_s=slip.wait_s - TIERS[tier])
        await self.publisher.publish(self.names.delay, f"{tier}.{category}", body, headers.of_jobs(then))

    async def bury(self, body: bytes, properties: Basic.Properties, queue: str, routing_key: str, reason: str) -> None:
        """Put a message aside, whole and unchanged, for a person to look at."""
        self.telemetry.emit(DeadLettered(queue, reason))
        marked = headers.of_dead_letter(properties, reason, self.clock.now(), routing_key)
        await self.publisher.publish("", self.names.dead, body, marked)
