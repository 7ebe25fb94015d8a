"""Arrival curves: a rate, its integral, and who comes when."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import kstest, poisson

from workload.arrivals import (
    ArrivalCurve,
    Arrivals,
    Burst,
    Constant,
    Daily,
    Part,
    Ramp,
    peak_minute,
    total_curve,
)
from workload.scenario import load_scenario

PARTS: tuple[Part, ...] = (
    Constant(3.0, start_s=100.0, end_s=900.0),
    Ramp(1.0, 9.0, start_s=0.0, end_s=1000.0),
    Burst(500.0, decay_s=60.0, start_s=50.0),
    Daily(3600.0, swing=0.6, busiest_h=12.0, opens_h=19.0),
)
MIXED = total_curve(PARTS, 1000.0)


def prakerja() -> ArrivalCurve:
    return load_scenario("prakerja-2020").curve


def same(one: Arrivals, other: Arrivals) -> bool:
    return np.array_equal(one.index, other.index) and np.array_equal(one.at_ns, other.at_ns)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("t0", "t1"), [(0.0, 1000.0), (30.0, 70.0), (99.0, 101.0), (880.0, 950)])
def test_expected_is_the_integral_of_the_rate(part: Part, t0: float, t1: float) -> None:
    """Every part's closed form against numerical quadrature, within 1e-6 of it."""
    curve = total_curve([part, Constant(0.5)], 1000.0)
    edges = [t for t in (50.0, 100.0, 900.0) if t0 < t < t1]
    area, _ = quad(lambda t: float(curve.rate(t)), t0, t1, points=edges or None, epsabs=1e-9)
    assert float(curve.expected(t0, t1)) == pytest.approx(area, rel=1e-6)


@given(st.floats(-100, 1100), st.floats(0, 500), st.floats(0, 500))
def test_expected_counts_add_up(start: float, first: float, second: float) -> None:
    """[a, b) and [b, c) together are [a, c); nothing is expected outside the curve."""
    middle, end = start + first, start + first + second
    parts = MIXED.expected(start, middle) + MIXED.expected(middle, end)
    assert float(parts) == pytest.approx(float(MIXED.expected(start, end)), abs=1e-6)
    assert float(MIXED.expected(-50.0, 0.0)) == float(MIXED.expected(1000.0, 2000.0)) == 0.0
    assert float(MIXED.rate(-0.1)) == float(MIXED.rate(1000.0)) == 0.0


@given(st.floats(1, 1e6))
def test_a_curve_is_rescaled_to_its_population(population: float) -> None:
    """All of it, and every rate in the same proportion."""
    curve = replace(MIXED, population=population)
    assert float(curve.expected(0, 1000.0)) == pytest.approx(population, rel=1e-9)
    ratio = float(curve.rate(75.0)) / float(MIXED.rate(75.0))
    assert ratio == pytest.approx(population / MIXED.population, rel=1e-9)


def test_arrivals_are_poisson_in_every_cell() -> None:
    """Counts of 50 cells of equal length, each inside its 99.99 % Poisson interval."""
    curve = replace(MIXED, population=50_000.0)
    at_s = curve.arrivals(11).at_ns / 1e9
    edges = np.linspace(0, 1000, 51)
    counts, _ = np.histogram(at_s, edges)
    means = curve.expected(edges[:-1], edges[1:])
    assert (counts >= poisson.ppf(0.00005, means)).all()
    assert (counts <= poisson.ppf(0.99995, means)).all()


def test_counts_vary_as_poisson_counts_do() -> None:
    """Variance over 400 seeds equals the mean, within 4 standard errors of a variance."""
    curve = ArrivalCurve((Constant(1.0),), 100.0, 100.0)
    counts = np.array([len(curve.arrivals(seed)) for seed in range(400)])
    assert abs(counts.mean() - 100) < 4 * math.sqrt(100 / 400)
    assert abs(counts.var() - 100) < 4 * 100 * math.sqrt(2 / 400)


