"""The wave as a flow: demand through what was counted, a queue, pauses; the simulator beside."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from simulation.backtest import journeying
from simulation.deployment import Deployment
from simulation.flow import (
    Grid,
    Kernel,
    demand,
    early_of,
    early_of_lognormal,
    p95_of,
    queue,
)
from simulation.flow_fit import Fit
from simulation.replication import Question, replicate
from simulation.snapshots import of_reading
from tests.simulation.situations import LIVELY
from workload.arrivals import Burst, Constant, total_curve
from workload.durations import constant, exponential, lognormal
from workload.manifest import Bending
from workload.scenario import load_scenario

HOUR = 3600.0


def test_demand_passes_through_what_was_counted() -> None:
    """Between two counts the curve keeps its shape, after the last its height."""
    curve = total_curve([Constant(1.0), Burst(3600, 600)], 4 * HOUR)
    grid = Grid(4 * HOUR)
    found = demand(curve, [1, 3], [10_000, 12_000], grid)
    assert grid.read(found, [0, 1, 3]).tolist() == pytest.approx([0, 10_000, 12_000])
    assert np.all(np.diff(found) >= 0)
    shape = curve.expected(0.0, grid.at_s)
    inside = grid.at_s <= HOUR
    assert found[inside] == pytest.approx(shape[inside] / shape[360] * 10_000)
    assert found[-1] - 12_000 == pytest.approx(HOUR * 2000 / (shape[1080] - shape[360]), rel=0.01)


def test_demand_that_the_curve_does_not_bring_comes_evenly() -> None:
    """Counts that go on rising after the scenario has ended."""
    curve = total_curve([Constant(1.0)], HOUR)
    grid = Grid(3 * HOUR)
    found = demand(curve, [1, 3], [100, 200], grid)
    assert grid.read(found, [1, 2, 3]).tolist() == pytest.approx([100, 150, 200])


def served_cell_by_cell(arrived: NDArray[np.float64], per_s: float, cell_s: float) -> list[float]:
    """The oracle: a backlog that is worked off, cell by cell."""
    backlog, done = 0.0, [0.0]
    for more in np.diff(arrived):
        backlog += more
        served = min(backlog, per_s * cell_s)
        backlog -= served
        done.append(done[-1] + served)
    return done


def test_a_queue_is_never_idle_while_somebody_waits() -> None:
    """Against a loop over the backlog, through a day of ups and downs."""
    luck = np.random.default_rng(4)
    arrived = np.concatenate(([0.0], np.cumsum(luck.exponential(400, 1440))))
    grid = Grid(24 * HOUR)
    found = queue(arrived, 6.8, grid)
    assert found.tolist() == pytest.approx(served_cell_by_cell(arrived, 6.8, grid.cell_s))
    assert found[-1] < arrived[-1]
    assert queue(arrived, np.inf, grid).tolist() == arrived.tolist()


@pytest.mark.parametrize("pause", [constant(3000.0), exponential(5000.0), lognormal(4000, 20_000)])
def test_a_pause_delays_people_as_engines_draw_it(pause: object) -> None:
    """Against 200,000 people who come evenly in the first hour and draw their pauses."""
    grid = Grid(24 * HOUR)
    arrived = np.minimum(grid.at_s / HOUR, 1.0)
    found = Kernel.of(early_of(pause, grid.at_s), grid).after(arrived)  # type: ignore[arg-type]
    luck = np.random.default_rng(11)
    knots = pause.table() / 1e9  # type: ignore[attr-defined]
    drawn = np.interp(luck.random(200_000), np.linspace(0, 1, len(knots)), knots)
    gone = np.sort(luck.random(200_000) * HOUR + drawn)
    for hours in (0.5, 1.0, 2.0, 6.0, 24.0):
        told = np.searchsorted(gone, hours * HOUR) / 200_000
        assert grid.read(found, [hours])[0] == pytest.approx(told, abs=0.004)


def test_the_formula_of_a_lognormal_pause_is_that_of_its_table() -> None:
    grid = Grid(24 * HOUR)
    sigma = 0.8
    by_formula = early_of_lognormal(7000.0, sigma, grid.at_s)
    by_table = early_of(lognormal(7000.0, p95_of(7000.0, sigma)), grid.at_s)
    assert by_formula == pytest.approx(by_table, abs=30.0)
    assert by_formula[0] == 0


def test_the_flow_of_a_nation_is_what_the_simulator_walks() -> None:
    """A hundredth of prakerja-2020 against a hundredth of its registry: counts within 3 %.

    The fluid leaves out polls: people hear of their identity up to 16 minutes late.
    """
    scenario = load_scenario("prakerja-2020")
    question = Question(
        scenario,
        replace(LIVELY, photo=constant(0.0)),
        Deployment(registry_quota_per_s=0.083, workers=2),
        Bending((0.0, scenario.curve.duration_s), population=37_300),
    )
    walked = replicate(question, 5).summary.checkpoints
    people = journeying(scenario, of_reading(scenario))
    rate = 8.3 * (1 - scenario.people.mistyped)
    pause = next(s.pause for s in scenario.journey.steps if s.name == "join_wave")
    sigma = float(np.log(pause.table()[973] / pause.table()[512]) / 1.6449)
    flow = people.walk(
        Fit("known", 0.7525, 0.9 * 0.97, rate, 0.0, 1.0, pause.table()[512] / 1e9, sigma)
    )
    for hours in (21, 50, 65):
        for measure, counts in flow.items():
            told = people.grid.read(counts, [hours])[0]
            assert walked[hours][measure] * 100 == pytest.approx(told, rel=0.03), (hours, measure)


@pytest.mark.parametrize("hours", [0.01, 1, 3.5, 24, 65, 300, 8760])
def test_a_grid_is_fine_and_small_whatever_the_event_lasts(hours: float) -> None:
    """Whole hours fall on it, up to four hours a cell for a year."""
    grid = Grid(hours * HOUR)
    assert 30 <= len(grid.at_s) <= 2402
    assert grid.at_s[-1] >= hours * HOUR > grid.at_s[-2]
    assert HOUR % grid.cell_s == 0 or grid.cell_s % HOUR == 0
