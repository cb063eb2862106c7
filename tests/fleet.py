"""A fleet of workers and simulated carriers in one process, on a clock that jumps: minutes of traffic run in seconds.

The real submit path, the real boards and the real places run; made up are the carriers, the queue, and the way between
the boards. Each board tells the others what it saw once a second, at its own moment; in between it knows nothing new.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from math import inf
from random import Random
from typing import Any
from uuid import UUID

from adapters.carriers.place import Places
from adapters.memory.rate_cap import MemoryRateCap
from engine import sharing
from engine.board import Board
from engine.claims import Claim, Granted
from engine.events import ChannelChanged, Event
from engine.message import Category, Job, Message, Recipient
from engine.outcomes import Accepted, ChannelFault, Outcome
from engine.receipts import DeliveryReceipt, Receipt, State
from engine.routing import Profile
from engine.sightings import Sightings
from engine.standing import Stands, Versioned
from engine.submit import NotNow, Submit
from engine.terms import Terms

EPOCH = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
RETRY_S, ROUNDS = 5.0, 40


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time goes on only when there is nothing left to do, and then at once."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0.0
        self._heard = self._selector.select  # type: ignore[attr-defined]
        self._selector.select = self._jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.at

    def _jump(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("nothing is left that could happen")
        self.at += timeout
        return self._heard(0)


class VirtualClock:
    """The loop's time; each worker's monotonic clock began at another moment."""

    def __init__(self, offset_s: float = 0.0) -> None:
        self._offset_s = offset_s

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self._offset_s


Behaviour = Callable[[float, Random], tuple[Outcome, float]]
"""At a time: how a submit ends, and after how many seconds."""


def well(latency_s: float = 0.2) -> Behaviour:
    return lambda at, rng: (Accepted("1"), latency_s * rng.uniform(0.7, 1.3))


def faulty(share: float, latency_s: float = 0.2, fault_s: float | None = None) -> Behaviour:
    def behave(at: float, rng: Random) -> tuple[Outcome, float]:
        bad = rng.random() < share
        took_s = fault_s if bad and fault_s is not None else latency_s
        return (ChannelFault("unwell") if bad else Accepted("1")), took_s * rng.uniform(0.7, 1.3)

    return behave


def changing(*phases: tuple[float, Behaviour]) -> Behaviour:
    """Each behaviour from its time on."""

    def behave(at: float, rng: Random) -> tuple[Outcome, float]:
        return next(how for since, how in reversed(phases) if at >= since)(at, rng)

    return behave


@dataclass
class Carrier:
    """One carrier, which all workers use; it knows what it took."""

    name: str
    behave: Behaviour
    rng: Random
    reports: Callable[[float, Random], float | None] = lambda at, rng: None  #: seconds to the delivery receipt
    calls: list[tuple[float, str, int]] = field(default_factory=list)  #: time, outcome, segments
    taken: Counter[UUID] = field(default_factory=Counter)


class FleetChannel:
    """One worker's channel to a carrier."""

    def __init__(self, carrier: Carrier, profile: Profile, places: Places) -> None:
        self.carrier, self.profile, self.places = carrier, profile, places
        self.ready = True

    @property
    def load(self) -> float:
        return self.places.load

    def place(self, message: Message, within_s: float, rate: float = inf) -> AbstractAsyncContextManager[bool]:
        return self.places.place(message, within_s, rate)

    async def submit(self, message: Message) -> Outcome:
        at = asyncio.get_running_loop().time()
        outcome, took_s = self.carrier.behave(at, self.carrier.rng)
        self.carrier.calls.append((at, type(outcome).__name__, message.segments))
        await asyncio.sleep(took_s)
        if isinstance(outcome, Accepted):
            self.carrier.taken[message.job.id] += 1
        return outcome

    async def ask(self, receipt: Receipt) -> None:
        return None

    async def open(self, tell: Any) -> None: ...
    async def close(self) -> None: ...


class Numbers:
    """Every number is Chinese."""

    def read(self, to: str) -> Recipient:
        return Recipient(to, "CN")


class Between:
    """What boards tell each other, kept as a server would: each one's report, and of two decisions the first."""

    def __init__(self) -> None:
        self.reports: dict[int, tuple[float, Sightings]] = {}
        self.decisions: dict[str, tuple[float, int, Versioned]] = {}  #: when, by which worker
        self.permits: dict[str, float] = {}


class FleetBoard(Board):
    """A board of a fleet; it speaks with the others as the one over Redis does."""

    between: Between
    number: int

    async def permit(self, channel: str, for_s: float) -> bool:
        at = asyncio.get_running_loop().time()
        if at < self.between.permits.get(channel, at) or not await super().permit(channel, for_s):
            return False
        self.between.permits[channel] = at + for_s
        return True

    def exchange(self) -> None:
        """Tell and hear, again while there is something urgent; then others may probe."""
        self._tell_and_hear()
        while self.urgent:
            self._tell_and_hear()
        for channel in self.take_probed():
            self.between.permits.pop(channel, None)

    def _tell_and_hear(self) -> None:
        at, own = asyncio.get_running_loop().time(), self._clock.monotonic()
        share = sharing.share(self, own)
        for name, proposed in share.decisions.items():
            stands = self.between.decisions.get(name)
            if (stands[2].version if stands else 0) == proposed.version - 1:
                self.between.decisions[name] = at, self.number, proposed
        self.between.reports[self.number] = at, share.report
        others = [(at - when, report) for n, (when, report) in self.between.reports.items() if n != self.number]
        ours = {n: made.version for n, made in share.decisions.items()}
        stands_now = {
            name: (at - when, Stands(made, by == self.number and ours.get(name) == made.version))
            for name, (when, by, made) in self.between.decisions.items()
        }
        sharing.take(self, own, share, others, stands_now)


