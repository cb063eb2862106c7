"""What Prometheus is told of the channels' health, as all workers together see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.overview import ChannelView

STATES = ("closed", "half_open", "open", "pinned", "disabled")


class ChannelMetrics(Collector):
    """Reads the channels whenever it is asked."""

    def __init__(self, look: Callable[[], Sequence[ChannelView]], alarmed: Callable[[], bool]) -> None:
        self._look = look
        self._alarmed = alarmed

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family for each thing that can be said of a channel."""
        views = self._look()
        state = GaugeMetricFamily("sms_channel_state", "1 for the state it is in", labels=["channel", "state"])
        weight = _family("weight", "Its weight, before health, latency and load count")
        share = _family("share", "Its part of the submits of the last 30 s, 0 to 1")
        used = _family("used_rate", "Segments a second submitted of late, by all workers")
        rate = _family("rate", "Segments a second that it bears at present, by all workers")
        latency = _family("latency_seconds", "What a submit is expected to take")
        receipts = _family("delivered", "The part delivered of the messages whose receipt was due, 0 to 1")
        for view in views:
            for name in STATES:
                state.add_metric([view.name, name], float(view.state == name))
            weight.add_metric([view.name], view.weight)
            share.add_metric([view.name], view.share)
            used.add_metric([view.name], view.used_rate)
            rate.add_metric([view.name], view.rate)
            latency.add_metric([view.name], view.latency_s)
            if view.receipts is not None:
                receipts.add_metric([view.name], view.receipts)
        yield from (state, weight, share, used, rate, latency, receipts)
        yield GaugeMetricFamily("sms_channels_alarm", "1 while something is wrong with all", float(self._alarmed()))


def _family(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"sms_channel_{name}", text, labels=["channel"])
