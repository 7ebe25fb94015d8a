"""Elementary effects against functions whose effects are known."""

import numpy as np
import pytest

from simulation.morris import DELTA, LEVELS, effects_of, elementary_effects, trajectories

SEED = 7


def test_a_trajectory_moves_every_factor_once_on_the_grid() -> None:
    """Six factors, seven points; each step changes one of them by the step of Morris."""
    points = trajectories(SEED, 6, 50)
    assert points.shape == (50, 7, 6)
    steps = np.diff(points, axis=1)
    assert np.allclose(np.abs(steps).sum(axis=2), DELTA)
    assert (np.count_nonzero(steps, axis=1) == 1).all()
    assert np.allclose(points * (LEVELS - 1), np.rint(points * (LEVELS - 1)))
    assert points.min() == 0.0
    assert points.max() == pytest.approx(1.0)


def test_all_levels_directions_and_orders_come_and_the_seed_decides() -> None:
    """Chance is an argument: the same seed gives the same trajectories."""
    points = trajectories(SEED, 3, 200)
    assert len(np.unique(points.round(9))) == LEVELS
    steps = np.diff(points, axis=1)
    assert 200 < (steps > 0).sum() < 400
    firsts = np.abs(steps[:, 0, :]).argmax(axis=1)
    assert set(firsts.tolist()) == {0, 1, 2}
    assert (points == trajectories(SEED, 3, 200)).all()
    assert (points != trajectories(SEED + 1, 3, 200)).any()


def test_a_linear_function_has_its_coefficients_and_no_spread() -> None:
    """y = 3 a - 2 b + 0 c: mu 3, -2, 0; mu* 3, 2, 0; sigma 0."""
    points = trajectories(SEED, 3, 10)
    found = effects_of(points, points @ np.array([3.0, -2.0, 0.0]))
    assert [one.mean for one in found] == pytest.approx([3, -2, 0])
    assert [one.strength for one in found] == pytest.approx([3, 2, 0])
    assert [one.spread for one in found] == pytest.approx([0, 0, 0], abs=1e-12)


def test_a_product_spreads_and_a_parabola_hides_from_mu_but_not_from_mu_star() -> None:
    """a b: the effect of a is b, 1/2 in the mean. (c - 1/2)^2: its effect over a step of 2/3 from
    0 or 1/3 is -1/3 or 1/3, nothing in the mean and 1/3 in size.
    """
    points = trajectories(SEED, 3, 2000)
    a, b, c = np.moveaxis(points, 2, 0)
    found = effects_of(points, a * b + (c - 0.5) ** 2)
    assert found[0].mean == pytest.approx(0.5, abs=0.03)
    # b is 0, 1/3, 2/3 or 1, each as often: a variance of 5/36.
    assert found[0].spread == pytest.approx((5 / 36) ** 0.5, abs=0.02)
    assert found[2].mean == pytest.approx(0.0, abs=0.03)
    assert found[2].strength == pytest.approx(1 / 3)


def test_the_function_of_morris_himself_ranks_its_factors_as_published() -> None:
    """Morris (1991), example of twenty factors: the first ten matter, the last ten hardly do.

    Of those the 4th, 6th, 7th and 8th are curved or interact, the 9th and 10th are linear: with
    coefficients of 20 over a range of 2 their mu* is 40 and more.
    """
    points = trajectories(SEED, 20, 40)
    found = effects_of(points, np.apply_along_axis(_of_morris, 2, points))
    strengths = [one.strength for one in found]
    assert min(strengths[:10]) > 3 * max(strengths[10:])
    assert [found[at].mean for at in (8, 9)] == pytest.approx([40, 40], rel=0.25)
    assert found[3].spread > 2 * found[8].spread


def test_effects_stay_with_their_factor_whatever_the_order() -> None:
    """One trajectory by hand: b first, then a, downwards."""
    points = np.array([[[1.0, 0.0], [1.0, DELTA], [1.0 - DELTA, DELTA]]])
    answers = np.array([[5.0, 7.0, 4.0]])
    assert elementary_effects(points, answers)[0] == pytest.approx([3 / DELTA, 2 / DELTA])


def _of_morris(x: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    """The test function of Morris (1991), section 4, its small coefficients left at their signs."""
    w = 2 * (x - 0.5)
    for at in (2, 4, 6):
        w[at] = 2 * (1.1 * x[at] / (x[at] + 0.1) - 0.5)
    first = np.array([20.0 if at < 10 else (-1.0) ** (at + 1) for at in range(20)])
    second = np.zeros((20, 20))
    for i in range(20):
        for j in range(i + 1, 20):
            second[i, j] = -15.0 if j < 6 else (-1.0) ** (i + j)
    found = float(first @ w + w @ second @ w)
    for i in range(5):
        for j in range(i + 1, 5):
            for k in range(j + 1, 5):
                found -= 10.0 * float(w[i] * w[j] * w[k])
    return found + 5.0 * float(w[0] * w[1] * w[2] * w[3])
