"""What becomes of a job whose submit was never answered? Ask the carrier, wait for its word, then follow the policy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine import events, receipts
from engine.claims import Busy, Done, Granted
from engine.receipts import DeliveryReceipt, NotSent, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine import ports
    from engine.claims import Claim, Verdict
    from engine.policy import Policy

FIRST_LOOK_S = 5.0  #: after which a carrier is asked first
ASK_S = 5.0  #: for one answer
ASKS_AT_ONCE = 32  #: beyond that it is asked at the next look: a carrier that hangs must not take the worker's places


@dataclass(frozen=True, slots=True)
class Resolve:
    """Look at an unknown outcome once; any number of looks, by any number of workers, changes a job at most once."""

    ledger: ports.Ledger
    channels: Mapping[str, ports.Channel]
    clock: ports.Clock
    telemetry: ports.Telemetry
    policy: Policy
    _asking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(ASKS_AT_ONCE))

    async def __call__(self, claim: Claim, unknown: Receipt) -> Receipt | Verdict:
        """The receipt that stands now, where there is news; else what `begin` answers, which may be to submit again."""
        match await self._ask(unknown):
            case DeliveryReceipt() as dlr:
                return await self._advance(claim, receipts.advance(unknown, dlr))
            case NotSent() if await self.ledger.reopen(claim.recipient, unknown):
                return await self.ledger.begin(claim)
        now = self.clock.now()
        if now < unknown.at + self.policy.unknown_grace[unknown.category]:
            return Done(unknown)
        if unknown.category in self.policy.resend:
            match await self.ledger.begin(claim._replace(despite=unknown.id)):
                case Granted() as grant:
                    return grant._replace(attempts=unknown.attempts, doubt=unknown)
        return await self._advance(claim, receipts.given_up(unknown, now))

    def next_look_s(self, unknown: Receipt) -> float:
        """Seconds until it is worth looking again."""
        age_s = (self.clock.now() - unknown.at).total_seconds()
        grace_s = self.policy.unknown_grace[unknown.category].total_seconds()
        asked = any(channel.profile.answers_queries for channel in self._suspects(unknown))
        return next_look_s(age_s, grace_s, asked=asked)

    async def _advance(self, claim: Claim, receipt: Receipt) -> Receipt | Busy:
        standing = await self.ledger.advance(claim.recipient, receipt)
        return standing or Busy(claim.visibility_s)  # a copy of the job got hold of it meanwhile

    async def _ask(self, unknown: Receipt) -> DeliveryReceipt | NotSent | None:
        """What the carriers know together: one that took the message is enough, but all must know that it was not."""
        answers = await asyncio.gather(*(self._ask_one(channel, unknown) for channel in self._suspects(unknown)))
        found = next((answer for answer in answers if isinstance(answer, DeliveryReceipt)), None)
        nowhere = bool(answers) and all(isinstance(answer, NotSent) for answer in answers)
        return found or (NotSent() if nowhere else None)

    async def _ask_one(self, channel: ports.Channel, unknown: Receipt) -> DeliveryReceipt | NotSent | None:
        if not channel.profile.answers_queries or self._asking.locked():
            return None
        try:
            async with self._asking, asyncio.timeout(ASK_S):
                answer = await channel.ask(unknown)
        except Exception:  # noqa: BLE001  (whatever it was, nothing was learnt)
            answer = None
        self.telemetry.emit(events.Asked(unknown.job, channel.profile.name, answer))
        return answer

    def _suspects(self, unknown: Receipt) -> Iterable[ports.Channel]:
        """The channel that was tried; any of them where a worker vanished before it could say."""
        return [channel for name, channel in self.channels.items() if unknown.channel in (None, name)]


def next_look_s(age_s: float, grace_s: float, *, asked: bool) -> float:
    """Wait as long again as the outcome has been unknown; where nobody can be asked, to the end of the grace time."""
    left_s = max(0.0, grace_s - age_s)
    return min(left_s, max(FIRST_LOOK_S, age_s)) if asked else left_s
