"""Before latency: a model that works otherwise than its service did must not predict."""

import math

import pytest

from simulation.self_check import WAIT_FLOOR_S, Figure, refusals


@pytest.mark.parametrize(
    ("simulated", "measured", "holds"),
    [(109.0, 100.0, True), (91.0, 100.0, True), (111.0, 100.0, False), (89.0, 100.0, False)],
)
def test_a_tenth_of_the_measured_is_let_pass_and_more_is_not(
    simulated: float, measured: float, *, holds: bool
) -> None:
    """Either way."""
    assert Figure("low-1", "loop wake-ups", simulated, measured, 0.0, "/s").holds is holds


def test_a_wait_below_the_floor_is_no_difference_and_one_above_it_is() -> None:
    """5 µs beside 15 µs say nothing about a latency of milliseconds; 0.1 beside 0.5 ms do."""
    assert Figure("low-1", "wait", 5e-6, 15e-6, WAIT_FLOOR_S, "s").holds
    assert not Figure("low-1", "wait", 0.1e-3, 0.5e-3, WAIT_FLOOR_S, "s").holds


def test_what_only_one_of_the_two_did_is_a_difference() -> None:
    """Nothing measured leaves no share to differ by: the error is infinite, and it is refused."""
    figure = Figure("low-1", "loop wake-ups", 10.0, 0.0, 0.0, "/s")
    assert figure.error == math.inf
    assert not figure.holds
    assert Figure("low-1", "loop wake-ups", 0.0, 0.0, 0.0, "/s").holds


def test_a_figure_that_is_no_number_is_refused() -> None:
    """A counter that was not scraped must not pass for agreement."""
    assert not Figure("low-1", "rows in a flush", math.nan, 1.0, 0.0, "rows").holds
    assert not Figure("low-1", "rows in a flush", 1.0, math.nan, 0.0, "rows").holds


def test_a_refusal_names_level_figure_and_signed_difference() -> None:
    """And only those that differ."""
    good = Figure("low-1", "loop wake-ups", 100.0, 100.0, 0.0, "/s")
    bad = Figure("low-2", "database, busy", 0.3, 0.5, 0.01, "share")
    assert refusals([good, bad]) == ["low-2: database, busy differs by -40%"]
