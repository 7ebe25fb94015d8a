"""Intervals about a prediction: as wide as what the model got wrong before asks for."""

import math

import numpy as np
import pytest
from scipy import stats

from simulation.intervals import (
    Part,
    capacity_factor,
    error_of,
    factor_of,
    interval_of,
    log_error,
    spread_of,
)
from workload.agreement import Agreement, Level, Row

KINDS = {"open_site": "plain", "register": "write", "verify_email": "write",
         "submit_identity": "write", "await_identity": "read"}  # fmt: skip


def kind_of(step: str) -> str:
    return KINDS.get(step, step)


def row(step: str, error: float, noise: float = math.nan, metric: str = "p95_s") -> Row:
    """A comparison that came out with this signed error."""
    return Row(step, metric, 0.1, noise, 0.1 * (1 + error))


def agreement(*levels: tuple[Row, ...], saturation: float = math.nan) -> Agreement:
    held = tuple(Level(100.0, True, rows) for rows in levels)
    return Agreement(("low-1",), 100.0 * (1 + saturation), 100.0, held)


def test_without_any_error_it_is_the_spread_of_the_replications() -> None:
    """Student's t over the logarithms of R figures, for one more of them (R = 5)."""
    figures = [0.08, 0.1, 0.11, 0.09, 0.12]
    exact = agreement((row("register", 0.0),))
    found = interval_of(exact, "register", "p95_s", figures, 0.1, kind_of)
    sd = np.std(np.log(figures), ddof=1) * math.sqrt(1 + 1 / 5)
    assert found.high / found.value == pytest.approx(math.exp(stats.t.ppf(0.975, 4) * sd))
    assert found.low * found.high == pytest.approx(found.value**2)


def test_parts_add_in_quadrature_and_few_looks_make_it_wider() -> None:
    """3 and 4 in a hundred are 5 in a hundred; known for certain, the factor is 1.96."""
    assert factor_of([Part(0.03), Part(0.04)]) == pytest.approx(math.exp(1.96 * 0.05), rel=1e-4)
    assert factor_of([Part(0.05, 3.0)]) == pytest.approx(math.exp(stats.t.ppf(0.975, 3) * 0.05))
    # Welch-Satterthwaite: 0.05**4 / (0.04**4 / 2) looks.
    looks = 0.05**4 / (0.04**4 / 2)
    assert factor_of([Part(0.03), Part(0.04, 2.0)]) == pytest.approx(
        math.exp(stats.t.ppf(0.975, looks) * 0.05)
    )
    assert factor_of([Part(), Part()]) == 1.0


@pytest.mark.parametrize("error", [-0.5, 0.5, -0.33])
def test_a_percentile_that_was_wrong_is_covered_where_it_is_as_wrong_again(error: float) -> None:
    """Planted: p95 of every step off by so much on the one level that was held out."""
    wrong = agreement(tuple(row(step, error) for step in KINDS))
    for step in KINDS:
        found = interval_of(wrong, step, "p95_s", [0.01] * 10, 0.01, kind_of)
        assert found.low < 0.01 / (1 + error) < found.high
        # Much wider than the error itself: one level with three kinds of step is little evidence.
        assert found.high / found.value == pytest.approx(
            math.exp(stats.t.ppf(0.975, 3) * abs(math.log1p(error))), rel=1e-6
        )


def test_steps_of_one_kind_are_one_look_a_level() -> None:
    """Three writes that err alike are no three pieces of evidence."""
    alike = agreement(tuple(row(step, -0.3) for step in KINDS))
    assert error_of(alike, "register", "p95_s", kind_of).looks == 3
    twice = agreement(*[tuple(row(step, -0.3) for step in KINDS)] * 2)
    assert error_of(twice, "register", "p95_s", kind_of).looks == 6


def test_a_step_is_judged_by_itself_once_it_was_looked_at_often_enough() -> None:
    """Lucky once, it has the error of the others; three times as good, it has its own."""
    rows = (row("register", -0.5), row("await_identity", 0.0))
    once = error_of(agreement(rows), "await_identity", "p95_s", kind_of)
    assert once.of_log == pytest.approx(abs(math.log(0.5)) / math.sqrt(2))
    assert error_of(agreement(rows), "register", "p95_s", kind_of).of_log == pytest.approx(
        abs(math.log(0.5))
    )
    assert error_of(agreement(rows, rows, rows), "await_identity", "p95_s", kind_of).of_log == 0.0


