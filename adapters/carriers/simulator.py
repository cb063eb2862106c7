"""A carrier that exists only in this process: for the demo, for tests, and to try failover before it is needed.

It behaves as well or as badly as configured, and remembers what it took, so that a test can judge double sends.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from math import inf
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from engine.outcomes import Accepted, ChannelFault, Refused, Throttled
from engine.receipts import DeliveryReceipt, NotSent, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from random import Random
    from uuid import UUID

    from adapters.carriers.behaviour import Behaviour
    from adapters.carriers.place import Places
    from engine.inbound import InboundMessage
    from engine.message import Message
    from engine.outcomes import Outcome
    from engine.ports import Clock
    from engine.receipts import Receipt
    from engine.routing import Profile

REMEMBERED = 100_000  #: newest messages taken
REPEAT_S = 0.2  #: until a receipt that was not taken off it is sent again


class Taken(NamedTuple):
    """A message the carrier took, answered or not."""

    carrier_id: str
    job: UUID


class SimulatedChannel:
    """A channel to the simulated carrier."""

    def __init__(self, profile: Profile, places: Places, behaviour: Behaviour, clock: Clock, rng: Random) -> None:
        self.profile = profile
        self.taken: deque[Taken] = deque(maxlen=REMEMBERED)
        self.counts: Counter[str] = Counter()  #: of submits, by how each ended, and of what was sent to us
        self._places = places
        self._behaviour = behaviour
        self._clock = clock
        self._rng = rng
        self._dead = False
        self._tell: Callable[[DeliveryReceipt | InboundMessage], Awaitable[None]] | None = None
        self._opened_at: datetime | None = None
        self._reports: set[asyncio.Task[None]] = set()
        self._name = uuid4().hex[:12]  # carrier ids differ between processes and restarts

    @property
    def ready(self) -> bool:
        """Whether it was opened; that it is dead shows only in its answers, as with a carrier over HTTP."""
        return self._tell is not None

    @property
    def load(self) -> float:
        """How full its window is, from 0 to 1."""
        return self._places.load

    def place(self, message: Message, within_s: float, rate: float = inf) -> AbstractAsyncContextManager[bool]:
        """Wait for room in the channel's window and rate; False if there is none within the time."""
        return self._places.place(message, within_s, rate)

    def die(self) -> None:
        """From now on refuse every connection; receipts of what was taken still come."""
        self._dead = True

    def recover(self) -> None:
        """Be well again."""
        self._dead = False

    async def open(self, tell: Callable[[DeliveryReceipt | InboundMessage], Awaitable[None]]) -> None:
        """Be ready for messages, and report on them through `tell` until that returns."""
        self._tell = tell
        self._opened_at = self._clock.now()

    async def ask(self, receipt: Receipt) -> DeliveryReceipt | NotSent | None:
        """Whether it took the job; what came before it opened, or to another process's, it cannot know."""
        now = self._clock.now()
        if taken := next((each for each in reversed(self.taken) if each.job == receipt.job), None):
            return DeliveryReceipt(self.profile.name, taken.carrier_id, State.SUBMITTED, now)
        submitted_at = receipt.submitted_at or receipt.at
        return NotSent() if self._opened_at is not None and submitted_at >= self._opened_at else None

    async def close(self) -> None:
        """Answer what is under way; receipts still to be sent are never sent."""
        await self._places.drain()
        self._tell = None
        for report in self._reports:
            report.cancel()
        await asyncio.gather(*self._reports, return_exceptions=True)

    async def submit(self, message: Message) -> Outcome:
        """Treat the message as configured."""
        if self._dead or self._tell is None:
            self.counts["fault"] += 1
            return ChannelFault("The simulated carrier refuses connections.")
        latency_s = self._behaviour.draw_latency_s(self._rng)
        fate = self._behaviour.draw_fate(self._rng)
        carrier_id = self._take(message, latency_s) if fate in ("accepted", "silent") else ""
        if fate == "silent":
            self.counts["silent"] += 1
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(latency_s)
        self.counts[fate] += 1
        match fate:
            case "refused":
                return Refused("SIMULATED", "The simulated carrier refuses the message.")
            case "fault":
                return ChannelFault("The simulated carrier is unwell.")
            case "throttled":
                return Throttled("The simulated carrier is busy.")
        return Accepted(carrier_id)

    def _take(self, message: Message, latency_s: float) -> str:
        carrier_id = f"sim-{self._name}-{self.counts['taken']}"
        self.counts["taken"] += 1
        self.taken.append(Taken(carrier_id, message.job.id))
        for coming in self._behaviour.draw_reports(latency_s, self._rng):
            state = State.DELIVERED if coming.delivered else State.UNDELIVERED
            report = asyncio.create_task(self._report(carrier_id, state, coming.after_s))
            self._reports.add(report)
            report.add_done_callback(self._reports.discard)
        return carrier_id

    async def hand_in(self, message: InboundMessage) -> None:
        """Bring a message that a person wrote to us; returns once it is taken, for it is sent until then."""
        await self._bring(message, "inbound")

    async def _report(self, carrier_id: str, state: State, delay_s: float) -> None:
        if delay_s:  # an early one must not even let the answer pass
            await asyncio.sleep(delay_s)
        code, status = (None, "DELIVRD") if state is State.DELIVERED else ("UNDELIV", "UNDELIV")
        dlr = DeliveryReceipt(self.profile.name, carrier_id, state, self._clock.now(), code, status)
        await self._bring(dlr, "receipts")

    async def _bring(self, news: DeliveryReceipt | InboundMessage, kind: str) -> None:
        while self._tell is not None:
            try:
                await self._tell(news)
            except Exception:  # noqa: BLE001  (not taken, for whatever reason: carriers send again)
                self.counts[f"{kind}_refused"] += 1
                await asyncio.sleep(REPEAT_S)
            else:
                self.counts[kind] += 1
                return
