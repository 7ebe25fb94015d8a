"""The generator's page for Prometheus: what visitors saw, while they are still at it."""

import argparse
import socket
import urllib.request
from typing import Any

import numpy as np
import pytest

from loadtests.figures import Figures, Tally
from loadtests.live import BOUNDS_S, LivePage, check_address, serve
from loadtests.options import add_options, page_from
from workload.errors import InputError
from workload.history import NAMES, Observation
from workload.telemetry import parse_exposition
from workload.visit import Outcome

STEPS = ("open_site", "register")


def attempt(step: int, outcome: Outcome, milliseconds: float) -> Observation:
    """Intended at 5 ms, sent 3 ms later, ended so long after it was intended."""
    begun, ended = 8_000_000, 5_000_000 + round(milliseconds * 1e6)
    return Observation(1, step, 1, 0, 5_000_000, begun, ended, outcome, 200, 0)


def table(*rows: Observation) -> Any:
    return np.array([[getattr(row, name) for name in NAMES] for row in rows], dtype=np.int64)


@pytest.fixture
def page() -> LivePage:
    page = LivePage(STEPS)
    page.take_rows(table(attempt(0, Outcome.ACCEPTED, 3), attempt(1, Outcome.ACCEPTED, 30)))
    page.take_rows(table(attempt(1, Outcome.OVERLOADED, 4), attempt(1, Outcome.ACCEPTED, 250)))
    return page


def read(page: LivePage) -> dict[str, float]:
    """Serve the page on a free port, and read it as Prometheus does."""
    server, _ = serve(page, ("127.0.0.1", 0))
    try:
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return parse_exposition(answer.read().decode())
    finally:
        server.shutdown()
        server.server_close()


def test_attempts_are_counted_by_step_and_outcome(page: LivePage) -> None:
    """Outcomes that nobody had yet are 0 from the start, so that a first one is an increase."""
    found = read(page)
    name = "surge_visitor_attempts_total"
    assert found[f'{name}{{outcome="accepted",step="register"}}'] == 2
    assert found[f'{name}{{outcome="overloaded",step="register"}}'] == 1
    assert found[f'{name}{{outcome="reset",step="open_site"}}'] == 0


def test_latency_counts_from_the_intended_start_and_failures_have_none(page: LivePage) -> None:
    """A fast 503 does not make a step look fast; an answer on a bound belongs to it."""
    found = read(page)
    bucket = 'surge_visitor_seconds_bucket{le="%s",step="register"}'
    assert [found[bucket % le] for le in ("0.02", "0.05", "0.1", "0.25", "+Inf")] == [0, 1, 1, 2, 2]
    assert found['surge_visitor_seconds_sum{step="register"}'] == pytest.approx(0.28)


def test_the_generators_own_series_keep_their_names(page: LivePage) -> None:
    """What the run directory records under a name, Prometheus shows under it."""
    figures = Figures()
    figures.tallies[0] = Tally(
        worker=0, arrived=10, expected=40, ended=4, attempts=25, failures=1, connects=3,
        mailbox_failures=0, lag=[0] * 3 + [25] + [0] * 12, lag_sum_s=0.02, worst_lag_s=0.001,
        cpu_s=0.5, window_cpu_s=0.0, wakeups=100, involuntary=7, due=12,
    )  # fmt: skip
    page.take_samples(figures.samples())
    found = read(page)
    assert {name: found[name] for name in figures.samples()} == figures.samples()
    assert found["surge_generator_due_total"] == 12


def test_the_usual_bounds_of_objectives_are_bucket_bounds() -> None:
    """A share below a bound that is no bucket's could only be guessed."""
    assert {0.1, 0.25, 0.5, 0.8, 1.0, 5.0} <= set(BOUNDS_S)


def test_no_page_unless_it_is_asked_for() -> None:
    """By option; on this machine only, unless another address is named."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    assert page_from(parser.parse_args([])) is None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    asked = parser.parse_args(["--metrics-port", str(port)])
    assert page_from(asked) == ("127.0.0.1", port)


def test_a_taken_port_is_named_before_anything_runs() -> None:
    """With its number and the remedy; a number that is none as well."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"{port}.*choose a free port"):
            check_address(("127.0.0.1", port))
    with pytest.raises(InputError, match="70000"):
        check_address(("127.0.0.1", 70_000))
