"""A projection over time: what a band holds, and that two outcomes are never put into one."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.over_time import MOST_CELLS, band_of, over_time, put_together
from simulation.replication import Replication
from workload.histogram import Histogram
from workload.summary import StepSummary, Summary


def replication(
    seed: int, achieved: list[int], depth: list[int], lost: int = 0, cell_s: float = 60.0
) -> Replication:
    """A hundred people, of whom so many are lost, in a wave of one step."""
    empty, series = Histogram(), np.asarray(achieved)
    step = StepSummary(
        name="register", visits=100, attempts=100, accepted=100, declined=0, failed=0, open=0,
        outcomes={}, latency=empty, response_ok=empty, response_failed=empty, service_ok=empty,
        offered=series + 60, achieved=series,
    )  # fmt: skip
    summary = Summary(cell_s * len(achieved), cell_s, (step,), 100, {}, {})
    return Replication(
        seed, summary, {}, people=100, lost=lost, attempts=100, events=1, wall_s=1.0, digest="",
        depths={"database": np.asarray(depth)},
    )  # fmt: skip


def test_a_band_holds_what_it_should() -> None:
    """Of 101 runs that answer 0, 1, … 100: the median is 50, 80 % lie in 10..90, 95 % in 2..98."""
    rows = np.random.default_rng(1).permutation(101).astype(float)[:, None]
    found = band_of(rows)
    assert found.median.tolist() == [50.0]
    (low_80, high_80), (low_95, high_95) = found.ends
    assert (low_80[0], high_80[0], low_95[0], high_95[0]) == (10.0, 90.0, 2.0, 98.0)
    assert ((rows >= low_80) & (rows <= high_80)).mean() >= 0.80
    assert ((rows >= low_95) & (rows <= high_95)).mean() >= 0.95


def test_a_band_is_pointwise() -> None:
    """Each cell is ordered for itself: no run has to be low or high all the time."""
    found = band_of(np.array([[0.0, 9.0], [5.0, 5.0], [9.0, 0.0]]))
    assert [end.tolist() for end in found.ends[0]] == [[0.0, 0.0], [9.0, 9.0]]
    assert found.median.tolist() == [5.0, 5.0]


def test_of_few_runs_a_band_is_all_of_them() -> None:
    """Ten replications show no 80 %: both bands reach from the lowest to the highest."""
    found = band_of(np.arange(10.0)[:, None])
    assert [(low[0], high[0]) for low, high in found.ends] == [(0.0, 9.0), (0.0, 9.0)]


def test_a_single_replication_has_no_band() -> None:
    """One run is a line."""
    found = over_time([replication(1, [60, 120], [3, 0])], ["register"], "database")
    bundle = found["bundles"][0]
    assert bundle["steps"]["register"]["offered_per_s"] == [2.0, 3.0]
    assert bundle["steps"]["register"]["achieved_per_s"]["median"] == [1.0, 2.0]
    assert bundle["queue"]["median"] == [3.0, 0.0]
    for band in (bundle["queue"], bundle["steps"]["register"]["achieved_per_s"]):
        assert {band[key] for key in band if key != "median"} == {None}


def test_two_outcomes_are_two_bundles_with_their_shares() -> None:
    """Four of ten collapse: the band of neither holds a value of the other, nor what lies between.

    Planted: 600 answered and nobody waiting, or 60 answered and 1,000 waiting.
    """
    runs = [
        replication(seed, [60 + seed], [1_000 + seed], lost=50)
        if seed % 5 in (1, 3)
        else replication(seed, [600 + seed], [seed])
        for seed in range(10)
    ]
    found = over_time(runs, ["register"], "database")
    collapsed, clean = found["bundles"]
    assert [(one["outcome"], one["replications"], one["share"]) for one in found["bundles"]] == [
        ("collapsed", 4, 0.4),
        ("clean", 6, 0.6),
    ]
    assert collapsed["steps"]["register"]["achieved_per_s"]["high_95"][0] < 1.2
    assert clean["steps"]["register"]["achieved_per_s"]["low_95"][0] >= 10
    assert collapsed["queue"]["low_95"] == [1_001.0]
    assert clean["queue"]["high_95"] == [9.0]


def test_all_that_collapse_are_one_bundle() -> None:
    """There is one outcome, and no clean runs to tell it from."""
    runs = [replication(seed, [60], [0], lost=50) for seed in range(3)]
    assert [one["outcome"] for one in over_time(runs, ["register"], "database")["bundles"]] == [
        "all"
    ]


@pytest.mark.parametrize("hours", [1, 90, 400])
def test_memory_goes_by_the_hour_and_ends_somewhere(hours: int) -> None:
    """However long the wave, at most MOST_CELLS cells; nothing of it is left out."""
    runs = [replication(seed, [6] * (hours * 60), [seed] * (hours * 60)) for seed in range(3)]
    found = over_time(runs, ["register"], "database")
    answered = found["bundles"][0]["steps"]["register"]["achieved_per_s"]["median"]
    assert len(answered) == found["cells"] <= MOST_CELLS
    assert sum(answered) * found["cell_s"] == pytest.approx(6 * hours * 60)


def test_cells_of_unequal_width_are_put_on_one_grid() -> None:
    """A seed whose record is a little longer may count in coarser cells: nothing is lost of it."""
    runs = [
        replication(1, [120] * 6, [1] * 6, cell_s=120),
        replication(2, [180] * 4, [2] * 4, 0, 180),
    ]
    found = over_time(runs, ["register"], "database")
    assert found["cell_s"] == 360.0
    assert found["bundles"][0]["steps"]["register"]["achieved_per_s"]["median"] == [1.0, 1.0]


def test_a_short_series_is_filled_up_with_nothing() -> None:
    """A replication that ended early answers nothing any more."""
    assert put_together(np.array([4, 6, 5]), 1.0, 2, 3, np.add).tolist() == [10.0, 5.0, 0.0]