def test_gaps_of_a_constant_rate_are_exponential() -> None:
    """Kolmogorov-Smirnov on 20,000 gaps, p above 0.001 (fixed seed)."""
    at_s = ArrivalCurve((Constant(1.0),), 20_000.0, 20_000.0).arrivals(2).at_ns / 1e9
    assert kstest(np.diff(at_s), "expon").pvalue > 0.001


@given(seed=st.integers(0, 2**63 - 1), deterministic=st.booleans())
def test_arrivals_ascend_in_whole_microseconds_inside_the_curve(
    seed: int, *, deterministic: bool
) -> None:
    """Visitor i is the i-th to come; nobody comes after the end."""
    curve = ArrivalCurve((Ramp(0.0, 20.0, 0.0, 33.3333),), 33.3333, 300.0, deterministic)
    arrivals = curve.arrivals(seed)
    assert np.array_equal(arrivals.index, np.arange(len(arrivals)))
    assert (np.diff(arrivals.at_ns) >= 0).all()
    assert (arrivals.at_ns % 1000 == 0).all()
    assert arrivals.at_ns[0] >= 0
    assert arrivals.at_ns[-1] < 33.3333e9


def test_the_deterministic_twin_comes_at_each_half_integer_of_area() -> None:
    """No luck: the seed changes nothing, and the n-th comes when n - 1/2 are expected."""
    curve = replace(MIXED, deterministic=True, population=4000.0)
    arrivals = curve.arrivals(1)
    assert same(arrivals, curve.arrivals(2))
    assert len(arrivals) == 4000
    area = curve.expected(0.0, arrivals.at_ns / 1e9)
    # a cell is 1000 s / 4096 wide, in which the rate counts as constant
    assert np.abs(area - (np.arange(4000) + 0.5)).max() < 0.2


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_workers_cover_everybody_exactly_once(workers: int) -> None:
    """The slices of n workers, put together, are the whole."""
    whole = MIXED.arrivals(3)
    slices = [whole.slice(worker, workers) for worker in range(workers)]
    everybody = np.sort(np.concatenate([part.index for part in slices]))
    assert np.array_equal(everybody, whole.index)
    for part in slices:
        assert np.array_equal(part.at_ns, whole.at_ns[part.index])


def test_a_window_is_what_lies_in_it() -> None:
    """From start, which belongs to it, to end, which does not; instants unchanged."""
    whole = MIXED.arrivals(3)
    window = whole.window(100.0, 200.0)
    inside = (whole.at_ns >= 100 * 10**9) & (whole.at_ns < 200 * 10**9)
    assert same(window, Arrivals(whole.index[inside], whole.at_ns[inside]))
    parts = [whole.window(at, at + 250) for at in (0, 250, 500, 750)]
    assert sum(len(part) for part in parts) == len(whole)


def test_thinning_keeps_a_share_of_the_people_and_changes_nobody() -> None:
    """Each by an own draw: a larger share keeps all of a smaller one; instants unchanged."""
    whole = replace(MIXED, population=40_000.0).arrivals(3)
    tenth, half = whole.thin(3, 0.1), whole.thin(3, 0.5)
    assert abs(len(tenth) - 0.1 * len(whole)) < 4 * math.sqrt(0.09 * len(whole))
    assert set(tenth.index.tolist()) < set(half.index.tolist())
    assert np.array_equal(tenth.at_ns, whole.at_ns[tenth.index])
    assert same(whole.thin(3, 1.0), whole)
    assert len(whole.thin(3, 0.0)) == 0


