"""How do the channels do, as all workers together see it? Each tells the others once a second, and sooner if it must.

What a worker saw is one field of a hash, written over each time, so that a repeated call changes nothing; what was
decided is a field of another, and of two decisions upon the same one the first stands. Both end by themselves. While
Redis is away each worker goes by what it saw itself, and by what it last heard.
"""

from __future__ import annotations

import asyncio
import logging
import math
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import msgspec

from adapters.ending import end
from adapters.redis.scripts import load
from engine import sharing
from engine.board import Board
from engine.breaker import Breaker
from engine.sightings import Sightings
from engine.standing import Stands, Versioned, key, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from adapters.redis.connection import Connection
    from engine.ports import Clock, NumberReader, Telemetry
    from engine.sharing import Share
    from engine.terms import Terms

EVERY_S, SOONEST_S = 1.0, 0.1
ANSWER_S = 1.0  #: for Redis; then the worker goes by what it knows
KEPT_S = 600  #: of a worker that tells nothing any more, and of decisions when there is no worker

HEALTH, PERMIT, RETURN = load("clock", "health"), load("permit"), load("return_permit")

_log = logging.getLogger(__name__)


class RedisHealthBoard(Board):
    """One worker's board, in step with the others'. Use as `async with`, or `open` and `close`."""

    def __init__(
        self,
        redis: Connection,
        prefix: str,
        terms: Iterable[Terms],
        numbers: NumberReader,
        clock: Clock,
        telemetry: Telemetry,
        rng: Random,
    ) -> None:
        worker = f"worker {token_hex(4)}"
        super().__init__(terms, numbers, clock, telemetry, rng, worker)
        self._redis = redis
        self._name, self._by = worker, worker.encode()
        self._reports, self._decisions = f"{prefix}:{{health}}:reports", f"{prefix}:{{health}}:decisions"
        self._permit_key = f"{prefix}:{{health}}:permit:"
        self._encoder = msgspec.json.Encoder()
        self._exchanging: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Hear what stands, if Redis answers, and go on hearing and telling."""
        await self.exchange()
        self._exchanging = asyncio.create_task(self._keep_exchanging())

    async def close(self) -> None:
        """Tell no more."""
        if self._exchanging is not None:
            await end([self._exchanging])

    async def __aenter__(self) -> RedisHealthBoard:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def permit(self, channel: str, for_s: float) -> bool:
        """Whether the one probe of a channel is ours: until it was observed and told, but no longer than so long."""
        if not await super().permit(channel, for_s):
            return False
        name = key(channel, Breaker)
        version = self.standings.version(channel, Breaker)
        call = PERMIT(
            [self._permit_key + channel, self._decisions], [self._name, math.ceil(for_s * 1000), name, version]
        )
        granted = bool(await self._ask(call, else_=1))
        if not granted:
            self.no_permit(channel)
        return granted

    async def exchange(self, *, tell: bool = True) -> None:
        """Tell and hear, again while there is something urgent; then others may probe what was probed here."""
        for _ in range(3):
            if not await self._exchange(tell=tell) or not self.urgent:
                break
        for channel in self.take_probed():
            await self._ask(RETURN([self._permit_key + channel], [self._name]), else_=None)

    async def _keep_exchanging(self) -> None:
        while True:
            for _ in range(round(EVERY_S / SOONEST_S)):
                await asyncio.sleep(SOONEST_S)
                if self.urgent:
                    break
            try:
                await self.exchange()
            except Exception as error:  # noqa: BLE001  (nobody would start us again)
                _log.error("the channels' health could not be shared (%s)", type(error).__name__)
                await asyncio.sleep(EVERY_S)

    async def _exchange(self, *, tell: bool) -> bool:
        share = sharing.share(self, self._clock.monotonic())
        texts = {name: self._encoder.encode(made.decision) for name, made in share.decisions.items()}
        report = self._encoder.encode(share.report) if tell else b""
        words: list[str | bytes | int] = [self._name, report, KEPT_S, len(texts)]
        for name, text in texts.items():
            words += [name, share.decisions[name].version, self._by + b"|" + text]
        answer = await self._ask(HEALTH([self._reports, self._decisions], words), else_=None)
        if answer is None:
            self.tell(self.standings.alone())
            return False
        told, stand = answer
        sharing.take(self, self._clock.monotonic(), share, _reports(told), self._stands(stand, share, texts))
        return True

    def _stands(self, stand: list[list[bytes]], share: Share, texts: Mapping[str, bytes]) -> dict[str, Any]:
        found: dict[str, tuple[float, Stands]] = {}
        for field, version, age_us, text in stand:
            name = field.decode(errors="replace")
            by, _, written = text.partition(b"|")
            if (kind := kind_of(name)) is None:
                continue
            try:
                decision = msgspec.json.decode(written, type=kind)
            except ValueError:  # a worker of another version decided
                continue
            made = share.decisions.get(name)
            ours = made is not None and made.version == int(version) and by == self._by and texts[name] == written
            found[name] = int(age_us) / 1_000_000, Stands(Versioned(int(version), decision), ours)
        return found

    async def _ask(self, call: Any, else_: Any) -> Any:
        """What Redis answers, or the other thing where it does not answer soon."""
        if self._redis.outage.away:
            return else_
        try:
            async with asyncio.timeout(ANSWER_S):
                return (await self._redis.ask(call)).value
        except (TimeoutError, ConnectionError):
            return else_


def _reports(told: list[list[bytes]]) -> list[tuple[float, Sightings]]:
    found = []
    for age_us, text in told:
        try:
            found.append((int(age_us) / 1_000_000, msgspec.json.decode(text, type=Sightings)))
        except ValueError:  # a worker of another version told it
            continue
    return found
