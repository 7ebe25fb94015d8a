"""How many wait at a station over time: what the looks at its line say."""

from dataclasses import replace

import numpy as np
import pytest

from simulation import layout as at
from simulation.compiled import CompiledEngine
from simulation.deployment import Deployment
from simulation.driver import SimpyEngine
from tests.simulation.situations import Situation


@pytest.mark.parametrize("engine", [SimpyEngine, CompiledEngine])
def test_lines_are_looked_at_at_the_end_of_every_cell(
    engine: type[SimpyEngine | CompiledEngine],
) -> None:
    """Never above the peak, at the last look what still waits, and somewhere not nothing."""
    situation = Situation("a line at the registry", deployment=Deployment(registry_slots=1))
    order = replace(situation.order(400), cell_s=0.5)
    world = engine(order).run(situation.arrivals(400))
    cells = int(world.cells[at.C_TIME_CELLS])
    lengths = np.asarray(world.lengths).reshape(-1, cells)
    stations = np.asarray(world.stations).reshape(-1, at.STATION)
    assert world.cells[at.C_LOOKS] == cells
    assert (lengths >= 0).all()
    assert (lengths.max(axis=1) <= stations[:, at.S_PEAK]).all()
    assert lengths[:, -1].tolist() == stations[:, at.S_LENGTH].tolist()
    assert lengths[at.REGISTRY_CLIENT].max() > 0