def test_speed_divides_arrivals_and_changes_nobody() -> None:
    """Rounded down to a microsecond; order kept."""
    whole = MIXED.arrivals(3)
    faster = whole.faster(4.0)
    assert np.array_equal(faster.index, whole.index)
    assert np.array_equal(faster.at_ns, whole.at_ns // 1000 // 4 * 1000)
    assert same(whole.faster(1.0), whole)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """This pins a SHA-256 of 2,000 people on a ramp: another digest changes every history."""
    curve = ArrivalCurve((Ramp(1.0, 3.0, 0.0, 1000.0),), 1000.0, 2000.0)
    arrivals = curve.arrivals(20200411)
    digest = hashlib.sha256(arrivals.at_ns.astype("<i8").tobytes()).hexdigest()
    assert digest == "3e869d21b8c84097edca6e21dbd4c82e7b7eedf23187d858e3a673cac8409d47"
    assert not np.array_equal(arrivals.at_ns[:100], curve.arrivals(1).at_ns[:100])


def test_millions_in_one_second_do_not_overflow() -> None:
    """Two million in two seconds: ascending, inside, half of them in the first second."""
    sharp = ArrivalCurve((Constant(1.0, 0.0, 2.0),), 5000.0, 2e6).arrivals(1)
    assert (np.diff(sharp.at_ns) >= 0).all()
    assert sharp.at_ns[0] >= 0
    assert sharp.at_ns[-1] <= 2e9
    first = len(sharp.window(0.0, 1.0))
    assert abs(first - 1e6) < 4 * math.sqrt(1e6)


@pytest.mark.parametrize(
    ("parts", "duration_s", "population", "said"),
    [
        ((Constant(1.0),), 0.0, 1.0, "a duration and a population above 0"),
        ((Constant(1.0),), 10.0, -5.0, "a duration and a population above 0"),
        ((Constant(1.0),), 10.0, math.nan, "a duration and a population above 0"),
        ((Constant(1.0, start_s=20.0),), 10.0, 1.0, "add up to nobody"),
        ((), 10.0, 1.0, "add up to nobody"),
    ],
)
def test_a_curve_without_people_is_refused(
    parts: tuple[Part, ...], duration_s: float, population: float, said: str
) -> None:
    """The message says what is missing."""
    with pytest.raises(ValueError, match=said):
        ArrivalCurve(parts, duration_s, population)


def test_prakerja_meets_the_published_counts() -> None:
    """1,432,133 at 21 h within 0.1 %; 3.73 million at 65 h."""
    curve = prakerja()
    assert float(curve.expected(0, 21 * 3600)) == pytest.approx(1_432_133, rel=1e-3)
    assert float(curve.expected(0, 65 * 3600)) == pytest.approx(3_730_000, rel=1e-9)


def test_prakerja_opens_with_its_peak_minute() -> None:
    """80,000 within 2 %, in the first minute."""
    start, people = peak_minute(prakerja())
    assert start == 0.0
    assert people == pytest.approx(80_000, rel=0.02)


def test_prakerja_passes_2_95_million_about_50_hours_after_opening() -> None:
    """The reading two_snapshots: 50 h, give or take two."""
    curve = prakerja()
    assert float(curve.expected(0, 48 * 3600)) < 2_950_000 < float(curve.expected(0, 52 * 3600))


def test_prakerja_has_day_and_night() -> None:
    """The hour from noon brings at least twice as many as the hour from midnight."""
    curve = prakerja()
    noon, midnight = (41 * 3600, 29 * 3600)  # hours after 19:00: 12:00 and 00:00
    day, night = curve.expected(noon, noon + 3600), curve.expected(midnight, midnight + 3600)
    assert float(day) > 2 * float(night)


def test_the_nation_arrives_within_its_poisson_interval() -> None:
    """3.73 million people, drawn: the total and the first minute inside 99.99 %."""
    arrivals = prakerja().arrivals(20200411)
    first = len(arrivals.window(0.0, 60.0))
    for count, mean in ((len(arrivals), 3_730_000), (first, 80_000)):
        assert poisson.ppf(0.00005, mean) < count < poisson.ppf(0.99995, mean)