@dataclass
class Fleet:
    """Several workers and what became of their messages."""

    behaviours: dict[str, Behaviour]
    seed: int
    workers: int = 8
    rate: float | None = None  #: cap of each channel
    window: int = 50
    category: Category = Category.OTP
    reports: dict[str, Callable[[float, Random], float | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.between = Between()
        self.events: list[tuple[float, ChannelChanged]] = []
        self.carriers = {
            name: Carrier(name, behave, Random(f"{self.seed} {name}"), self.reports.get(name, lambda at, rng: None))
            for name, behave in self.behaviours.items()
        }
        self.profiles = {name: Profile(name, timeout_s=8.0) for name in self.behaviours}
        self.boards: list[FleetBoard] = []
        self.submits: list[Submit] = []
        self.sent: set[UUID] = set()
        self.results: dict[UUID, tuple[Receipt | NotNow, float, int]] = {}  #: with how long it took, and rounds

    def open(self) -> None:
        cap = MemoryRateCap(VirtualClock())
        for number in range(self.workers):
            clock, rng = VirtualClock(1000.0 * number + self.rng.random()), Random(f"{self.seed} {number}")
            terms = [Terms(profile, self.rate) for profile in self.profiles.values()]
            board = FleetBoard(terms, Numbers(), clock, self, rng, f"worker {number}")
            board.between, board.number = self.between, number
            channels = {
                name: FleetChannel(self.carriers[name], profile, Places(name, self.window, self.rate, cap))
                for name, profile in self.profiles.items()
            }
            self.boards.append(board)
            self.submits.append(Submit(channels, board, clock, self, rng))

    def emit(self, event: Event) -> None:
        if isinstance(event, ChannelChanged):
            self.events.append((asyncio.get_running_loop().time(), event))

    async def run(self, seconds: float, per_s: float) -> None:
        """So many messages a second, each to a worker of its own luck; waits until the last has an end."""
        loop = asyncio.get_running_loop()
        if not self.boards:
            self.open()
        exchanging = [asyncio.create_task(self._exchange(board)) for board in self.boards]
        begun_at = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in count():
                due_at = begun_at + number / per_s
                if due_at >= begun_at + seconds:
                    break
                await asyncio.sleep(max(0.0, due_at - loop.time()))
                group.create_task(self._carry(self.rng.choice(self.submits)))
        for task in exchanging:
            task.cancel()
        await asyncio.gather(*exchanging, return_exceptions=True)

    async def _exchange(self, board: FleetBoard) -> None:
        await asyncio.sleep(board.number / self.workers)
        while True:
            board.exchange()
            for _ in range(10):
                await asyncio.sleep(0.1)
                if board.urgent:
                    break

    async def _carry(self, submit: Submit) -> None:
        loop = asyncio.get_running_loop()
        job_id = UUID(int=self.rng.getrandbits(128))
        number = f"+86138{self.rng.randrange(10**8):08}"
        begun_at, now = loop.time(), EPOCH + timedelta(seconds=loop.time())
        message = Message(Job(job_id, number, self.category, now), Recipient(number, "CN"), self.category, "text", 1)
        self.sent.add(job_id)
        for rounds in count(1):
            deadline = submit.clock.monotonic() + 30.0
            result = await submit(message, Granted(Claim(job_id, number, (), 30.0), "token", 1, 0, deadline))
            self.results[job_id] = result, loop.time() - begun_at, rounds
            if not isinstance(result, NotNow) or rounds == ROUNDS:
                break
            await asyncio.sleep(RETRY_S)
            submit = self.rng.choice(self.submits)
        if isinstance(result, Receipt) and result.channel and result.state is State.SUBMITTED:
            delay_s = self.carriers[result.channel].reports(loop.time(), self.rng)
            if delay_s is not None:
                loop.call_later(delay_s, self._report, result, message)

    def _report(self, receipt: Receipt, message: Message) -> None:
        assert receipt.channel is not None
        at = EPOCH + timedelta(seconds=asyncio.get_running_loop().time())
        dlr = DeliveryReceipt(receipt.channel, "1", State.DELIVERED, at)
        self.rng.choice(self.boards).reported(receipt, dlr)

    # What a test asks.

    def calls(self, name: str, since: float = 0.0, until: float = float("inf")) -> list[tuple[float, str, int]]:
        return [call for call in self.carriers[name].calls if since <= call[0] < until]

    def bad(self, since: float = 0.0, until: float = float("inf")) -> int:
        return sum(outcome != "Accepted" for name in self.carriers for _, outcome, _ in self.calls(name, since, until))

    def shares(self, since: float = 0.0, until: float = float("inf")) -> dict[str, float]:
        """By first and further submits alike."""
        counts = {name: len(self.calls(name, since, until)) for name in self.carriers}
        return {name: count / (sum(counts.values()) or 1) for name, count in counts.items()}

    def changes(self, channel: str, what: str) -> list[tuple[float, str]]:
        return [(at, e.new) for at, e in self.events if (e.channel, e.what) == (channel, what)]

    def most_open(self) -> int:
        """How many channels messages did not go over at once, at most."""
        changes = sorted((at, name, new) for name in self.carriers for at, new in self.changes(name, "breaker"))
        left, most = set[str](), 0
        for _, name, new in changes:
            left = left - {name} if new == "closed" else left | {name}
            most = max(most, len(left))
        return most

    @property
    def lost(self) -> int:
        """Messages that no carrier took, or more than once."""
        taken: Counter[UUID] = Counter()
        for carrier in self.carriers.values():
            taken.update(carrier.taken)
        return sum(taken[job] != 1 for job in self.sent)


def simulate(run: Coroutine[Any, Any, None]) -> None:
    """Run it in jumping time."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(run)
