"""Hand one message to a channel that takes it: by health, with failover only where surely nothing was sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from engine import events, routing
from engine.budget import RetryBudget
from engine.outcomes import Accepted, ChannelFault, Refused, Unanswered
from engine.receipts import Receipt, State, receipt_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine import ports
    from engine.claims import Granted
    from engine.message import Category, Message
    from engine.outcomes import Outcome

PATIENCE_S = 1.0  #: of waiting for room on one channel while others are left that might have some
MAX_FAULTS = 3  #: channels found unwell in one round, before the message waits; a throttled one says only "later"


@dataclass(frozen=True, slots=True)
class NotNow:
    """No channel took the message, and surely none sent it; it is worth trying again later."""

    attempts: int  #: submits the job has had so far


class _Choice(NamedTuple):
    """The channel to try next."""

    name: str
    last: bool = False  #: whether no other is left that might have room
    wait_s: float = 0.0  #: until it may be used


@dataclass(frozen=True, slots=True)
class Submit:
    """Try the channels that may carry a message, each by a weighted draw of those left, until one takes it."""

    channels: Mapping[str, ports.Channel]
    health: ports.HealthBoard
    clock: ports.Clock
    telemetry: ports.Telemetry
    rng: Random = field(default_factory=Random)
    #: Messages of a category that may wait for one channel at a time, for those who wait keep others, whose channel
    #: has room, from being taken up; more than that come back later. What is not named may all wait.
    may_wait: Mapping[Category, int] = field(default_factory=dict)
    _waiting: Counter[tuple[str, Category]] = field(default_factory=Counter, init=False)
    _budget: RetryBudget = field(default_factory=RetryBudget, init=False)

    async def __call__(self, message: Message, grant: Granted) -> Receipt | NotNow:
        receipt = self._receipt(message, State.FAILED)._replace(attempts=grant.attempts)
        carrying = {name: channel for name, channel in self.channels.items() if channel.profile.carries(message)}
        if not carrying:
            return receipt._replace(
                state=State.REJECTED, code="NO_CHANNEL", reason="No channel carries such a message."
            )
        enabled = {name for name in carrying if self.health.enabled(name)}
        left, refused, faults = dict(carrying), set[str](), 0
        self._budget.sent(self.clock.monotonic())
        while faults < MAX_FAULTS and (choice := await self._choose(message, left)):
            name = choice.name
            outcome = await self._try(left.pop(name), message, grant, choice)
            if outcome is None:
                continue
            now = self.clock.now()
            receipt = receipt._replace(attempts=receipt.attempts + 1, channel=name, at=now)
            match outcome:
                case Accepted(carrier_id):
                    submitted = receipt._replace(state=State.SUBMITTED, final=False, submitted_at=now)
                    return submitted._replace(carrier_id=carrier_id, code=None, reason=None)
                case Unanswered(reason):
                    unknown = receipt._replace(state=State.UNKNOWN, final=False, submitted_at=now)
                    return unknown._replace(code="NO_ANSWER", reason=reason)
                case Refused(code, reason):
                    receipt = receipt._replace(code=code, reason=reason)
                    refused.add(name)
                case ChannelFault():
                    faults += 1
                    if not self._budget.spend(self.clock.monotonic()):
                        break
        return receipt if enabled and enabled <= refused else NotNow(receipt.attempts)

    async def _choose(self, message: Message, left: Mapping[str, ports.Channel]) -> _Choice | None:
        """The channel to try next; None if none may be tried now."""
        candidates = {candidate.name: candidate for candidate in self.health.candidates(message, left.values())}
        for probe in (candidate.name for candidate in candidates.values() if candidate.probe):
            if await self.health.permit(probe, left[probe].profile.timeout_s + PATIENCE_S):
                return _Choice(probe)
        closed = [candidate for candidate in candidates.values() if not candidate.probe]
        if not (order := routing.plan(closed, message.category, self.rng)):
            return None
        last = all(self._crowded(other, message.category) for other in order[1:])
        return _Choice(order[0], last, candidates[order[0]].wait_s)

    async def _try(self, channel: ports.Channel, message: Message, grant: Granted, choice: _Choice) -> Outcome | None:
        """One submit, bounded so that it surely ends within the lease; None if there was no room for it."""
        line = channel.profile.name, message.category
        if self._crowded(*line):
            return None
        timeout_s = channel.profile.timeout_s
        budget_s = grant.deadline - timeout_s - self.clock.monotonic()
        within_s = (budget_s if choice.last else min(budget_s, PATIENCE_S)) - choice.wait_s
        with ExitStack() as waiting:
            self._waiting[line] += 1
            waiting.callback(self._stop_waiting, line)
            if choice.wait_s:
                await asyncio.sleep(choice.wait_s)
            async with channel.place(message, within_s, self.health.rate(line[0])) as free:
                waiting.close()
                started = self.clock.monotonic()
                if not free or started + timeout_s > grant.deadline:
                    return None
                try:
                    async with asyncio.timeout(timeout_s):
                        outcome = await channel.submit(message)
                except TimeoutError:
                    outcome = Unanswered(f"No answer within {timeout_s:g} s.")
                except Exception as error:  # noqa: BLE001  (whatever it was, bytes may have left)
                    outcome = Unanswered(f"The submit broke off with {type(error).__name__}.")
                latency_s = self.clock.monotonic() - started
        name = channel.profile.name
        self.health.observe(name, message, outcome, latency_s)
        self.telemetry.emit(
            events.Submitted(message.job.id, name, message.category, outcome, message.segments, latency_s)
        )
        return outcome

    def _crowded(self, name: str, category: Category) -> bool:
        return self._waiting[name, category] >= self.may_wait.get(category, inf)

    def _stop_waiting(self, line: tuple[str, Category]) -> None:
        self._waiting[line] -= 1

    def _receipt(self, message: Message, state: State) -> Receipt:
        receipt = receipt_for(
            message.job, state, self.clock.now(), category=message.category, to=message.recipient.number
        )
        return receipt._replace(segments=message.segments)
