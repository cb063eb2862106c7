"""What Redis forgot is read again from the message store, number by number, before a number is granted again.

Redis forgets when it is wiped, when it restarts (up to a second of writes) and when a replica takes over. Its memory
therefore has a name, the epoch (`epoch.lua`), which every claim names too; under another name nothing is granted.
A new epoch begins with a pause, until every lease of the old one has ended and the recorder has caught up. Then
all opt-outs are put back, for they matter for ever, and each number's history is restored when it is first asked for,
for as long as it could matter; so are the counts that belong to no single number.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from adapters.coalesce import Coalescer
from adapters.ending import end
from adapters.outage import Outage
from adapters.redis.kept import facts
from adapters.redis.scripts import Call, load
from adapters.redis.slot import Slot, entry, logs
from adapters.redis.wide_counts import EPOCH, MICROSECOND
from adapters.redis.wide_recall import WideRecall
from engine.events import MemoryLost
from engine.limits import charges_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from adapters.redis.connection import Connection
    from adapters.redis.opt_outs import RedisOptOuts
    from engine.limits import Charge, Rule
    from engine.ports import Clock, MessageStore, Telemetry
    from engine.receipts import Receipt

KEPT_S = 24 * 3600  #: a repeat of a job comes within a day (`record.lua`); longer if a window is
LOOK_EVERY_S = 5.0  #: for a new memory; claims notice it at once, but there may be none
MAX_NUMBERS = 200  #: restored with one question to the message store

ADVANCE = load("clock", "record", "merge", "advance")
RESTORE = load("clock", "logs", "restore")


class Epoch(NamedTuple):
    """One memory of Redis."""

    name: bytes = b""
    cold_until: float = 0.0  #: monotonic seconds; before, a number's history has to be restored first


class NoRecall:
    """Knows the epoch, and that nothing is to be restored."""

    cold = False

    def __init__(self, redis: Connection) -> None:
        self.epoch = Epoch()
        self._redis = redis

    async def learn(self, refused: Epoch) -> None:
        """Find out the epoch that came after one that is no more."""
        if self.epoch == refused:
            name, _ = (await self._redis.epoch()).value
            self.epoch = Epoch(name)

    async def restore(self, recipient: str) -> None:
        """Nothing ever asks for it."""

    async def restore_wide(self, epoch: Epoch, charges: Iterable[Charge]) -> None:
        """Nothing ever asks for it."""


class Recall:
    """Knows the epoch, and restores what belongs into it."""

    def __init__(
        self,
        redis: Connection,
        prefix: str,
        store: MessageStore,
        opt_outs: RedisOptOuts,
        rules: Sequence[Rule],
        clock: Clock,
        telemetry: Telemetry,
        *,
        pause_s: float,
        caught_up: Callable[[], Awaitable[None]],
    ) -> None:
        """`pause_s` is the longest lease; `caught_up` waits until the store has whatever was published."""
        self.epoch = Epoch()
        self._redis = redis
        self._prefix = prefix
        self._store = store
        self._opt_outs = opt_outs
        self._rules = tuple(rules)
        self._clock = clock
        self._telemetry = telemetry
        self._pause_s = pause_s
        self._caught_up = caught_up
        longest_s = max((window.seconds for rule in rules for window in rule.windows), default=0)
        self._kept_s = max(KEPT_S, longest_s)
        self._learning = asyncio.Lock()
        self._first = f"{prefix}:first-epoch"
        self._wide = WideRecall(redis, prefix, store)
        self._recorded = f"{prefix}:recorded-epoch"  #: whoever starts later need not wait again
        self._numbers = Coalescer(self._restore, max_batch=MAX_NUMBERS)
        self.outage = Outage("redis memory", clock, telemetry)
        self._watching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start to watch; Redis may be away as yet."""
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Watch no more."""
        if self._watching is not None:
            await end([self._watching])

    @property
    def known(self) -> bool:
        """Whether anything can be granted: not while it is being found out what Redis remembers."""
        return bool(self.epoch.name) and not self._learning.locked()

    @property
    def cold(self) -> bool:
        """Whether a number's history has to be restored before it is granted."""
        return self._clock.monotonic() < self.epoch.cold_until

    async def learn(self, refused: Epoch) -> None:
        """Find out the epoch that came after one that is no more, and wait until it may be granted in."""
        async with self._learning:
            if self.epoch == refused:
                self.epoch = await self._begin(refused)

    async def restore(self, recipient: str) -> None:
        """Put a number's history back."""
        await self._numbers.ask(recipient)

    async def restore_wide(self, epoch: Epoch, charges: Iterable[Charge]) -> None:
        """See that the counts are known that these charges go to beside those of their number."""
        granting_since = EPOCH + timedelta(microseconds=_began_us(epoch.name), seconds=self._pause_s)
        for charge in charges:
            if not charge.per_recipient:
                await self._wide.put_back(charge.rule, epoch.name, granting_since)

    async def _watch(self) -> None:
        while True:
            try:
                epoch = self.epoch
                name, _ = (await self._redis.epoch()).value
                if name != epoch.name:
                    await self.learn(epoch)
                self.outage.over()
                await asyncio.sleep(LOOK_EVERY_S)
            except Exception as error:  # noqa: BLE001  (nobody would start us again)
                await self.outage.wait(error)

    async def _begin(self, refused: Epoch) -> Epoch:
        epoch, first = await self._new(refused)
        await self._opt_outs.put_back(epoch.name, lost=not first)
        return epoch

    async def _new(self, refused: Epoch) -> tuple[Epoch, bool]:
        """The epoch, once its numbers can be restored, and whether it is the first of an installation."""
        (name, now_us), asked_at = await self._redis.epoch()
        age_s = (int(now_us) - _began_us(name)) / 1_000_000
        if age_s >= self._kept_s:
            return Epoch(name), False
        lost = bool(refused.name)
        if not lost and await self._is_first(name, EPOCH + _began_us(name) * MICROSECOND):
            return Epoch(name), True
        if lost:
            self._telemetry.emit(MemoryLost("redis"))
        await asyncio.sleep(max(0.0, self._pause_s - age_s))
        if (await self._redis.ask(Call(("GET", self._recorded)))).value != name:
            await self._caught_up()
            await self._redis.ask(Call(("SET", self._recorded, name)))
        return Epoch(name, asked_at - age_s + self._kept_s), False

    async def _is_first(self, name: bytes, since: datetime) -> bool:
        """Whether it is the first memory of an installation, so that there is nothing to restore."""
        if (await self._redis.ask(Call(("GET", self._first)))).value == name:
            return True
        if await self._store.any_before(since):
            return False
        await self._redis.ask(Call(("SET", self._first, name)))
        return True

    async def _restore(self, recipients: Sequence[str]) -> Sequence[None]:
        since = self._clock.now() - timedelta(seconds=self._kept_s)
        name = self.epoch.name
        histories: dict[str, list[Receipt]] = {recipient: [] for recipient in recipients}
        for receipt in await self._store.history(recipients, since):
            histories[receipt.to].append(receipt)
        await asyncio.gather(
            *(self._redis.ask(c) for number, history in histories.items() for c in self._put(number, history))
        )
        # Only now: a number whose history is half there must not be granted.
        life_s = self._kept_s
        await asyncio.gather(
            *(self._redis.ask(Call(("SET", Slot(self._prefix, n).restored, name, "EX", life_s))) for n in recipients)
        )
        return [None] * len(recipients)

    def _charges(self, receipt: Receipt) -> tuple[Charge, ...]:
        r = receipt
        return charges_to(self._rules, r.category, r.account, r.signature, r.template)

    def _put(self, recipient: str, history: Sequence[Receipt]) -> Iterator[Call]:
        slot = Slot(self._prefix, recipient)
        entries: dict[Charge, bytes] = defaultdict(bytes)
        for receipt in history:
            yield ADVANCE([slot.record(receipt.job)], facts(receipt))
            if receipt.taken:  # where a worker was lost nobody knows when it was submitted
                at_us = ((receipt.submitted_at or receipt.at) - EPOCH) // MICROSECOND
                for charge in self._charges(receipt):
                    if charge.per_recipient:
                        entries[charge] += entry(receipt.job, at_us)
        for charge, found in entries.items():
            yield RESTORE([slot.logs], [logs((charge,)), found])


def _began_us(epoch: bytes) -> int:
    """When it began, by Redis's clock (`epoch.lua`)."""
    return int(epoch.split()[2])
