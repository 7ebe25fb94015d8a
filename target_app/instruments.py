"""Measuring instruments that cost next to nothing: numbers on a page of shared memory.

A page holds doubles. Every process of a service owns one page and every page has the same
layout, because every process asks for the same instruments in the same order. So a scrape is
the sum over the pages, counters outlive the process that counted, and nothing is pushed.
prometheus_client writes the text; its own Histogram walks its buckets in Python and would cost
more than the work it measures.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

PAGE_CELLS = 8192
PAGE_BYTES = PAGE_CELLS * 8
SECONDS = tuple(50e-6 * (60.0 / 50e-6) ** (step / 35) for step in range(36))  # ratio 1.49
ROWS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0, 192.0, 256.0)


def open_page(descriptor: int = -1) -> memoryview[float]:
    """A page of zeros: of the shared file behind `descriptor`, or private to this process."""
    return memoryview(mmap.mmap(descriptor, PAGE_BYTES)).cast("d")


class Counter:
    """A number that only grows."""

    __slots__ = ("cells", "index")

    def __init__(self, cells: memoryview[float], index: int) -> None:
        self.cells = cells
        self.index = index

    def add(self, amount: float = 1.0) -> None:
        """Grow by `amount`."""
        self.cells[self.index] += amount

    @property
    def value(self) -> float:
        """What this process's page says."""
        return float(self.cells[self.index])


class Gauge(Counter):
    """A number that moves both ways; across processes it is the sum of those alive."""

    __slots__ = ()

    def put(self, value: float) -> None:
        """Set it."""
        self.cells[self.index] = value


class Histogram:
    """Counts by bucket, one more for the overflow, and the sum."""

    __slots__ = ("bounds", "cells", "index", "total")

    def __init__(self, cells: memoryview[float], index: int, bounds: Sequence[float]) -> None:
        self.cells = cells
        self.index = index
        self.bounds = bounds
        self.total = index + len(bounds) + 1

    def record(self, value: float, weight: int = 1) -> None:
        """One observation, in the unit of the histogram's name; it may stand for several."""
        self.cells[self.index + bisect_left(self.bounds, value)] += weight
        self.cells[self.total] += value * weight


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    words: str
    kind: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    children: tuple[tuple[tuple[str, ...], int], ...]


class Instruments(Collector):
    """Hands out instruments on one page, and reads all pages when it is collected."""

    def __init__(self, page: memoryview[float], pages: Sequence[memoryview[float]] = ()) -> None:
        self.page = page
        self.pages = list(pages) or [page]
        self.registry = CollectorRegistry(auto_describe=False)
        self._families: list[_Family] = []
        self._next = 0
        self.registry.register(self)

    def _allot(
        self,
        name: str,
        words: str,
        kind: str,
        labels: Sequence[str],
        children: Iterable[Sequence[str]],
        bounds: Sequence[float] = (),
    ) -> dict[tuple[str, ...], int]:
        width = len(bounds) + 2 if bounds else 1
        places: dict[tuple[str, ...], int] = {}
        for child in children:
            places[tuple(child)] = self._next
            self._next += width
        if self._next > PAGE_CELLS:
            raise ValueError(f"{name}: the page of {PAGE_CELLS} cells is full; enlarge PAGE_CELLS")
        self._families.append(
            _Family(name, words, kind, tuple(labels), tuple(bounds), tuple(places.items()))
        )
        return places

    def counters(
        self, name: str, words: str, labels: Sequence[str], children: Iterable[Sequence[str]]
    ) -> dict[tuple[str, ...], Counter]:
        """One counter for each tuple of label values."""
        places = self._allot(name, words, "counter", labels, children)
        return {child: Counter(self.page, index) for child, index in places.items()}

    def counter(self, name: str, words: str) -> Counter:
        """A counter without labels."""
        return self.counters(name, words, (), [()])[()]

    def gauges(
        self, name: str, words: str, labels: Sequence[str], children: Iterable[Sequence[str]]
    ) -> dict[tuple[str, ...], Gauge]:
        """One gauge for each tuple of label values, set to zero."""
        places = self._allot(name, words, "gauge", labels, children)
        gauges = {child: Gauge(self.page, index) for child, index in places.items()}
        for gauge in gauges.values():
            gauge.put(0.0)  # a respawned process takes over the page of the dead one
        return gauges

    def gauge(self, name: str, words: str) -> Gauge:
        """A gauge without labels."""
        return self.gauges(name, words, (), [()])[()]

    def histograms(
        self,
        name: str,
        words: str,
        labels: Sequence[str],
        children: Iterable[Sequence[str]],
        bounds: Sequence[float] = SECONDS,
    ) -> dict[tuple[str, ...], Histogram]:
        """One histogram for each tuple of label values."""
        places = self._allot(name, words, "histogram", labels, children, bounds)
        return {child: Histogram(self.page, index, bounds) for child, index in places.items()}

    def clear_gauges(self, page: memoryview[float]) -> None:
        """Zero the gauges of a page whose process has died."""
        for family in self._families:
            if family.kind == "gauge":
                for _, index in family.children:
                    page[index] = 0.0

    def collect(self) -> Iterator[Metric]:
        """Every family, summed over the pages."""
        for family in self._families:
            yield self._metric(family)

    def _metric(self, family: _Family) -> Metric:
        if family.kind == "histogram":
            return self._histogram_metric(family)
        made: CounterMetricFamily | GaugeMetricFamily
        if family.kind == "counter":
            made = CounterMetricFamily(family.name, family.words, labels=family.labels)
        else:
            made = GaugeMetricFamily(family.name, family.words, labels=family.labels)
        for child, index in family.children:
            made.add_metric(child, sum(page[index] for page in self.pages))
        return made

    def _histogram_metric(self, family: _Family) -> Metric:
        made = HistogramMetricFamily(family.name, family.words, labels=family.labels)
        names = [f"{bound:.6g}" for bound in family.bounds] + ["+Inf"]
        for child, index in family.children:
            running = 0.0
            buckets: list[tuple[str, float]] = []
            for offset, name in enumerate(names):
                running += sum(page[index + offset] for page in self.pages)
                buckets.append((name, running))
            total = sum(page[index + len(names)] for page in self.pages)
            made.add_metric(child, buckets, sum_value=total)
        return made

    def text(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)
