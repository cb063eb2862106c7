"""One installation under fault, and what a row of the matrix does with it (`setup.lab` makes one)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from adapters.rabbitmq.connection import connected, open_channel
from adapters.rabbitmq.producer import Producer, SendError
from adapters.rabbitmq.topology import Names
from engine.message import Category
from tests.faults import records
from tests.faults.checker import Findings, check

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from tests.faults.callback import Callback
    from tests.faults.jobs import Job
    from tests.faults.processes import CarrierProcess, Worker
    from tests.faults.proxy import Proxy
    from tests.faults.servers import Servers

ALL = os.environ.get("SMS_TEST_FAULTS") == "all"  #: rows, and looks that take seconds
SETTLED_S = 90.0  #: bound of a wait; nothing is asserted about the time it takes
CONFIRM_S = 3.0
LOOK_S = 0.1
GIVEN_BACK = 3  #: times that stopped workers may give something back


@dataclass
class Lab:
    """What a row of the matrix works with."""

    seed: int
    servers: Servers
    prefix: str
    carrier: CarrierProcess
    callback: Callback
    workers: list[Worker]
    ways: dict[str, Proxy]  #: to the carrier, by channel
    database_url: str
    folder: Path
    rng: Random = field(init=False)
    confirmed: dict[str, Job] = field(default_factory=dict)
    confirmed_at: dict[str, float] = field(default_factory=dict)
    struck_at: float = 0.0
    over_at: float = 0.0
    redis_url: str = ""  #: of the Redis that took over, if one did
    struck: set[int] = field(default_factory=set)  #: processes that were killed, frozen or stuck

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)

    @property
    def names(self) -> Names:
        return Names(self.prefix)

    async def start(self, *workers: Worker) -> None:
        """Start those (by default all) that are not running, and wait until all are ready."""
        for worker in workers or self.workers:
            if not worker.running:
                worker.start()
        await asyncio.gather(*(worker.ready() for worker in workers or self.workers))

    async def send(self, jobs: Iterable[Job], *, rate: float = 1000.0, most: int = 5, url: str | None = None) -> None:
        """Enqueue jobs, each again until it is confirmed: `rate` jobs a second, in bodies of 1 to `most`."""
        waiting = list(jobs)
        async with Producer(url or self.servers.rabbit.url, prefix=self.prefix, timeout_s=CONFIRM_S) as producer:
            while waiting:
                size = self.rng.randint(1, most)
                chunk, waiting = waiting[:size], waiting[size:]
                started = time.monotonic()
                await self._confirm(producer, chunk)
                await asyncio.sleep(started + len(chunk) / rate - time.monotonic())

    async def _confirm(self, producer: Producer, jobs: Sequence[Job]) -> None:
        unconfirmed = {str(job.id): job for job in jobs}
        while unconfirmed:
            again: set[str] = set()
            try:
                await producer.send_many([job.fields() for job in unconfirmed.values()])
            except SendError as error:
                again = {str(fields["id"]) for fields in error.jobs}
            for job_id in unconfirmed.keys() - again:
                self.note_confirmed(unconfirmed[job_id])
            unconfirmed = {job_id: unconfirmed[job_id] for job_id in again}

    def note_confirmed(self, job: Job) -> None:
        """The broker has this job; from now on it may not be lost."""
        self.confirmed[str(job.id)] = job
        self.confirmed_at[str(job.id)] = time.monotonic()

    @contextlib.contextmanager
    def fault(self, *workers: Worker) -> Iterator[None]:
        """Mark how long a fault lasts; from its end the time to recover is counted."""
        self.strike(*workers)
        yield
        self.over_at = time.monotonic()

    def strike(self, *workers: Worker) -> None:
        """Mark the moment of a fault; what these workers held may be of unknown outcome."""
        self.struck |= {worker.pid for worker in workers}
        self.struck_at = self.over_at = time.monotonic()

    @property
    def recovery_s(self) -> float:
        """From the end of the fault until the last job that was confirmed by then had word: sent, ended or unknown."""
        before = [job for job, at in self.confirmed_at.items() if at <= self.over_at]
        words = [self.callback.arrivals[job][0].at for job in before if self.callback.arrivals.get(job)]
        return max(0.0, max(words, default=0.0) - self.over_at) if self.over_at else 0.0

    async def until(self, holds: Callable[[], bool], what: str, within_s: float = SETTLED_S) -> None:
        """Wait for something; says what it was if it does not come."""
        try:
            async with asyncio.timeout(within_s):
                while not holds():
                    await asyncio.sleep(LOOK_S / 4)
        except TimeoutError:
            raise AssertionError(f"waited {within_s:g} s for {what} (seed {self.seed})") from None

    async def heard_of(self, count: int) -> None:
        """Wait until so many jobs have any receipt, so that a fault meets the middle of the work."""
        await self.until(lambda: len(self.callback.arrivals) >= count, f"receipts of {count} jobs")

    async def accepted(self, count: int) -> None:
        """Wait until the carrier has accepted so many."""
        await self.until(lambda: len(self.carrier_accepts()) >= count, f"{count} accepted submits")

    def calls_under_way(self) -> int:
        """Submits that the carrier has received and not decided on yet."""
        kinds = Counter(line["kind"] for line in self.carrier.lines())
        return kinds["call"] - kinds["accept"]

    def carrier_accepts(self) -> list[str]:
        """The carrier's ids of what it accepted so far."""
        return [line["id"] for line in self.carrier.lines() if line["kind"] == "accept"]

    def states(self, jobs: Iterable[Job] | None = None) -> Counter[str]:
        """How jobs stand, by default all that were confirmed."""
        found = [self.callback.standing(str(job.id)) for job in jobs or self.confirmed.values()]
        return Counter(arrival.receipt["state"] for arrival in found if arrival)

    async def depths(self, names: Collection[str] = ()) -> dict[str, int]:
        """Messages ready in queues, by default in all but that of the callback."""
        async with connected(self.servers.rabbit.url, "depths") as connection:
            channel = await open_channel(connection)
            wanted = names or [name for name in self.names.queues if name != self.names.callback]
            return {name: (await channel.queue_declare(name, passive=True)).message_count or 0 for name in wanted}

    @property
    def worked(self) -> list[str]:
        """The queues that the workers work."""
        return [*map(self.names.of_category, Category), self.names.record]

    async def consumers(self) -> dict[str, int]:
        """Consumers of these queues; a worker may have several of one."""
        async with connected(self.servers.rabbit.url, "consumers") as connection:
            channel = await open_channel(connection)
            return {name: (await channel.queue_declare(name, passive=True)).consumer_count or 0 for name in self.worked}

    async def consuming(self) -> dict[str, int]:
        """How many processes consume each of these queues: each has a channel for it."""
        told = await self.servers.rabbit.order("list_consumers", "queue_name", "channel_pid", "activity_status")
        live = {tuple(line.split("\t")[:2]) for line in told.splitlines() if line.endswith("\tup")}
        queues = Counter(queue for queue, _ in live)
        return {name: queues[name] for name in self.worked}

    async def settled(self, within_s: float = SETTLED_S) -> bool:
        """Wait until every confirmed job has come to rest and the queues are empty; False if that time is up first."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                looks = 0
                while looks < 2:  # a copy of a job that moves from one queue to another is in neither for a moment
                    looks = looks + 1 if await self._at_rest() else 0
                    await asyncio.sleep(LOOK_S)
                return True
        return False

    async def _at_rest(self) -> bool:
        reported = {line["job"] for line in self.carrier.lines() if line["kind"] == "report"}
        for job in self.confirmed:
            standing = self.callback.standing(job)
            if standing is None or standing.rank == 1 or (standing.rank == 2 and job in reported):
                return False
        if await self.carrier.pending():
            return False
        depths = await self.depths()
        if any(depth for name, depth in depths.items() if name != self.names.dead):
            return False
        # What a recorder has taken out of its queue is in no count until it is stored.
        heard = {arrival.receipt["id"] for arrivals in self.callback.arrivals.values() for arrival in arrivals}
        return await records.count_stored(self.database_url) >= len(heard)

    async def judge(
        self, *, dead: int = 0, redis_lost: bool = False, cut: bool = False, consumers: bool = True
    ) -> Findings:
        """Let everything come to rest, stop the workers, and hold the invariants against what is left.

        `dead` messages are expected in the queue of dead letters, which are not told from others here.
        """
        await self.settled()
        wrong = await self._absent_consumers() if consumers else []
        depths: dict[str, int] = {}
        for _ in range(GIVEN_BACK):
            working = [worker for worker in self.workers if worker.running]
            for worker in working:
                code = await worker.stop()
                wrong += [f"worker {worker.name} ended with {code} when it was stopped"] if code else []
            depths = {name: depth for name, depth in (await self.depths()).items() if name != self.names.dead}
            if not any(depths.values()):
                break
            # A copy of a job that a worker had in hand was in no count, and has been given back.
            await self.start(*working)
            await self.settled()
        for worker in self.workers:
            wrong += [f"worker {worker.name} crashed over a job: {crash}" for crash in worker.crashes()]
        left = await self._collect()
        left.depths = depths
        found = (await self.depths([self.names.dead]))[self.names.dead]
        wrong += [f"{found} dead letters, expected {dead}"] if found != dead else []
        struck = {note["pid"] for note in left.journal if note["event"] == "struck"}
        findings = check(left, redis_lost=redis_lost, cut=cut, struck=self.struck | struck)
        findings.wrong += wrong
        return findings

    async def _absent_consumers(self) -> list[str]:
        """I9: every queue that is worked has a consumer of every worker."""
        running = sum(worker.processes for worker in self.workers if worker.running)
        found: dict[str, int] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLED_S):
                while min((found := await self.consumers()).values()) < running:
                    await asyncio.sleep(LOOK_S)
                # A restarted broker may count one of a connection that is gone for a moment.
                while ALL and set((found := await self.consuming()).values()) != {running}:
                    await asyncio.sleep(LOOK_S)
                return []
        return [f"I9: {running} processes run, but the consumers are {found}"]

    async def _collect(self) -> records.Records:
        lines = self.carrier.lines()
        rows, stored, rejected, strays = await records.postgres(self.database_url)
        return records.Records(
            confirmed=self.confirmed,
            calls=records.calls(lines),
            reports=records.reports(lines),
            arrivals=self.callback.arrivals,
            rows=rows,
            stored=stored,
            rejected=rejected,
            charged=await records.redis(self.redis_url or self.servers.redis.url, self.prefix),
            strays=strays,
            journal=records.journal(self.folder / "journal"),
        )
