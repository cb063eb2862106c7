"""What a service stands on: three servers, or this process alone."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from adapters.bootstrap.health import own_board, shared_board
from adapters.memory.correlator import MemoryCorrelator
from adapters.memory.job_queue import MemoryJobQueue
from adapters.memory.ledger import MemoryLedger
from adapters.memory.message_store import MemoryMessageStore
from adapters.memory.rate_cap import MemoryRateCap
from adapters.memory.receipts import MemoryReceiptFeed, MemoryReceiptPublisher
from adapters.memory.replies import MemoryOptOuts, MemoryReplyStore
from adapters.memory.schedule import MemorySchedule
from adapters.postgres.replies import PostgresReplyStore
from adapters.postgres.schedule import PostgresSchedule
from adapters.postgres.store import PostgresMessageStore
from adapters.rabbitmq.backlog import emptied
from adapters.rabbitmq.evidence import RabbitEvidenceLog, decode_evidence
from adapters.rabbitmq.inbound import RabbitInboundIntake, RabbitReplyPublisher
from adapters.rabbitmq.intake import RabbitJobIntake
from adapters.rabbitmq.job_queue import RabbitJobQueue
from adapters.rabbitmq.publisher import Publisher
from adapters.rabbitmq.receipt_feed import RabbitReceiptFeed
from adapters.rabbitmq.receipts import RabbitReceiptPublisher
from adapters.rabbitmq.topology import Names
from adapters.rabbitmq.triage import Triage
from adapters.redis.connection import Connection
from adapters.redis.correlator import RedisCorrelator
from adapters.redis.ledger import RedisLedger
from adapters.redis.opt_outs import RedisOptOuts
from adapters.redis.rate_cap import RedisRateCap
from adapters.redis.recall import Recall
from adapters.wire_inbound import decode_inbound
from adapters.wire_receipts import decode_published
from config import policy
from config.servers import urls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from adapters.carriers.place import RateCap
    from adapters.outage import Outage
    from config.settings import Settings
    from engine import inbound_ports, ports
    from engine.board import Board
    from engine.evidence import Evidence
    from engine.inbound import InboundMessage
    from engine.message import Category
    from engine.receipts import Receipt
    from engine.replies import Reply
    from engine.terms import Terms


R_co = TypeVar("R_co", covariant=True)


RECORD_EVERY_S = 0.1  #: receipts: a row costs a third in a batch of hundreds
#: for inbound messages that were taken out of their queue when Postgres was away: it is tried again every 5 s
LAST_TAKEN_S = 6.0


class ClosableFeed(Protocol[R_co]):
    """A receipt feed that can be told to hand out nothing more."""

    async def next_batch(self) -> ports.ReceiptBatch[R_co] | None: ...
    def close_intake(self) -> None: ...


class _Part(Protocol):
    async def open(self) -> None: ...
    async def close(self) -> None: ...


class OpenBoard(Protocol):
    """Opens the board of the channels' health."""

    def __call__(
        self, terms: Sequence[Terms], numbers: ports.NumberReader, clock: ports.Clock, telemetry: ports.Telemetry
    ) -> AbstractAsyncContextManager[Board]: ...


async def nothing() -> None:
    """What has to be done where there is no server."""


@dataclass(frozen=True, slots=True)
class Backends:
    """One implementation of each port that servers, or this process, stand behind."""

    queue: ports.JobQueue
    intake: ports.JobIntake
    schedule: ports.Schedule
    ledger: ports.Ledger
    correlator: ports.Correlator
    rate_cap: RateCap
    publisher: ports.ReceiptPublisher
    feed: ClosableFeed[Any]
    record: Callable[[Sequence[Any]], Awaitable[None]]  #: stores what `feed` hands out
    log: ports.EvidenceLog
    evidence: ClosableFeed[Evidence]
    store: ports.MessageStore
    inbound_intake: inbound_ports.InboundIntake
    inbound_feed: ClosableFeed[InboundMessage]
    replies: inbound_ports.ReplyStore
    reply_publisher: inbound_ports.ReplyPublisher
    opt_outs: inbound_ports.OptOuts
    board: OpenBoard  #: of the channels' health
    caught_up: Callable[[], Awaitable[None]] = nothing  #: waits until the store has whatever receipts were published
    outages: Mapping[str, Outage] = field(default_factory=dict)  #: by the name `/readyz` and metrics give them
    ready: Mapping[str, Callable[[], bool]] = field(default_factory=dict)  #: what else `/readyz` tells
    keep_partitions: Callable[[], Awaitable[None]] = nothing  #: for as long as the recorder works
    evidence_kept: Callable[[], Awaitable[None]] = nothing  #: waits until the store has whatever the log was given


