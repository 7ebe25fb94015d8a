"""Draws: addressed chance, the same integers in Python and in numpy."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chi2

from workload.draws import (
    BITS,
    KNOTS,
    MASK,
    ONE,
    PAUSE,
    draw,
    drawn,
    draws,
    mix,
    mix_array,
    picks,
    quantile,
    quantiles,
    seed_from,
    threshold,
    uniform,
)
from workload.durations import exponential

words = st.integers(0, MASK)
seeds = st.integers(0, 2**63 - 1)
visitors = st.integers(0, 2**62)
steps = st.integers(0, 100)
numbers = st.integers(0, 2000)
purposes = st.integers(1, 40)
chances = st.integers(0, ONE - 1)


def many(seed: int = 5, count: int = 200_000, purpose: int = PAUSE) -> NDArray[np.int64]:
    return draws(seed, np.arange(count, dtype=np.int64), 1, 1, purpose)


def test_mix_is_the_published_splitmix64() -> None:
    """First outputs of splitmix64 from state 0, as published with the reference implementation."""
    golden = 0x9E3779B97F4A7C15
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [mix(golden * step & MASK) for step in range(3)] == published


@given(st.lists(words, min_size=1, max_size=20))
def test_mix_is_the_same_in_python_and_numpy(values: list[int]) -> None:
    """Word by word."""
    assert mix_array(np.array(values, dtype=np.uint64)).tolist() == [mix(v) for v in values]


@given(seeds, st.lists(visitors, min_size=1, max_size=20), steps, numbers, purposes)
def test_draws_are_the_same_integers_in_python_and_numpy(
    seed: int, people: list[int], step: int, number: int, purpose: int
) -> None:
    """So that a loop, an array and a compiled engine give one history."""
    array = draws(seed, np.array(people, dtype=np.int64), step, number, purpose)
    assert array.tolist() == [draw(seed, person, step, number, purpose) for person in people]
    assert all(0 <= chance < ONE for chance in array.tolist())


def test_draws_of_a_seed_are_pinned() -> None:
    """This pins a SHA-256 of 200,000 draws: another digest means that every history changes."""
    digest = hashlib.sha256(many().astype("<i8").tobytes()).hexdigest()
    assert digest == "f9c4428eeff5f5e48a605fb10487b13e324a6078a15ce21d0c8f315a85b8095a"


def test_draws_are_uniform() -> None:
    """Chi-square over 256 cells stays inside its central 99.9 % interval (fixed seed)."""
    cells = np.bincount(many() >> (BITS - 8), minlength=256)
    expected = cells.sum() / 256
    statistic = float(((cells - expected) ** 2 / expected).sum())
    assert chi2.ppf(0.0005, 255) < statistic < chi2.ppf(0.9995, 255)


def test_the_low_bits_are_uniform_too() -> None:
    """Quantile tables interpolate with the bits below the cell: chi-square over the last 8."""
    cells = np.bincount(many() & 0xFF, minlength=256)
    expected = cells.sum() / 256
    statistic = float(((cells - expected) ** 2 / expected).sum())
    assert chi2.ppf(0.0005, 255) < statistic < chi2.ppf(0.9995, 255)


@pytest.mark.parametrize(
    ("seed", "step", "number", "purpose"),
    [(6, 1, 1, PAUSE), (5, 2, 1, PAUSE), (5, 1, 2, PAUSE), (5, 1, 1, PAUSE + 1)],
)
def test_neighbouring_addresses_are_independent(
    seed: int, step: int, number: int, purpose: int
) -> None:
    """Correlation with the draws of another seed, step, number or purpose: below 4 / sqrt(n)."""
    count = 200_000
    people = np.arange(count, dtype=np.int64)
    other = draws(seed, people, step, number, purpose)
    correlation = float(np.corrcoef(many() / ONE, other / ONE)[0, 1])
    assert abs(correlation) < 4 / math.sqrt(count)


def test_neighbouring_visitors_are_independent() -> None:
    """Lag-one correlation along visitors is below 4 / sqrt(n)."""
    chance = many() / ONE
    correlation = float(np.corrcoef(chance[1:], chance[:-1])[0, 1])
    assert abs(correlation) < 4 / math.sqrt(len(chance))


@given(seeds, visitors, steps, numbers, purposes)
def test_every_part_of_the_address_matters(
    seed: int, visitor: int, step: int, number: int, purpose: int
) -> None:
    """Another seed, visitor, step, number or purpose is another draw."""
    here = draw(seed, visitor, step, number, purpose)
    assert here != draw(seed + 1, visitor, step, number, purpose)
    assert here != draw(seed, visitor + 1, step, number, purpose)
    assert here != draw(seed, visitor, step + 1, number, purpose)
    assert here != draw(seed, visitor, step, number + 1, purpose)
    assert here != draw(seed, visitor, step, number, purpose + 1)


@given(st.lists(st.integers(0, 2**50), min_size=2, max_size=9), st.lists(chances, min_size=1))
def test_quantiles_interpolate_the_same_in_python_and_numpy(
    knots: list[int], at: list[int]
) -> None:
    """And stay between the neighbouring knots."""
    spread = np.interp(np.linspace(0, 1, KNOTS), np.linspace(0, 1, len(knots)), sorted(knots))
    table = spread.astype(np.int64)
    found = quantiles(table, np.array(at, dtype=np.int64)).tolist()
    flat = [0, 0, 0, *table.tolist()]
    assert found == [quantile(flat, 3, chance) for chance in at]
    for chance, value in zip(at, found, strict=True):
        cell = chance >> (BITS - 10)
        assert table[cell] <= value <= table[cell + 1]


def test_what_is_drawn_is_the_quantile_of_the_draw_and_what_never_differs_needs_none() -> None:
    """From tables that vary, from one that only ends higher, and from a constant one."""
    varied = exponential(1.0).table().tolist()
    ends_higher = [7] * (KNOTS - 1) + [1 << 40]
    tables = varied + ends_higher + [7] * KNOTS
    for base in (0, KNOTS, 2 * KNOTS):
        for visitor in range(2000):
            expected = quantile(tables, base, draw(3, visitor, 1, 2, 5))
            assert drawn(tables, base, 3, visitor, 1, 2, 5) == expected


def test_a_quantile_is_linear_between_its_knots() -> None:
    """The table 0, 1,000, 2,000, … read at probability p is p x 1,024,000, to one unit."""
    table = list(range(0, KNOTS * 1000, 1000))
    for p in (0.0, 0.1, 0.25, 1 / 3, 0.5, 0.999):
        assert quantile(table, 0, threshold(p)) == pytest.approx(p * 1_024_000, abs=1)


@given(st.lists(st.integers(0, ONE), min_size=1, max_size=30), chances)
def test_picks_finds_the_first_threshold_above_the_draw(ends: list[int], chance: int) -> None:
    """As a linear search would."""
    cumulative = [*sorted(ends), ONE]
    assert picks(cumulative, chance) == next(i for i, e in enumerate(cumulative) if chance < e)


@given(st.floats(0, 1))
def test_a_threshold_is_its_probability_in_53_bits(probability: float) -> None:
    """Draws below it come with that probability; 0 admits nobody and 1 everybody."""
    assert uniform(threshold(probability)) == pytest.approx(probability, abs=1 / ONE)
    assert (threshold(0.0), threshold(1.0)) == (0, ONE)


@pytest.mark.parametrize("value", ["0", 7, "9223372036854775807"])
def test_a_seed_is_a_whole_number_of_63_bits(value: object) -> None:
    """As text from a command line, or as a number."""
    assert seed_from(value) == int(str(value))


@pytest.mark.parametrize("value", ["", "1.5", "x", -1, True, None, 2**63, "1_000"])
def test_anything_else_is_no_seed(value: object) -> None:
    """The message says what a seed is."""
    with pytest.raises(ValueError, match=r"a seed is a whole number from 0 to 2\*\*63 - 1"):
        seed_from(value)
