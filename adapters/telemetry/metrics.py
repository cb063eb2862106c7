"""What Prometheus is told. Labels come from configuration and from fixed lists; never from a message."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    ProcessCollector,
    disable_created_metrics,
)

from adapters.telemetry.tallies import Counts, Distribution
from engine import events
from engine.outcomes import Accepted, ChannelFault, Outcome, Refused, Throttled, Unanswered
from engine.receipts import NotSent, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from engine.events import Event
    from engine.ports import Channel, HealthBoard
    from engine.receipts import DeliveryReceipt, Receipt

OUTCOMES: Mapping[type[Outcome], str] = {
    Accepted: "accepted",
    Refused: "refused",
    ChannelFault: "fault",
    Throttled: "throttled",
    Unanswered: "unanswered",
}
SUBMIT_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
AGE_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)


class Metrics:
    """Counts the engine's events in a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the number of series and say little
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._submits = self._counts("sms_submits", "Submits to carriers", "channel", "category", "outcome")
        self._segments = self._counts("sms_segments", "Segments that carriers accepted", "channel", "category")
        self._receipts = self._counts("sms_receipts", "Receipts published", "state", "category")
        self._limited = self._counter("sms_limited", "Jobs a limit did not admit", "code")
        self._deferrals = self._counter("sms_deferrals", "Jobs put back to wait", "why")
        self._dlrs = self._counter(
            "sms_delivery_receipts", "Delivery receipts from carriers", "channel", "matched", "rule"
        )
        self._inbound = self._counter("sms_inbound", "Messages people wrote to us", "channel", "answers", "wish")
        self._asked = self._counter("sms_queries", "Carriers asked about unknown outcomes", "channel", "answer")
        self._late = self._counter("sms_late_answers", "Submits answered after their time", "channel", "outcome")
        self._bind_ends = self._counter("sms_bind_ends", "Binds to carriers that ended", "channel", "mode")
        self._binds = Gauge("sms_binds", "Binds to carriers that are up", ["channel", "mode"], registry=self.registry)
        self._changes = self._counter("sms_channel_changes", "Decisions that move traffic", "channel", "what")
        self._repeats = self._counter("sms_repeats", "Receipts published again")
        self._crashes = self._counter("sms_crashes", "Jobs whose handling raised an unexpected error")
        self._stale = self._counter("sms_stale_results", "Results that came after their lease had gone to another")
        self._recorded = self._counter("sms_recorded", "Receipts stored by the recorder", "kind")
        self._dead = self._counter("sms_dead_lettered", "Messages put aside whole")
        self._submit_s = Distribution(
            "sms_submit_seconds", "From submit to answer", SUBMIT_BUCKETS_S, "channel", self.registry
        )
        self._age_s = Distribution(
            "sms_receipt_age_seconds", "From enqueue to submitted", AGE_BUCKETS_S, "category", self.registry
        )
        self._scheduled = Gauge("sms_scheduled_jobs", "Jobs that wait for a time far off", registry=self.registry)
        self._up = Gauge("sms_server_up", "Whether a server answers", ["server"], registry=self.registry)
        self._health = Gauge("sms_channel_health", "From 0, sick, to 1", ["channel"], registry=self.registry)
        self._load = Gauge("sms_channel_load", "From 0, idle, to 1, full", ["channel"], registry=self.registry)

    def watch(self, channels: Iterable[Channel], health: HealthBoard, servers: Iterable[str]) -> None:
        """Show the health and load of channels, and servers as up until the contrary is told."""
        for channel in channels:
            name = channel.profile.name
            self._health.labels(name).set_function(partial(health.score, name))
            self._load.labels(name).set_function(partial(_load, channel))
        for server in servers:
            self._up.labels(server).set(1)

    def emit(self, event: Event) -> None:
        """Count an event."""
        match event:
            case events.Submitted(_, channel, category, outcome, segments, latency_s):
                self._submits.add(channel, category, OUTCOMES[type(outcome)])
                self._submit_s.note(channel, latency_s)
                if isinstance(outcome, Accepted):
                    self._segments.add(channel, category, count=segments)
            case events.ChannelChanged(channel, what):
                self._changes(channel, what).inc()
            case events.Reported(_, _, repeated=True):
                self._repeats().inc()
            case events.Reported(receipt, age_s):
                self._count_receipt(receipt, age_s)
            case events.Deferred(_, _, why):
                self._deferrals(why).inc()
            case events.Scheduled(jobs):
                self._scheduled.set(jobs)
            case events.DeliveryReceiptSeen(channel, _, matched, rule):
                self._dlrs(channel, "yes" if matched else "no", rule or "none").inc()
            case events.InboundAssigned(_, channel, job, wish):
                self._inbound(channel, "none" if job is None else "job", wish.value if wish else "none").inc()
            case events.Asked(_, channel, answer):
                self._asked(channel, _said(answer)).inc()
            case events.BindUp(channel, mode):
                self._binds.labels(channel, mode).inc()
            case events.BindDown(channel, mode, _, _, float()):
                self._binds.labels(channel, mode).dec()
                self._bind_ends(channel, mode).inc()
            case events.AnsweredLate(_, channel, outcome):
                self._late(channel, OUTCOMES[type(outcome)]).inc()
            case events.Recorded(kind, receipts):
                self._recorded(kind).inc(receipts)
            case events.Crashed():
                self._crashes().inc()
            case events.StaleResult():
                self._stale().inc()
            case events.DeadLettered():
                self._dead().inc()
            case events.ServerAway(server):
                self._up.labels(server).set(0)
            case events.ServerBack(server):
                self._up.labels(server).set(1)

    def _count_receipt(self, receipt: Receipt, age_s: float) -> None:
        self._receipts.add(receipt.state, receipt.category)
        if receipt.state is State.SUBMITTED:
            self._age_s.note(receipt.category, age_s)
        elif receipt.state is State.REJECTED and receipt.code and receipt.code.startswith("LIMIT_"):
            self._limited(receipt.code).inc()

    def _counter(self, name: str, text: str, *labels: str) -> Callable[..., Counter]:
        counter = Counter(name, text, labels, registry=self.registry)
        return cache(counter.labels) if labels else lambda: counter

    def _counts(self, name: str, text: str, *labels: str) -> Counts:
        return Counts(name, text, labels, self.registry)


def _said(answer: DeliveryReceipt | NotSent | None) -> str:
    if answer is None:
        return "nothing"
    return "not_sent" if isinstance(answer, NotSent) else answer.state.value


def _load(channel: Channel) -> float:
    return channel.load
