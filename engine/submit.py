"""Hand one message to a channel that takes it: by health, with failover only where surely nothing was sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Self

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


_Line = tuple[str, "Category"]  #: those that wait for a channel, by category


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
    _waiting: Counter[_Line] = field(default_factory=Counter, init=False)
    _budget: RetryBudget = field(default_factory=RetryBudget, init=False)

    async def __call__(self, message: Message, grant: Granted) -> Receipt | NotNow:
        left = {name: channel for name, channel in self.channels.items() if channel.profile.carries(message)}
        if not left:
            reason = "No channel carries such a message."
            return self._receipt(message, State.REJECTED, grant.attempts, code="NO_CHANNEL", reason=reason)
        carrying, refused, faults = tuple(left), dict[str, Refused](), 0
        name, attempts = None, grant.attempts
        self._budget.sent(self.clock.monotonic())
        while faults < MAX_FAULTS and (choice := await self._choose(message, left)):
            outcome = await self._try(left.pop(choice.name), message, grant, choice)
            if outcome is None:
                continue
            name, attempts = choice.name, attempts + 1
            match outcome:
                case Accepted(carrier_id):
                    return self._receipt(message, State.SUBMITTED, attempts, name, carrier_id)
                case Unanswered(reason):
                    return self._receipt(
                        message, State.UNKNOWN, attempts, channel=name, code="NO_ANSWER", reason=reason
                    )
                case Refused():
                    refused[name] = outcome
                case ChannelFault():
                    faults += 1
                    if not self._budget.spend(self.clock.monotonic()):
                        break
        enabled = {each for each in carrying if self.health.enabled(each)}
        if not enabled or enabled - refused.keys():
            return NotNow(attempts)
        last = [*refused.values()][-1]
        return self._receipt(message, State.FAILED, attempts, channel=name, code=last.code, reason=last.reason)

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
        with _Waiting(self._waiting, line) as waiting:
            if choice.wait_s:
                await asyncio.sleep(choice.wait_s)
            async with channel.place(message, within_s, self.health.rate(line[0])) as free:
                waiting.over()
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

    def _receipt(
        self,
        message: Message,
        state: State,
        attempts: int,
        channel: str | None = None,
        carrier_id: str | None = None,
        code: str | None = None,
        reason: str | None = None,
    ) -> Receipt:
        now = self.clock.now()
        receipt = receipt_for(message.job, state, now, category=message.category, to=message.recipient.number)
        submitted_at = now if receipt.taken else None
        return receipt._replace(
            attempts=attempts,
            segments=message.segments,
            submitted_at=submitted_at,
            channel=channel,
            carrier_id=carrier_id,
            code=code,
            reason=reason,
        )


class _Waiting:
    """Counts one more in a line, until it is over."""

    def __init__(self, lines: Counter[_Line], line: _Line) -> None:
        self._lines = lines
        self._line: _Line | None = line

    def __enter__(self) -> Self:
        assert self._line
        self._lines[self._line] += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.over()

    def over(self) -> None:
        """It has what it waited for; saying so again changes nothing."""
        if self._line:
            self._lines[self._line] -= 1
            self._line = None
