"""How the channels do and what follows from it: what both the board of one process and the shared one consist of.

It keeps what this worker saw, what the others told it, and what was decided. An adapter only carries these between
workers; without one the board stands for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import alarm as alarms
from engine import breaker, throttle
from engine.breaker import Breaker, State
from engine.cohort import Cohorts, told_slot
from engine.decay import Spread
from engine.events import ChannelChanged
from engine.fresh import Fresh
from engine.health import keys
from engine.judge import Change, Judge
from engine.message import Category
from engine.outcomes import ChannelFault, Throttled
from engine.routing import HALF_FULL, Candidate
from engine.sightings import Reading, Receipts, Sightings, Told
from engine.standing import EVERY, Alarm, Collapse, Mark, Standings
from engine.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from engine import ports
    from engine.message import Message
    from engine.outcomes import Outcome
    from engine.pins import Pin
    from engine.receipts import DeliveryReceipt, Receipt
    from engine.standing import Stands, Versioned
    from engine.terms import Terms

JUDGED_EVERY_S = 1.0
READ_EVERY_S = 0.1  #: what was read holds for so long, unless a submit fails
FORGET_EVERY_S = 60.0
ASK_AGAIN_S = 0.2  #: for the probe that another worker has
COLLAPSED_WEIGHT = 0.1
WHAT = {Breaker: "breaker", Throttle: "throttle", Collapse: "receipts", Mark: "score", Alarm: "alarm"}
#: in our own words: a carrier's might quote a number
FATAL, TOO_FAST = "its carrier lets nothing in until somebody acts", "its carrier says that it is too fast"
UNCAPPED = 20.0  #: segments a second that a throttled channel without a cap recovers to at least
PAUSE_S = 2.0  #: what a message waits for a channel that asked for a pause; longer ones it does not sit out


class Board:
    """Not for use by several threads."""

    def __init__(
        self,
        terms: Iterable[Terms],
        numbers: ports.NumberReader,
        clock: ports.Clock,
        telemetry: ports.Telemetry,
        rng: Random,
        worker: str = "worker",
    ) -> None:
        self.terms = {each.profile.name: each for each in terms}
        self.told = Told()
        self.standings = Standings()
        self.urgent = False  #: whether the others should hear of something before the second is over
        self._worker = worker
        self._numbers = numbers
        self._clock = clock
        self._telemetry = telemetry
        self._rng = rng
        self._cohorts = Cohorts()
        self._own = Sightings(receipts=self._cohorts.slow, receipts_lately=self._cohorts.fast)
        self._fresh = Fresh()
        self._pins: Mapping[str, Pin] = {}
        self._judge = Judge({name: each.profile for name, each in self.terms.items()}, rng)
        self._permits: dict[str, float] = {}  # until when a probe of this worker may be under way
        self._probed: set[str] = set()
        self._judged_at = self._forgot_at = float("-inf")
        self._receipts, self._told_slot = Receipts(), -1
        self._reading: Reading | None = None
        self._known: dict[tuple[str, str, str], Candidate] = {}  # until anything changes, or a moment later

    # What the engine sees.

    def candidates(self, message: Message, channels: Iterable[ports.Channel]) -> list[Candidate]:
        """Those of the channels that may be tried with the message now, each as it stands."""
        self.look()
        self.reading()
        found = [one for channel in channels if (one := self._candidate(message, channel))]
        # A pause is waited for only where no other channel could be used meanwhile.
        found = [candidate for candidate in found if not candidate.wait_s] or found
        closed = [candidate for candidate in found if not candidate.probe]
        if message.category is Category.OTP and 0 < len(closed) < len(found):
            now = self._clock.monotonic()
            return closed + [c for c in found if c.probe and breaker.takes_codes(self._breaker(c.name), now)]
        return found

    async def permit(self, channel: str, for_s: float) -> bool:
        """Whether the one probe of a half-open channel is ours: until its submit was observed, or for so long."""
        now = self._clock.monotonic()
        if now < self._permits.get(channel, now):
            return False
        self._permits[channel] = now + for_s
        return True

    def observe(self, channel: str, message: Message, outcome: Outcome, latency_s: float) -> None:
        """Note how a submit ended."""
        now = self._clock.monotonic()
        if self._permits.pop(channel, None) is not None:
            self._probed.add(channel)
            self.urgent = True
            self._judged_at = float("-inf")
        good = self._fresh.note(channel, message, outcome, latency_s, now)
        match outcome:
            case ChannelFault(fatal=True):
                self._give_up(channel, now)
            case Throttled(retry_after_s=retry_after_s):
                self._slow_down(channel, retry_after_s, now)
        if good is False:
            self._judged_at = float("-inf")
            self._reading = None

    def reported(self, receipt: Receipt, dlr: DeliveryReceipt) -> None:
        """Note the final word of a carrier on a message that stood as submitted."""
        if receipt.submitted_at is None:
            return
        now, wall_s, sent_s = self._clock.monotonic(), self._clock.now().timestamp(), receipt.submitted_at.timestamp()
        self._own.delays.setdefault(dlr.channel, Spread(at=now)).note(wall_s - sent_s, now)
        recipient = self._numbers.read(receipt.to)
        names = keys(dlr.channel, recipient.country if recipient else "", receipt.category)
        due_s = self.reading().due_s(dlr.channel)
        self._cohorts.heard(names, sent_s, wall_s, due_s, dlr.state, dlr.code, receipt.to)

    def enabled(self, channel: str) -> bool:
        """Whether the operator lets messages go over it."""
        pin = self.pin(channel)
        return pin is None or pin.weight is not None

    def rate(self, channel: str) -> float:
        """What its carrier bears at present, in segments a second over all workers; perhaps infinite."""
        cap, throttled = self.terms[channel].cap or float("inf"), self.standings.get(channel, Throttle)
        return cap if throttled.cut_at is None else min(cap, throttle.rate(throttled, self._clock.monotonic()))

    def score(self, channel: str) -> float:
        """From 0 (send nothing) to 1."""
        return self.reading().score(channel)

    # What carries it between workers.

    @property
    def own(self) -> Sightings:
        """What this worker saw."""
        now = self._clock.monotonic()
        self._fresh.count(self._own, self._cohorts, self._clock.now().timestamp() - now)
        return self._own

    @property
    def pins(self) -> Mapping[str, Pin]:
        """What the operator decided by hand, by channel."""
        return self._pins

    @pins.setter
    def pins(self, pins: Mapping[str, Pin]) -> None:
        self._pins = pins
        self._known.clear()

    def reading(self) -> Reading:
        """What is known now, or was a moment ago."""
        now = self._clock.monotonic()
        if self._reading is None or now - self._reading.now >= READ_EVERY_S or now < self._reading.now:
            self._reading = Reading(list(self.terms), self.own, self.told, self._receipts, now)
            self._known.clear()
        return self._reading

    def look(self) -> None:
        """Decide what has to be decided, once a second and after each fault."""
        now = self._clock.monotonic()
        if now - self._judged_at < JUDGED_EVERY_S:
            return
        self._judged_at = now
        wall_s = self._clock.now().timestamp()
        self._cohorts.fold(self.reading().due_s, wall_s, now)
        if (slot := told_slot(wall_s)) != self._told_slot:
            self._told_slot, self._receipts, self._reading = slot, Receipts(self.own, self.told, now), None
        for change in self._judge.look(self.reading(), self.standings):
            self.decide(change)
        alarm = alarms.alarm(self.reading(), self.terms, {name: self._usable(name) for name in self.terms})
        if alarm != (old := self.standings.get(EVERY, Alarm)):
            why = alarm.reason or "it is over"
            self.decide(Change(EVERY, alarm, old.reason or "none", alarm.reason or "none", why))
        if now - self._forgot_at >= FORGET_EVERY_S:
            self._forgot_at = now
            self.own.forget(now)

    def hear(self, told: Told, stands: Mapping[str, Stands], proposed: Mapping[str, Versioned]) -> None:
        """Take over what the others saw, and what stands of all that was decided, and see what follows from it.

        `proposed` are the decisions of this worker that they had been told.
        """
        self.told, self._reading = told, None
        self._known.clear()
        self.tell(self.standings.settle(proposed, stands))
        self._judged_at = float("-inf")
        self.look()

    def decide(self, change: Change) -> None:
        """Decide for this worker at once, and for all as soon as they can be told."""
        event = None
        if change.new:
            kind = WHAT[type(change.decision)]
            event = ChannelChanged(change.channel, kind, change.old, change.new, change.reason, self._worker)
            self.urgent = True
        self.standings.put(change.channel, change.decision, event)
        self._known.clear()

    def no_permit(self, channel: str) -> None:
        """Another worker probes the channel just now; it is not asked for again at once."""
        self._permits[channel] = self._clock.monotonic() + ASK_AGAIN_S

    def take_probed(self) -> set[str]:
        """The channels whose probe by this worker has ended, and the others know how."""
        probed, self._probed = self._probed, set()
        return probed

    def tell(self, news: Iterable[ChannelChanged]) -> None:
        """Tell what was decided."""
        for event in news:
            self._telemetry.emit(event)

    def pin(self, channel: str) -> Pin | None:
        """What the operator decided by hand, while it holds."""
        pin = self._pins.get(channel)
        return pin if pin is not None and pin.holds(self._clock.now()) else None

    def weight(self, channel: str) -> float:
        """What automation, or the operator, makes of its weight before health, latency and load count."""
        pin = self.pin(channel)
        if pin is not None:
            return pin.weight or 0.0
        weight = self.terms[channel].profile.weight * breaker.ramp(self._breaker(channel), self._clock.monotonic())
        return weight * COLLAPSED_WEIGHT if self.standings.get(channel, Collapse).since is not None else weight

    def load(self, channel: str) -> float:
        """The part of its rate that is in use, 0 to 1 or a little more."""
        return self.reading().used_rate(channel) / self.rate(channel)

    def _usable(self, channel: str) -> float:
        """The share of a channel that messages may go over."""
        pin, cap = self.pin(channel), self.terms[channel].cap
        if pin is None and self._breaker(channel).state is not State.CLOSED:
            return 0.0
        return float(self.enabled(channel)) * (min(1.0, self.rate(channel) / cap) if cap else 1.0)

    def _candidate(self, message: Message, channel: ports.Channel) -> Candidate | None:
        name = channel.profile.name
        self._own.ready[name] = ready = channel.ready
        if not ready:
            return None
        kind = name, message.recipient.country, message.category
        if (candidate := self._known.get(kind)) is None:
            candidate = self._standing(*kind, channel.profile.cost)
            if candidate is None:
                return None
            if not candidate.probe and not candidate.wait_s:
                self._known[kind] = candidate
        return candidate._replace(load=load) if (load := channel.load) > max(candidate.load, HALF_FULL) else candidate

    def _standing(self, name: str, country: str, category: str, cost: float) -> Candidate | None:
        """A channel that is ready, with the load on its rate, if it may be used."""
        now, pin, reading = self._clock.monotonic(), self.pin(name), self.reading()
        wait_s = throttle.pause_s(self.standings.get(name, Throttle), now)
        if wait_s > PAUSE_S or not self.enabled(name):
            return None
        if pin is not None:
            return Candidate(name, self.weight(name), 1.0, self.load(name), cost=cost, wait_s=wait_s)
        state = self._breaker(name).state
        if state is State.OPEN or (state is State.HALF_OPEN and now < self._permits.get(name, now)):
            return None
        health, latency_s = reading.score(name, country, category), reading.latency_s(name)
        probe = state is State.HALF_OPEN
        return Candidate(name, self.weight(name), health, self.load(name), latency_s, cost, probe, wait_s)

    def _give_up(self, channel: str, now: float) -> None:
        old = self._breaker(channel)
        if old.state is not State.OPEN:
            new = breaker.opened(old, FATAL, now, self._rng, fatal=True)
            self.decide(Change(channel, new, old.state, new.state, FATAL))

    def _slow_down(self, channel: str, retry_after_s: float, now: float) -> None:
        old = self.standings.get(channel, Throttle)
        cap = self.terms[channel].cap or max(UNCAPPED, self.reading().used_rate(channel))
        new = throttle.cut(old, cap, retry_after_s, now)
        if new.cut_at == old.cut_at:
            return self.decide(Change(channel, new))
        was = "full rate" if old.cut_at is None else f"{throttle.rate(old, now):.0f}/s"
        self.decide(Change(channel, new, was, f"{new.rate:.0f}/s", TOO_FAST))

    def _breaker(self, channel: str) -> Breaker:
        return self.standings.get(channel, Breaker)
