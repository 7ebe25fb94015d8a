"""What the compiled engine takes for granted: no index below 0, and a bucket without a search."""

from __future__ import annotations

from typing import SupportsIndex, overload

import numpy as np
import pytest

from simulation.driver import SimpyEngine
from simulation.visits import bucket_of
from tests.simulation.situations import SITUATIONS
from workload.histogram import BOUNDS_NS, LEAST

#: Between them every station and every way of a visit.
BUSY = (
    "everything ticks",
    "photos through a narrow line and a generator",
    "a call centre by shifts, by ticks",
    "every line is long, and those who fail call",
)


class Counted(list[int]):
    """A list whose indexes count from its beginning only."""

    @overload
    def __getitem__(self, at: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> list[int]: ...
    def __getitem__(self, at: SupportsIndex | slice) -> int | list[int]:
        assert isinstance(at, slice) or at.__index__() >= 0
        return super().__getitem__(at)

    def __setitem__(self, at: SupportsIndex | slice, value: int) -> None:  # type: ignore[override]
        assert isinstance(at, slice) or at.__index__() >= 0
        super().__setitem__(at, value)  # type: ignore[index]


@pytest.mark.parametrize("name", BUSY)
def test_no_index_counts_from_the_end(name: str) -> None:
    """Compiled code has no lengths to count it from: it would write beside what it means."""
    situation = next(situation for situation in SITUATIONS if situation.name == name)
    engine = SimpyEngine(situation.order(60))
    cells = {key: Counted(value) for key, value in engine.world._asdict().items()}
    engine.world = engine.world._replace(**cells)
    world = engine.run(situation.arrivals(60))
    assert isinstance(world.jobs, Counted)
    with pytest.raises(AssertionError):
        world.jobs[-1] = 0


def test_the_bucket_of_a_duration_is_the_one_that_a_search_finds() -> None:
    """At every bound and beside it, at both ends, and at ten thousand durations of any length."""
    lengths = np.random.default_rng(5).uniform(0.0, 60.0, 10_000)
    values = np.concatenate([BOUNDS_NS - 1, BOUNDS_NS, BOUNDS_NS + 1, [0, 1], 2.0**lengths])
    values = values.astype(np.int64)
    bounds, least = BOUNDS_NS.tolist(), LEAST.tolist()
    found = [bucket_of(bounds, least, len(bounds), value) for value in values.tolist()]
    assert found == np.searchsorted(BOUNDS_NS, values, side="left").tolist()
