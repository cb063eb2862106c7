"""A running service: its parts, the order in which they start, and how they come to rest."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from adapters.bootstrap import channels as ways
from adapters.bootstrap import http_carrier
from adapters.bootstrap.backends import embedded, on_servers
from adapters.bootstrap.listening import listening
from adapters.carriers.smpp.channel import SmppChannel
from adapters.clock import SystemClock
from adapters.http.jobs import Jobs
from adapters.http.probes import Probes
from adapters.numbers import PhoneNumbers
from adapters.operators import PrefixTable
from adapters.telemetry.channel_metrics import ChannelMetrics
from adapters.telemetry.fanout import Fanout
from adapters.telemetry.logs import Logs
from adapters.telemetry.metrics import Metrics
from config import policy
from config.operators import operators
from engine.assign_inbound import AssignInbound
from engine.correlation import Correlation
from engine.deliver import Deliver
from engine.inbound import InboundMessage
from engine.overdue import Overdue
from engine.overview import alarmed, overview
from engine.receipts import DeliveryReceipt, LateAnswer, Receipt
from engine.record_receipt import RecordReceipt
from engine.recorder import Recorder
from engine.relink import Relink
from engine.resolve import Resolve
from engine.stager import Stager
from engine.submit import Submit
from engine.take_inbound import TakeInbound
from engine.take_late import TakeLateAnswer
from engine.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from aiohttp import web

    from adapters.bootstrap.backends import Backends
    from adapters.bootstrap.seat import Seat
    from adapters.outage import Outage
    from config.settings import Settings
    from engine import ports
    from engine.evidence import Evidence


LOOKS = 10  #: half a second for a delivery receipt that came before the answer to its submit


class Role(StrEnum):
    """What a worker process does; every process also serves its health and metrics."""

    DELIVER = "deliver"  #: takes jobs and submits them
    RECORD = "record"  #: moves receipts into Postgres, and out of it far-off jobs when due, and what Redis forgot
    API = "api"  #: takes jobs and carriers' delivery receipts over HTTP


@dataclass(frozen=True, slots=True)
class Service:
    """Everything a process runs, open and ready to work."""

    backends: Backends
    channels: ways.Channels
    health: ports.HealthBoard
    worker: Worker
    recorder: Recorder[Receipt]
    inbound: Recorder[InboundMessage]
    keeper: Recorder[Evidence]  #: of delivery receipts that became no receipt
    overdue: Overdue
    stager: Stager
    relink: Relink
    roles: Collection[Role]
    drain_timeout_s: float
    url: str  #: where it answers over HTTP

    async def work(self, stop: asyncio.Event) -> None:
        """Deliver and record until told to stop; then finish what is under way, and give the rest back.

        What is not finished within `drain_timeout_s` is broken off; nothing is lost by that, for unfinished jobs and
        receipts are still in their queues.
        """
        async with asyncio.TaskGroup() as group:
            delivering = group.create_task(self.worker.run()) if Role.DELIVER in self.roles else None
            assigning = group.create_task(self.inbound.run()) if Role.RECORD in self.roles else None
            recording = group.create_task(self.recorder.run()) if Role.RECORD in self.roles else None
            keeping = group.create_task(self.keeper.run()) if Role.RECORD in self.roles else None
            endless = (self._keep_partitions, self.stager.run, self.relink.run, self.overdue.run)
            beside = [group.create_task(run()) for run in endless if Role.RECORD in self.roles]
            await stop.wait()
            for task in beside:
                task.cancel()
            until = asyncio.get_running_loop().time() + self.drain_timeout_s
            self.backends.queue.close_intake()
            await _ended(delivering, until)
            self.backends.feed.close_intake()
            self.backends.inbound_feed.close_intake()
            self.backends.evidence.close_intake()
            await _ended(recording, until)
            await _ended(keeping, until)
            await _ended(assigning, until)

    async def _keep_partitions(self) -> None:
        await self.backends.keep_partitions()


async def _ended(task: asyncio.Task[None] | None, until: float) -> None:
    """Wait for a task, and break it off at that time of the loop."""
    if task:
        await asyncio.wait([task], timeout=max(0.0, until - asyncio.get_running_loop().time()))
        task.cancel()


@asynccontextmanager
async def service(
    settings: Settings,
    stop: asyncio.Event,
    *listeners: ports.Telemetry,
    roles: Collection[Role] = tuple(Role),
    seat: Seat | None = None,
) -> AsyncIterator[Service]:
    """Put a service together and open it; it is not ready any more once `stop` is set. Closed in reverse order.

    `seat` is that of one of several processes, which share the work and the port.

    Raises:
        ConfigError: the settings do not make a service, or its address cannot be had.
    """
    clock, metrics = SystemClock(), Metrics()
    telemetry = Fanout(Logs(), metrics, *listeners)
    async with AsyncExitStack() as stack:
        if settings.embedded:
            backends = await stack.enter_async_context(embedded(clock))
        else:
            prefetch = policy.prefetch(settings) if Role.DELIVER in roles else {}
            standing = on_servers(settings, prefetch, clock, telemetry, record=Role.RECORD in roles)
            backends = await stack.enter_async_context(standing)
        numbers = PhoneNumbers(settings.default_region)
        health = await stack.enter_async_context(backends.board(ways.terms(settings), numbers, clock, telemetry))
        channels = ways.build(settings, backends.rate_cap, clock, telemetry)
        metrics.watch(channels.values(), health, backends.outages)
        metrics.registry.register(ChannelMetrics(partial(overview, health), partial(alarmed, health)))
        correlation = Correlation(backends.correlator)
        record_receipt = RecordReceipt(
            correlation=correlation,
            ledger=backends.ledger,
            store=backends.store,
            publisher=backends.publisher,
            log=backends.log,
            clock=clock,
            telemetry=telemetry,
            health=health,
            looks=LOOKS,
        )
        how = policy.policy(settings)
        keywords = policy.inbound_keywords(settings)
        take_inbound = TakeInbound(backends.inbound_intake, backends.opt_outs, numbers, keywords)

        take_late = TakeLateAnswer(correlation, backends.ledger, backends.publisher, record_receipt, clock, telemetry)

        async def tell(news: DeliveryReceipt | InboundMessage | LateAnswer) -> None:
            match news:
                case DeliveryReceipt():
                    await record_receipt(news)
                case InboundMessage():
                    await take_inbound(news)
                case LateAnswer():
                    await take_late(news)

        worker = Worker(
            queue=backends.queue,
            deliver=Deliver(
                queue=backends.queue,
                schedule=backends.schedule,
                ledger=backends.ledger,
                submit=Submit(channels, health, clock, telemetry, may_wait=policy.may_wait(settings)),
                resolve=Resolve(backends.ledger, channels, clock, telemetry, how),
                correlation=correlation,
                publisher=backends.publisher,
                record_receipt=record_receipt,
                numbers=numbers,
                operators=PrefixTable(operators(settings)),
                clock=clock,
                telemetry=telemetry,
                directory=policy.directory(settings),
                rules=policy.rules(settings),
                policy=how,
            ),
            telemetry=telemetry,
            clock=clock,
            concurrency=policy.concurrency(settings),
        )
        parts: dict[str, Outage | Callable[[], bool]] = {**backends.outages, **backends.ready}
        parts["taking work"] = lambda: not stop.is_set()
        api = _api(settings, backends, channels, clock) if Role.API in roles else []
        url = await stack.enter_async_context(listening(settings, Probes(parts, metrics.registry), api, seat))
        for channel in channels.values():
            if isinstance(channel, SmppChannel) and Role.DELIVER not in roles:
                continue  # carriers count the binds of an account
            await channel.open(tell)
            stack.push_async_callback(channel.close)
        yield Service(
            backends=backends,
            channels=channels,
            health=health,
            worker=worker,
            recorder=Recorder("receipts", backends.feed, backends.record, clock, telemetry),
            inbound=Recorder(
                "inbound",
                backends.inbound_feed,
                AssignInbound(
                    messages=backends.store,
                    store=backends.replies,
                    opt_outs=backends.opt_outs,
                    publisher=backends.reply_publisher,
                    caught_up=backends.caught_up,
                    numbers=numbers,
                    clock=clock,
                    telemetry=telemetry,
                    keywords=keywords,
                    otherwise=settings.inbound.account,
                ),
                clock,
                telemetry,
            ),
            keeper=Recorder("delivery_receipts", backends.evidence, backends.store.keep, clock, telemetry),
            overdue=Overdue(backends.store, backends.ledger, backends.publisher, clock, telemetry),
            stager=Stager(backends.schedule, backends.intake, clock, telemetry),
            relink=Relink(
                backends.correlator, correlation, backends.store, record_receipt, clock, backends.evidence_kept
            ),
            roles=roles,
            drain_timeout_s=settings.drain_timeout_s,
            url=url,
        )


def _api(settings: Settings, backends: Backends, channels: ways.Channels, clock: ports.Clock) -> list[web.RouteDef]:
    token = settings.api_token.get_secret_value() if settings.api_token else None
    jobs = Jobs(backends.intake, backends.store, policy.directory(settings), clock, token)
    return [*jobs.routes(), *http_carrier.webhooks(settings, channels, os.environ).routes()]
