"""One Redis as the parts of this adapter see it: scripts in pipelines, and patience while it is away."""

from __future__ import annotations

import asyncio
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import (
    ClusterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from adapters.coalesce import Coalescer
from adapters.ending import end
from adapters.outage import NotPreparedError, Outage
from adapters.redis.drift import MAX_LEAP_S, Drift
from adapters.redis.pipeline import connections, exchange
from adapters.redis.scripts import Call, load

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from adapters.redis.scripts import Word
    from engine.ports import Clock, Telemetry

MAX_BATCH = 200  #: scripts in one pipeline, a few milliseconds of Redis's time
MAX_BATCHES = 2  #: one is worked on by Redis while we read the other's replies
TIMEOUT_S = 2.0  #: of one connect, one question or one pipeline
PROBE_S = 2.0  #: between looks at an idle Redis
NEVER_US = 2**53  #: the year 2255, the last exact in a Lua number

EPOCH = load("epoch")

#: uvloop raises RuntimeError where something is written to a connection that has just been reset
_FAILURES = (RedisError, OSError, RuntimeError)
_PASSING = (OutOfMemoryError, ReadOnlyError, ClusterDownError, TryAgainError)
_PASSING_CODES = ("MISCONF", "NOREPLICAS", "BUSY ")


class Reply(NamedTuple):
    """What Redis answered, and the monotonic time just before it was asked, the last time if more than once."""

    value: Any
    asked_at: float


class Connection:
    """Every call either answers or is still waiting for Redis; one may be run more than once, so scripts allow for it.

    Use as `async with`, or `open` and `close`. `outage.away` tells whether Redis answered when last asked.
    """

    def __init__(self, url: str, clock: Clock, telemetry: Telemetry, prefix: str = "sms") -> None:
        self.outage = Outage("redis", clock, telemetry)
        self.clock_outage = Outage("redis clock", clock, telemetry)
        self.epoch_key = f"{prefix}:memory"  #: another than that of workers whose logs (`logs.lua`) ours could not read
        self._drift = Drift()
        self._clock = clock
        self._pool = connections(url, TIMEOUT_S)
        self._calls = Coalescer(self._answer, max_batch=MAX_BATCH, max_batches=MAX_BATCHES)
        self._probe: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")
        self._refused: set[object] = set()  #: batches of which Redis answered that it cannot take something now
        self._closing = False

    async def open(self) -> None:
        """Start to watch Redis; it may be away as yet."""
        self._probe = asyncio.get_running_loop().create_task(self._watch())

    async def close(self) -> None:
        """Answer what was asked, or fail it where Redis is away, and disconnect."""
        self._closing = True
        if self._probe is not None:
            await end([self._probe])
        await self._calls.idle()
        await self._pool.aclose()

    async def __aenter__(self) -> Connection:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def ask(self, call: Call) -> Coroutine[Any, Any, Reply]:
        """What Redis answers to one call."""
        return self._calls.ask(call)

    async def epoch(self) -> Reply:
        """The name of Redis's memory (`epoch.lua`) and its time in microseconds, as a list."""
        return await self.ask(Call(self._new_epoch()))

    def latest_us(self) -> int:
        """A time that Redis's clock cannot show before a call made now is answered, unless it leapt; microseconds."""
        expected_s = self._drift.expected_s(self._clock.monotonic())
        return round((expected_s + TIMEOUT_S + MAX_LEAP_S) * 1_000_000) if expected_s is not None else NEVER_US

    async def wait_for_clock(self) -> None:
        """Look at Redis's clock, and wait while it is ahead of where it should be."""
        await self._look()
        while self._drift.ahead:
            await self.clock_outage.wait(
                NotPreparedError(
                    f"Redis's clock leapt {self._drift.leap_s:.0f} s ahead, and limits would end too early:"
                    " set it right, or restart the workers to take it as it is."
                )
            )
            await self._look()
        self.clock_outage.over()

    async def _answer(self, calls: Sequence[Call]) -> Sequence[Reply | BaseException]:
        answers: list[Reply | BaseException | None] = [None] * len(calls)
        batch = object()
        try:
            while unanswered := [i for i, answer in enumerate(answers) if answer is None]:
                asked = [calls[i] for i in unanswered]
                asked_at = self._clock.monotonic()
                try:
                    values = await self._send(asked)
                except _FAILURES as error:
                    trouble: Exception | None = error
                else:
                    trouble = None
                    for i, value in zip(unanswered, values, strict=True):
                        if not isinstance(value, Exception):
                            answers[i] = Reply(value, asked_at)
                        elif _is_passing(value):
                            trouble = trouble or value
                        elif not isinstance(value, NoScriptError):
                            answers[i] = value
                if trouble is None:
                    self._refused.discard(batch)
                    self._answered()
                    continue
                if _is_passing(trouble):
                    self._refused.add(batch)
                if isinstance(trouble, ReadOnlyError):  # a demoted master: the new one is found by connecting anew
                    await self._pool.disconnect(inuse_connections=False)
                await self._wait(trouble)
        finally:
            self._refused.discard(batch)
        return [answer for answer in answers if answer is not None]

    async def _send(self, calls: Sequence[Call]) -> list[Any]:
        values = await exchange(self._pool, [call.words for call in calls], TIMEOUT_S)
        # Where a script is unknown Redis may have been started anew, or a replica took over: then its memory gets a
        # new name before anything can be granted under the old one.
        unknown = [call.script for call, value in zip(calls, values, strict=True) if isinstance(value, NoScriptError)]
        if unknown:
            await self._tell(self._new_epoch())
        for text in {script.text for script in unknown if script}:
            await self._tell(("SCRIPT", "LOAD", text))
        return values

    async def _tell(self, command: tuple[Word, ...]) -> Any:
        """What Redis answers to one command, at once."""
        (reply,) = await exchange(self._pool, [command], TIMEOUT_S)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _new_epoch(self) -> tuple[Word, ...]:
        return "EVAL", EPOCH.text, 1, self.epoch_key, token_hex(8)

    async def _wait(self, error: Exception) -> None:
        if self._closing:
            raise ConnectionError("Redis was away when it was to be closed")
        await self.outage.wait(error)

    def _answered(self) -> None:
        # A Redis that takes no writes still answers reads and pings: not over as long as it refuses anything.
        if not self._refused:
            self.outage.over()

    async def _watch(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(PROBE_S)

    async def _look(self) -> None:
        wanted_at = self._clock.monotonic()
        async with self._looking:  # every job in hand may want to know at the same time
            while self._looked_at < wanted_at:
                asked_at = self._clock.monotonic()
                try:
                    seconds, microseconds = map(int, await self._tell(("TIME",)))
                except _FAILURES as error:
                    await self._wait(error)
                else:
                    self._drift.observe(seconds + microseconds / 1_000_000, asked_at, self._clock.monotonic())
                    self._looked_at = asked_at
                    self._answered()


def _is_passing(value: object) -> bool:
    """Whether an error reply is about the server's state and not about what was asked."""
    return isinstance(value, _PASSING) or (isinstance(value, ResponseError) and str(value).startswith(_PASSING_CODES))
