"""A roll says who comes when, as the arrivals that it was made from."""

from __future__ import annotations

import numpy as np
import pytest

from workload.arrivals import Arrivals
from workload.roll import Roll
from workload.scenario import load_scenario

NATION = load_scenario("prakerja-2020").with_population(30_000).curve.arrivals(5)
MIXED = Arrivals(np.array([7, 3, 1 << 33]), np.array([0, 999_999_000, 3_000_000_000]))


@pytest.mark.parametrize(
    "arrivals",
    [NATION, NATION.thin(5, 0.3), NATION.window(10.0, 5_000.0), NATION.slice(1, 3), MIXED],
)
@pytest.mark.parametrize("size", [1, 1_000, 1 << 20])
def test_a_roll_read_in_windows_is_what_it_was_made_from(arrivals: Arrivals, size: int) -> None:
    """The same people at the same instants, whatever the windows' size."""
    arrivals = Arrivals(arrivals.index[:3_000], arrivals.at_ns[:3_000])
    roll = Roll.of(arrivals)
    assert isinstance(roll, Roll)
    windows = list(roll.windows(size))
    assert len(roll) == len(arrivals)
    assert max(len(window) for window in windows) <= size
    assert np.array_equal(np.concatenate([w.index for w in windows]), arrivals.index)
    assert np.array_equal(np.concatenate([w.at_ns for w in windows]), arrivals.at_ns)


@pytest.mark.parametrize("at_ns", [[], [1], [-1_000, 0], [0, 1 << 60]])
def test_instants_that_have_no_place_on_a_roll_stay_as_they_are(at_ns: list[int]) -> None:
    """Between two microseconds, before the opening, beyond three months, or nobody at all."""
    instants = np.array(at_ns, dtype=np.int64)
    arrivals = Arrivals(np.arange(len(instants)), instants)
    assert Roll.of(arrivals) is arrivals


def test_a_nation_in_its_own_order_takes_four_bytes_a_person() -> None:
    """And four more where it comes in another order."""
    plain, mixed = Roll.of(NATION), Roll.of(NATION.thin(5, 0.3))
    assert isinstance(plain, Roll)
    assert isinstance(plain.index, int)
    assert plain.rest_us.itemsize == 4
    assert isinstance(mixed, Roll)
    assert not isinstance(mixed.index, int)
    assert mixed.index.itemsize == 4