def test_what_was_never_compared_or_failed_altogether_has_no_bound() -> None:
    """No row of the percentile; or one of the worlds had none at all (an infinite error)."""
    nothing = interval_of(agreement(()), "register", "p95_s", [0.01], 0.01, kind_of)
    assert (nothing.low, nothing.high) == (0.0, math.inf)
    failed = Row("register", "p95_s", math.inf, math.nan, 0.1)
    found = interval_of(agreement((failed,)), "register", "p95_s", [0.01], 0.01, kind_of)
    assert (found.low, found.high) == (0.0, math.inf)
    assert found.errors == (-1.0,)


def test_levels_that_were_learned_from_say_nothing() -> None:
    """A model repeats what it has learned; only held-out rows widen."""
    learned = Agreement((), 1.0, 1.0, (Level(50.0, False, (row("register", -0.9),)),))
    assert error_of(learned, "register", "p95_s", kind_of).looks == 0


def test_the_saturation_error_widens_a_rate_by_one_look() -> None:
    """One measurement is one degree of freedom: a factor of 12.7 on its logarithm."""
    five = capacity_factor(agreement((), saturation=0.05))
    assert five == pytest.approx(math.exp(stats.t.ppf(0.975, 1) * math.log(1.05)))
    assert capacity_factor(agreement(())) == math.inf


def test_one_replication_has_no_spread() -> None:
    assert spread_of([0.1]) == Part()


@pytest.mark.parametrize("levels", [1, pytest.param(3, marks=pytest.mark.slow), 8])
@pytest.mark.parametrize("always", [0.0, -0.5])
def test_intervals_cover_a_measurement_as_often_as_they_say(levels: int, always: float) -> None:
    """Known truth, 400 worlds: the model errs by ``always`` and a random part (0.3) for each kind
    of step and level, measurements by a noise of 0.15, replications by 0.1. A later run at another
    level lies inside in at least 95 % of worlds (92.5 %: three standard errors below).
    """
    assert _coverage(levels, always, know_errors=True) >= 0.925


def test_what_chance_alone_makes_of_it_covers_far_too_little() -> None:
    """The spread of the replications, without what the model got wrong: half of the worlds."""
    assert _coverage(3, 0.0, know_errors=False) < 0.7


def _coverage(levels: int, always: float, *, know_errors: bool) -> float:
    """Share of 400 worlds in which a measured p95 lies inside of what was said."""
    luck = np.random.default_rng(20 + levels)
    inside = 0
    for _ in range(400):
        held = tuple(_level(luck, always) for _ in range(levels))
        if not know_errors:
            held = ((row("register", 0.0, 0.0),),) * 50
        truth = _of(luck, always)["write"]
        figures = 0.01 * np.exp(truth + luck.normal(0.0, 0.1, 10))
        found = interval_of(
            agreement(*held), "register", "p95_s", list(figures), float(np.median(figures)), kind_of
        )
        inside += found.low <= 0.01 * math.exp(luck.normal(0.0, 0.15)) <= found.high
    return inside / 400


def _of(luck: np.random.Generator, always: float) -> dict[str, float]:
    """log(predicted / true) by kind of step."""
    return {kind: math.log1p(always) + luck.normal(0.0, 0.3) for kind in set(KINDS.values())}


def _level(luck: np.random.Generator, always: float) -> tuple[Row, ...]:
    """One level, measured twice."""
    off = _of(luck, always)
    rows = []
    for step, kind in KINDS.items():
        one, two = (0.01 * math.exp(luck.normal(0.0, 0.15)) for _ in range(2))
        middle = (one + two) / 2
        noise = abs(one - two) / 2 / middle
        rows.append(Row(step, "p95_s", middle, noise, 0.01 * math.exp(off[kind])))
    return tuple(rows)


def test_an_error_of_minus_one_is_infinite() -> None:
    """The model promised something where nobody was answered."""
    assert log_error(-1.0) == -math.inf
