"""Meters of the twins: histograms that cost one bisection, read out only when somebody scrapes."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

# 31 bounds from 50 us to 60 s, each 1.595 times the one before.
BOUNDS: tuple[float, ...] = tuple(float(f"{50e-6 * 1_200_000 ** (k / 30):.6g}") for k in range(31))


class Histogram:
    """Counts of seconds by bucket; an observation equal to a bound belongs to it."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """Pairs of (upper bound, observations up to it), the last bound being +Inf."""
        reached, pairs = 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self.counts, strict=True):
            reached += count
            pairs.append((bound, float(reached)))
        return pairs


class Meters(Collector):
    """What one twin knows about itself.

    `service` is the time that the twin was told to take (latency drawn, bytes paced); `wait` is
    what it took beyond that, from the request's last byte: a twin whose own wait is not small
    beside its service is not to be calibrated against.
    """

    def __init__(self) -> None:
        self.wait = Histogram()
        self.service = Histogram()
        self.statuses: Counter[int] = Counter()
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.counters: dict[str, tuple[str, Callable[[], float]]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def collect(self) -> Iterator[Metric]:
        yield _histogram("surge_twin_wait_seconds", "time added by the twin itself", self.wait)
        yield _histogram("surge_twin_service_seconds", "time it was told to take", self.service)
        requests = CounterMetricFamily(
            "surge_twin_requests", "answers by status", labels=("status",)
        )
        for status, count in sorted(self.statuses.items()):
            requests.add_metric((str(status),), count)
        yield requests
        for name, (text, read) in self.gauges.items():
            yield GaugeMetricFamily(name, text, value=read())
        for name, (text, read) in self.counters.items():
            yield CounterMetricFamily(name, text, value=read())
        yield CounterMetricFamily(
            "process_cpu_seconds", "user and system time", value=time.process_time()
        )

    def text(self) -> bytes:
        """The exposition in Prometheus's text format."""
        return generate_latest(self._registry)


def _histogram(name: str, text: str, recorded: Histogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(
        name, text, buckets=recorded.cumulative(), sum_value=recorded.total
    )
