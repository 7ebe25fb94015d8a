"""Durations: named distributions as quantile tables of integers."""

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workload.draws import KNOTS, draws, quantiles
from workload.durations import (
    GRAIN_NS,
    SECOND_NS,
    Duration,
    constant,
    duration_from,
    empirical,
    exponential,
    lognormal,
)

seconds = st.floats(0, 1e6)


def drawn_s(duration: Duration, count: int = 400_000) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What an engine draws, in seconds."""
    chances = draws(3, np.arange(count, dtype=np.int64), 0, 0, 3)
    return quantiles(duration.table(), chances) / SECOND_NS


@pytest.mark.parametrize("mean", [0.001, 1.0, 30.0, 3600.0])
def test_an_exponential_has_exactly_its_mean(mean: float) -> None:
    """Within a millionth, although a table has an end."""
    assert exponential(mean).mean_s == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize(("median", "p95"), [(45, 180), (120, 600), (1, 30), (1, 1.1)])
def test_a_lognormal_has_exactly_its_mean(median: float, p95: float) -> None:
    """median x exp(sigma^2 / 2), within a millionth."""
    sigma = math.log(p95 / median) / NormalDist().inv_cdf(0.95)
    mean = median * math.exp(sigma**2 / 2)
    assert lognormal(median, p95).mean_s == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("p", [0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
def test_quantiles_of_the_tables_are_those_of_the_distributions(p: float) -> None:
    """Within a thousandth from the 1st to the 99th percentile."""
    at = p * (KNOTS - 1)
    normal = NormalDist().inv_cdf(p)
    sigma = math.log(4) / NormalDist().inv_cdf(0.95)
    expected = {
        exponential(30): -30 * math.log1p(-p),
        lognormal(45, 180): 45 * math.exp(sigma * normal),
    }
    for duration, value in expected.items():
        table = duration.table() / SECOND_NS
        assert np.interp(at, np.arange(KNOTS), table) == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("duration", [exponential(30), lognormal(45, 180), Duration((1, 2, 9))])
def test_what_is_drawn_has_the_mean_of_the_duration(duration: Duration) -> None:
    """Mean of 400,000 draws within 4 standard errors."""
    drawn = drawn_s(duration)
    assert abs(drawn.mean() - duration.mean_s) < 4 * drawn.std() / math.sqrt(len(drawn))


def test_the_median_and_p95_that_were_asked_for_are_drawn() -> None:
    """45 s and 180 s, each within 1 %, of 400,000 draws."""
    drawn = drawn_s(lognormal(45, 180))
    assert np.quantile(drawn, [0.5, 0.95]) == pytest.approx([45, 180], rel=0.01)


@given(seconds)
def test_a_constant_is_always_the_same(value: float) -> None:
    """Every knot is it."""
    table = constant(value).table()
    assert set(table.tolist()) == {round(value * SECOND_NS / GRAIN_NS) * GRAIN_NS}
    assert constant(value).mean_s == value


@given(st.lists(seconds, min_size=1, max_size=KNOTS))
def test_an_empirical_distribution_keeps_the_range_and_median_of_its_samples(
    samples: list[float],
) -> None:
    """Sorted samples are the knots."""
    duration = empirical(samples)
    assert (duration.knots_s[0], duration.knots_s[-1]) == (min(samples), max(samples))
    assert duration.knots_s[KNOTS // 2] == pytest.approx(float(np.median(samples)))


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=40), st.floats(0, 4))
def test_a_table_ascends_from_first_to_last_knot_times_the_factor(
    knots: list[float], factor: float
) -> None:
    """KNOTS values, whole grains, scaled."""
    table = Duration(tuple(sorted(knots))).table(factor)
    assert len(table) == KNOTS
    assert (np.diff(table) >= 0).all()
    assert (table % GRAIN_NS == 0).all()
    assert abs(table[0] - min(knots) * factor * SECOND_NS) <= GRAIN_NS
    assert abs(table[-1] - max(knots) * factor * SECOND_NS) <= GRAIN_NS


@pytest.mark.parametrize("knots", [(), (-1.0,), (math.nan,), (math.inf,), (2.0, 1.0)])
def test_impossible_knots_are_refused(knots: tuple[float, ...]) -> None:
    """Finite, not negative, ascending, at least one."""
    with pytest.raises(ValueError, match=r"durations are finite|must ascend"):
        Duration(knots)


@pytest.mark.parametrize("duration", [constant(1e9), exponential(100_000), Duration((0, 2e8))])
def test_a_duration_that_64_bits_can_not_interpolate_is_refused(duration: Duration) -> None:
    """It would overflow without a word in a compiled engine."""
    with pytest.raises(ValueError, match="give a shorter one"):
        duration.table()


@given(st.one_of(st.integers(0, 10**6), seconds))
def test_a_number_in_toml_is_a_constant(value: float) -> None:
    """Seconds."""
    assert duration_from(value) == constant(value)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_a_list_in_toml_is_its_knots(knots: list[float]) -> None:
    """Evenly spaced in probability."""
    assert duration_from(sorted(knots)) == Duration(tuple(sorted(knots)))


@settings(max_examples=25)
@given(st.floats(1e-3, 100), st.floats(1.01, 10))
def test_tables_in_toml_name_lognormal_and_exponential(scale: float, ratio: float) -> None:
    """{ median_s, p95_s } and { mean_s }."""
    named = duration_from({"median_s": scale, "p95_s": scale * ratio})
    assert named == lognormal(scale, scale * ratio)
    assert duration_from({"mean_s": scale}) == exponential(scale)


@pytest.mark.parametrize(
    "value",
    [
        "30",
        True,
        [],
        [True],
        ["1"],
        {},
        {"mean_s": "1"},
        {"mean_s": 0},
        {"mean_s": math.inf},
        {"median_s": 5, "p95_s": 5},
        {"median_s": 5},
        {"mean_s": 1, "p95_s": 2},
        math.nan,
        math.inf,
        None,
    ],
)
def test_anything_else_in_toml_is_answered_with_the_forms_there_are(value: object) -> None:
    """The remedy shows all four."""
    with pytest.raises(ValueError, match=r"write seconds .*median_s.*mean_s"):
        duration_from(value)


def test_a_negative_number_in_toml_is_refused() -> None:
    """Nobody pauses backwards."""
    with pytest.raises(ValueError, match="not negative"):
        duration_from(-1)
