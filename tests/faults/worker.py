"""`sms-engine worker`, whose adapters keep a journal and may fail at a named point; then the ordinary command runs.

`python -m tests.faults.worker worker` with FAULT_JOURNAL=FILE and, where it shall fail, FAULT_POINT (`failpoints`).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from adapters.carriers.http import HttpChannel
from adapters.cli import main
from adapters.rabbitmq.job_queue import RabbitJobQueue
from adapters.rabbitmq.receipts import RabbitReceiptPublisher
from adapters.redis.ledger import RedisLedger
from engine.claims import Granted
from engine.outcomes import Accepted
from engine.receipts import State
from tests.faults.failpoints import Failpoint, Journal, Point

Method = Callable[..., Awaitable[Any]]


class Faults:
    """Counts the passes of the points, and strikes at the one that was ordered."""

    def __init__(self, failpoint: Failpoint | None, journal: Journal) -> None:
        self._failpoint = failpoint
        self._journal = journal
        self._passes = 0
        self._draining = False

    def install(self) -> None:
        """Wrap what the points lie between."""
        for owner, name, wrapper in (
            (RabbitJobQueue, "take", self._take),
            (RabbitJobQueue, "settle", self._settle),
            (RedisLedger, "begin", self._begin),
            (RedisLedger, "finish", self._finish),
            (RedisLedger, "release", self._release),
            (HttpChannel, "submit", self._submit),
            (RabbitReceiptPublisher, "publish", self._publish),
        ):
            setattr(owner, name, _wrapped(getattr(owner, name), wrapper))
        close_intake = RabbitJobQueue.close_intake

        def drain(queue: RabbitJobQueue) -> None:
            self._draining = True
            close_intake(queue)

        RabbitJobQueue.close_intake = drain  # type: ignore[method-assign]

    def _pass(self, point: Point) -> None:
        if self._failpoint is None or self._failpoint.point is not point:
            return
        self._passes += 1
        if self._passes == self._failpoint.nth:
            self._journal.note("struck", point)
            self._failpoint.strike()

    async def _take(self, take: Method, *args: Any) -> Any:
        delivery = await take(*args)
        if delivery is not None:
            self._pass(Point.TAKEN)
        return delivery

    async def _settle(self, settle: Method, delivery: Any) -> Any:
        self._pass(Point.SETTLING)
        return await settle(delivery)

    async def _begin(self, begin: Method, claim: Any, *args: Any, **named: Any) -> Any:
        self._journal.note("asked", claim.job)  # before: a process may die between Redis's grant and its hearing of it
        verdict = await begin(claim, *args, **named)
        granted = isinstance(verdict, Granted)
        facts = {"fence": verdict.fence} if isinstance(verdict, Granted) else {}
        self._journal.note("begun", claim.job, verdict=type(verdict).__name__, **facts)
        if granted:
            self._pass(Point.GRANTED)
        return verdict

    async def _finish(self, finish: Method, grant: Any, *args: Any) -> Any:
        standing = await finish(grant, *args)
        self._journal.note("finished", grant.claim.job, stale=standing is None)
        self._pass(Point.FINISHED)
        if self._draining:
            self._pass(Point.DRAINING)
        return standing

    async def _release(self, release: Method, grant: Any, *args: Any) -> Any:
        answer = await release(grant, *args)
        self._journal.note("released", grant.claim.job)
        return answer

    async def _submit(self, submit: Method, message: Any) -> Any:
        self._pass(Point.SUBMITTING)
        outcome = await submit(message)
        if isinstance(outcome, Accepted):
            self._pass(Point.ACCEPTED)
        return outcome

    async def _publish(self, publish: Method, receipt: Any) -> Any:
        answer = await publish(receipt)
        if receipt.state is State.SUBMITTED:  # what a carrier reports of an earlier job comes while another is in hand
            self._pass(Point.REPORTED)
        return answer


def _wrapped(method: Method, wrapper: Callable[..., Awaitable[Any]]) -> Method:
    @functools.wraps(method)
    async def call(self: object, *args: Any, **named: Any) -> Any:
        return await wrapper(functools.partial(method, self), *args, **named)

    return call


if __name__ == "__main__":
    Faults(Failpoint.from_environment(), Journal(Path(os.environ["FAULT_JOURNAL"]))).install()
    main()
