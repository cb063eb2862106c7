"""The carrier itself, whatever protocol a message came by: it decides, writes down, and has something to tell later."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, NamedTuple

from adapters.carriers.smsc.behaviour import WireBehaviour
from adapters.carriers.smsc.ids import write_id
from adapters.carriers.smsc.known import KnownMessages
from adapters.carriers.smsc.messages import Inbound, Receipt, Submit
from adapters.carriers.smsc.outbox import Outbox
from adapters.carriers.smsc.rate import RecentSegments

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from adapters.carriers.behaviour import Report
    from adapters.carriers.smsc.log import SubmitLog

SHOWN = 100  #: newest accepted messages that are kept whole, to be looked at
HELD = 200_000  #: delivery receipts and replies on their way; beyond that submits find the queue full
FATES = ("accepted", "refused", "fault", "throttled", "queue_full", "silent")


class Answer(NamedTuple):
    """What a submit is answered, and when."""

    fate: str  #: of FATES
    after_s: float
    carrier_id: str = ""
    safe: asyncio.Future[None] | None = None  #: to be waited for before the answer


class Carrier:
    """Takes submits by any protocol; what it has to tell an account goes into the account's outbox."""

    def __init__(self, log: SubmitLog | None, rng: Random) -> None:
        self.counts: Counter[str] = Counter()
        self.known = KnownMessages()
        self.shown: deque[tuple[str, Submit]] = deque(maxlen=SHOWN)
        self._behaviour = WireBehaviour()
        self._log = log
        self._rng = rng
        self._watchers: list[Callable[[], None]] = []
        self._outboxes: defaultdict[str, Outbox] = defaultdict(lambda: Outbox(self.counts))
        self._recent: defaultdict[str, RecentSegments] = defaultdict(RecentSegments)
        self._last = time.time_ns() // 1_000_000 << 10  # so that ids differ between restarts
        self._due = 0

    @property
    def behaviour(self) -> WireBehaviour:
        """How it behaves now."""
        return self._behaviour

    def behave(self, behaviour: WireBehaviour) -> None:
        """Behave so from now on."""
        self._behaviour = behaviour
        for tell in self._watchers:
            tell()

    def watch(self, tell: Callable[[], None]) -> None:
        """Have it called after every change of behaviour."""
        self._watchers.append(tell)

    @property
    def held(self) -> int:
        """Delivery receipts and replies on their way."""
        return self._due + sum(outbox.held for outbox in self._outboxes.values())

    def outbox(self, account: str) -> Outbox:
        """What there is for an account."""
        return self._outboxes[account]

    def submit(self, submit: Submit) -> Answer:
        """Treat a message as the behaviour says.

        Raises:
            OSError: the log could not be written; the message is not accepted.
        """
        behaviour = self._behaviour
        after_s = behaviour.draw_latency_s(self._rng)
        fate = self._fate(submit, behaviour)
        if fate not in ("accepted", "silent"):
            self.counts[fate] += 1
            return Answer(fate, after_s)
        self._last += 1
        number, now_s = self._last, time.time()
        carrier_id = write_id(number, behaviour.id_notation)
        safe = self._log.accepted(submit, carrier_id, now_s, answered=fate == "accepted") if self._log else None
        self.counts[fate] += 1
        self.known.add(carrier_id, submit)
        self.shown.append((carrier_id, submit))
        if submit.report != "never":
            receipt_id = write_id(number, behaviour.receipt_id_notation)
            for report in behaviour.draw_reports(after_s, self._rng):
                self._plan(report, carrier_id, Receipt(submit, receipt_id, "", now_s), behaviour)
        if behaviour.reply and self._rng.random() < behaviour.reply:
            self._later(
                after_s + behaviour.receipt_delay_s,
                lambda: self.receive(submit.account, submit.to, submit.sender, behaviour.reply_text),
            )
        return Answer(fate, after_s, carrier_id, safe)

    def receive(self, account: str, sender: str, to: str, text: str) -> str:
        """Take a message from a phone for an account; its id."""
        self.counts["inbound"] += 1
        self._last += 1
        carrier_id = write_id(self._last, self._behaviour.receipt_id_notation)
        inbound = Inbound(account, sender, to, text, carrier_id, self._last & 0xFFFF)
        self.outbox(account).put(inbound)
        return inbound.carrier_id

    def _fate(self, submit: Submit, behaviour: WireBehaviour) -> str:
        if self.held >= HELD:
            return "queue_full"
        recent = self._recent[submit.account]
        if behaviour.rate and not recent.admits(submit.segments, behaviour.rate, time.monotonic()):
            return "throttled"
        return behaviour.draw_fate(self._rng)

    def _plan(self, report: Report, carrier_id: str, receipt: Receipt, behaviour: WireBehaviour) -> None:
        status = "DELIVRD" if report.delivered else behaviour.undelivered_as
        final = receipt._replace(status=status)
        if behaviour.intermediate and self._rng.random() < behaviour.intermediate:
            self._later(report.after_s / 2, lambda: self._report(receipt._replace(status="ENROUTE")))
        if report.early:
            self._conclude(carrier_id, final)
        else:
            self._later(report.after_s, lambda: self._conclude(carrier_id, final))

    def _conclude(self, carrier_id: str, receipt: Receipt) -> None:
        self.known.conclude(carrier_id, receipt.status, time.time())
        if receipt.submit.report != "on_failure" or receipt.status != "DELIVRD":
            self._report(receipt)

    def _report(self, receipt: Receipt) -> None:
        self.counts["receipts"] += 1
        self.outbox(receipt.submit.account).put(receipt._replace(at_s=time.time()))

    def _later(self, after_s: float, act: Callable[[], object]) -> None:
        self._due += 1
        asyncio.get_running_loop().call_later(after_s, self._now, act)

    def _now(self, act: Callable[[], object]) -> None:
        self._due -= 1
        act()
