"""What is counted for every message: as `prometheus_client` counts, at a fifth of its cost."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client import CollectorRegistry


class Counts(Collector):
    """A counter, by the values of its labels."""

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._counts: defaultdict[tuple[str, ...], float] = defaultdict(float)
        registry.register(self)

    def add(self, *labels: str, count: float = 1.0) -> None:
        """Count something."""
        self._counts[labels] += count

    def collect(self) -> Iterator[CounterMetricFamily]:
        """As Prometheus is told."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, count in self._counts.items():
            family.add_metric(labels, count)
        yield family


class Distribution(Collector):
    """A histogram, by the value of its one label."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], label: str, registry: CollectorRegistry) -> None:
        """`bounds` are the highest values of the buckets, ascending; a last one takes what is above."""
        self._name, self._text, self._label = name, text, label
        self._bounds = bounds
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(bounds) + 1))
        self._sums: defaultdict[str, float] = defaultdict(float)
        registry.register(self)

    def note(self, label: str, value: float) -> None:
        """Count a value."""
        self._buckets[label][bisect_left(self._bounds, value)] += 1
        self._sums[label] += value

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """As Prometheus is told."""
        family = HistogramMetricFamily(self._name, self._text, labels=[self._label])
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for label, buckets in self._buckets.items():
            family.add_metric([label], list(zip(names, accumulate(buckets), strict=True)), self._sums[label])
        yield family