@asynccontextmanager
async def embedded(clock: ports.Clock) -> AsyncIterator[Backends]:
    """Everything in this process; nothing survives it."""
    queue = MemoryJobQueue(clock)
    feed: MemoryReceiptFeed[Receipt] = MemoryReceiptFeed()
    evidence: MemoryReceiptFeed[Evidence] = MemoryReceiptFeed()
    publisher: MemoryReceiptPublisher[Receipt] = MemoryReceiptPublisher()
    publisher.subscribe(feed.put)
    inbound: MemoryReceiptFeed[InboundMessage] = MemoryReceiptFeed()
    reply_publisher: MemoryReceiptPublisher[Reply] = MemoryReceiptPublisher()
    opt_outs, store = MemoryOptOuts(), MemoryMessageStore()
    yield Backends(
        queue=queue,
        intake=queue,
        schedule=MemorySchedule(),
        ledger=MemoryLedger(clock, opt_outs),
        correlator=MemoryCorrelator(clock),
        rate_cap=MemoryRateCap(clock),
        publisher=publisher,
        feed=feed,
        record=store.merge,
        log=evidence,
        evidence=evidence,
        store=store,
        inbound_intake=inbound,
        inbound_feed=inbound,
        replies=MemoryReplyStore(),
        reply_publisher=reply_publisher,
        opt_outs=opt_outs,
        board=own_board,
    )


@asynccontextmanager
async def on_servers(
    settings: Settings,
    prefetch: Mapping[Category, int],
    clock: ports.Clock,
    telemetry: ports.Telemetry,
    *,
    record: bool,
) -> AsyncIterator[Backends]:
    """On RabbitMQ, Redis and Postgres, which need not be there yet.

    Jobs are taken of the categories in `prefetch` (in messages), and receipts where `record` says so.
    """
    amqp_url, redis_url, postgres_url = urls(settings)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(PostgresMessageStore(postgres_url, clock, telemetry))
        redis = await stack.enter_async_context(Connection(redis_url, clock, telemetry, settings.prefix))
        publisher = Publisher(amqp_url, settings.prefix, clock, telemetry)
        names = Names(settings.prefix)
        feed = RabbitReceiptFeed(
            amqp_url,
            settings.prefix,
            names.record,
            decode_published,
            publisher,
            clock,
            telemetry,
            every_s=RECORD_EVERY_S,
        )
        evidence = RabbitReceiptFeed(amqp_url, settings.prefix, names.dlr, decode_evidence, publisher, clock, telemetry)
        inbound = RabbitReceiptFeed(
            amqp_url, settings.prefix, names.arrived, decode_inbound, publisher, clock, telemetry
        )
        queue = RabbitJobQueue(amqp_url, settings.prefix, prefetch, publisher, clock, telemetry)
        triage = Triage(amqp_url, settings.prefix, publisher, clock, telemetry)
        recording: list[_Part] = [feed, evidence, inbound] if record else []
        working: list[_Part] = [publisher, *recording, queue, *([triage] if prefetch else [])]
        for part in working:
            await part.open()
            stack.push_async_callback(part.close)
        replies = PostgresReplyStore(store.database)
        opt_outs = RedisOptOuts(
            redis,
            settings.prefix,
            replies,
            assigned=partial(emptied, amqp_url, settings.prefix, names.arrived, LAST_TAKEN_S),
        )
        caught_up = partial(emptied, amqp_url, settings.prefix, names.record)
        recall = Recall(
            redis,
            settings.prefix,
            store,
            opt_outs,
            policy.rules(settings),
            clock,
            telemetry,
            pause_s=max(seconds for _, seconds in settings.visibility_timeout_s),
            caught_up=caught_up,
        )
        await recall.open()
        stack.push_async_callback(recall.close)
        served = queue, publisher, feed, evidence, inbound, redis, recall, store
        outages = [*(part.outage for part in served), redis.clock_outage]
        yield Backends(
            queue=queue,
            intake=RabbitJobIntake(publisher, settings.prefix),
            schedule=PostgresSchedule(store.database, clock, telemetry),
            ledger=RedisLedger(redis, settings.prefix, recall),
            correlator=RedisCorrelator(redis, settings.prefix, recall),
            rate_cap=RedisRateCap(redis, settings.prefix),
            publisher=RabbitReceiptPublisher(publisher, settings.prefix),
            feed=feed,
            record=store.record,
            log=RabbitEvidenceLog(publisher, settings.prefix),
            evidence=evidence,
            store=store,
            inbound_intake=RabbitInboundIntake(publisher, settings.prefix),
            inbound_feed=inbound,
            replies=replies,
            reply_publisher=RabbitReplyPublisher(publisher, settings.prefix),
            opt_outs=opt_outs,
            board=partial(shared_board, redis, settings.prefix, store.database),
            caught_up=caught_up,
            outages={outage.server: outage for outage in outages},
            ready={"history": lambda: recall.known},
            keep_partitions=store.keep_partitions,
            evidence_kept=partial(emptied, amqp_url, settings.prefix, names.dlr),
        )
