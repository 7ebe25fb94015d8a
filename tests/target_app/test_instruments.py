"""Instruments on pages: exact, cheap, and the sum over all processes."""

from __future__ import annotations

import itertools
import os

import pytest
from prometheus_client.parser import text_string_to_metric_families

from target_app.instruments import PAGE_BYTES, SECONDS, Histogram, Instruments, open_page
from target_app.stations import STATIONS, ServiceInstruments


def read(instruments: Instruments) -> dict[str, float]:
    """The text, parsed as Prometheus would."""
    found = {}
    for family in text_string_to_metric_families(instruments.text().decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def waiting(instruments: Instruments) -> Histogram:
    """A histogram without labels."""
    return instruments.histograms("waiting_seconds", "Waiting.", (), [()])[()]


def test_a_histogram_counts_each_observation_once() -> None:
    instruments = Instruments(open_page())
    histogram = waiting(instruments)
    for value in (0.0, SECONDS[0], SECONDS[0] * 1.01, 1.0, 1e9):
        histogram.record(value)
    told = read(instruments)
    assert told["waiting_seconds_count"] == 5
    assert told["waiting_seconds_bucket{le=+Inf}"] == 5
    assert told["waiting_seconds_bucket{le=60}"] == 4
    assert told["waiting_seconds_bucket{le=5e-05}"] == 2, "a bound belongs to its bucket"
    assert told["waiting_seconds_sum"] == pytest.approx(1e9 + 1 + SECONDS[0] * 2.01)


def test_buckets_are_fine_enough_to_learn_from() -> None:
    ratios = [high / low for low, high in itertools.pairwise(SECONDS)]
    assert len(SECONDS) >= 24
    assert (SECONDS[0], SECONDS[-1]) == (50e-6, pytest.approx(60.0))
    assert max(ratios) <= 1.6


def test_pages_of_several_processes_add_up() -> None:
    descriptors = [os.memfd_create("page") for _ in range(2)]
    for descriptor in descriptors:
        os.truncate(descriptor, PAGE_BYTES)
    pages = [open_page(descriptor) for descriptor in descriptors]
    both = [Instruments(page, pages) for page in pages]
    for times, instruments in enumerate(both, 1):
        counter = instruments.counter("rows_total", "Rows.")
        gauge = instruments.gauge("in_flight", "In flight.")
        for _ in range(times):
            counter.add()
        gauge.put(10.0 * times)
    assert read(both[0]) == read(both[1]) == {"rows_total": 3.0, "in_flight": 30.0}


def test_a_counter_outlives_its_process_and_a_gauge_does_not() -> None:
    page = open_page()
    first = Instruments(page)
    first.counter("rows_total", "Rows.").add(7)
    first.gauge("in_flight", "In flight.").put(3)
    second = Instruments(page)
    second.counter("rows_total", "Rows.").add(1)
    second.gauge("in_flight", "In flight.")
    assert read(second) == {"rows_total": 8.0, "in_flight": 0.0}


def test_the_gauges_of_a_dead_process_can_be_cleared() -> None:
    page = open_page()
    instruments = Instruments(page)
    instruments.counter("rows_total", "Rows.").add(7)
    instruments.gauge("in_flight", "In flight.").put(3)
    instruments.clear_gauges(page)
    assert read(instruments) == {"rows_total": 7.0, "in_flight": 0.0}


def test_a_page_that_is_full_says_so() -> None:
    instruments = Instruments(open_page())
    with pytest.raises(ValueError, match="PAGE_CELLS"):
        instruments.counters("many_total", "Many.", ("n",), [(str(n),) for n in range(10_000)])


def test_every_station_has_waiting_and_service_from_the_start() -> None:
    instruments = Instruments(open_page())
    ServiceInstruments(instruments, ["register"])
    told = read(instruments)
    for station in STATIONS:
        for measure in ("wait", "service"):
            assert told[f"surge_station_{measure}_seconds_count{{station={station}}}"] == 0.0
