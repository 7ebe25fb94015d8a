"""Histograms: exact to 1 %, merged by addition, nearest rank by upper bounds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.histogram import (
    BOUNDS_NS,
    BUCKETS,
    FIRST_NS,
    INFINITE,
    LAST_NS,
    RATIO,
    Histogram,
    bucket_of,
)

durations = st.integers(0, LAST_NS)
samples = st.lists(durations, min_size=1, max_size=200)


def test_bounds_grow_by_one_percent_from_a_microsecond_to_forty_days() -> None:
    """Never by more, so that a bound is within 1 % of whatever it stands for."""
    assert BOUNDS_NS[0] == FIRST_NS
    assert BOUNDS_NS[-1] >= LAST_NS
    assert (BOUNDS_NS[1:] / BOUNDS_NS[:-1]).max() <= RATIO
    assert len(BOUNDS_NS) == BUCKETS - 1


@given(durations)
def test_a_bucket_holds_durations_up_to_its_bound(duration: int) -> None:
    """bound[k - 1] < duration <= bound[k]."""
    at = bucket_of(duration)
    assert duration <= BOUNDS_NS[at]
    assert at == 0 or duration > BOUNDS_NS[at - 1]


@given(samples, st.floats(0, 1))
def test_a_quantile_is_the_nearest_rank_to_one_percent(values: list[int], p: float) -> None:
    """Against numpy's inverted CDF; never below it, at most 1 % above."""
    exact = float(np.quantile(np.array(values, dtype=float), p, method="inverted_cdf")) / 1e9
    found = Histogram.of(values).quantile(p)
    assert max(exact, FIRST_NS / 1e9) * (1 - 1e-9) <= found <= max(exact * RATIO, FIRST_NS / 1e9)


@pytest.mark.parametrize("p", [0.5, 0.9, 0.99, 0.999])
def test_a_million_latencies_are_within_one_percent_at_every_percentile(p: float) -> None:
    """A lognormal with a long tail, fixed seed."""
    values = np.random.default_rng(1).lognormal(17, 1.5, 1_000_000).astype(np.int64)
    exact = float(np.quantile(values, p)) / 1e9
    assert Histogram.of(values).quantile(p) == pytest.approx(exact, rel=0.01)


@given(samples, samples, st.integers(0, 5))
def test_merging_is_addition(one: list[int], other: list[int], infinite: int) -> None:
    """Two workers' histograms together are that of all; the order does not matter."""
    merged = Histogram.of(one, infinite) + Histogram.of(other)
    assert np.array_equal(merged.counts, Histogram.of([*one, *other], infinite).counts)
    assert np.array_equal(merged.counts, (Histogram.of(other) + Histogram.of(one, infinite)).counts)
    assert merged.total == len(one) + len(other) + infinite


def test_ranks_are_exact_where_floats_are_not() -> None:
    """0.99 of 100 is the 99th, although 0.99 x 100 is not exactly 99; infinite ones count."""
    histogram = Histogram.of([10**9] * 99, infinite=1)
    assert histogram.quantile(0.99) == pytest.approx(1.0, rel=0.01)
    assert histogram.quantile(0.991) == math.inf
    large = Histogram()
    large.counts[[5, INFINITE]] = (990_000_000, 10_000_000)
    assert large.quantile(0.99) < math.inf


def test_an_empty_histogram_knows_nothing() -> None:
    """NaN, never zero."""
    empty = Histogram()
    assert math.isnan(empty.quantile(0.5))
    assert math.isnan(empty.share_within(1.0))
    assert math.isnan(empty.mean_s)
    assert math.isnan(Histogram.of([], infinite=3).mean_s)
    assert Histogram.of([], infinite=3).quantile(0.5) == math.inf


@given(samples, st.integers(0, 3))
def test_the_mean_of_those_that_ended_is_within_one_percent(
    values: list[int], infinite: int
) -> None:
    """By buckets' upper bounds, so never below."""
    mean = float(np.mean(np.maximum(values, FIRST_NS))) / 1e9
    assert mean * (1 - 1e-9) <= Histogram.of(values, infinite).mean_s <= mean * RATIO * (1 + 1e-9)


@given(samples, st.integers(0, 3))
def test_a_share_within_a_bound_is_counted_exactly(values: list[int], infinite: int) -> None:
    """At a bucket's bound; those that never ended are within no limit."""
    bound = int(BOUNDS_NS[1000])
    inside = sum(value <= bound for value in values)
    histogram = Histogram.of(values, infinite)
    total = len(values) + infinite
    assert histogram.share_within(bound / 1e9) == pytest.approx(inside / total)
    assert histogram.share_within(math.inf) == pytest.approx(len(values) / total)


@given(samples, st.integers(0, 3))
def test_the_json_form_reads_back_the_same(values: list[int], infinite: int) -> None:
    """Only buckets that are not empty are written."""
    histogram = Histogram.of(values, infinite)
    sparse = histogram.sparse()
    assert 0 not in sparse.values()
    assert np.array_equal(Histogram.from_sparse(sparse).counts, histogram.counts)


def test_a_histogram_takes_any_iterable() -> None:
    """Generators as well as arrays."""
    assert Histogram.of(n * 10**6 for n in range(5)).total == 5
