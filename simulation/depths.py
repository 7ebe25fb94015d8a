"""How many wait at each station over time: looked at at the end of every time cell.

Both engines look before anything happens at such an instant, so it holds what the last event before
it left behind; the last look is at the horizon. It costs a comparison an event, and memory by the
hour, whatever the crowd.
"""

from __future__ import annotations

from simulation import layout as at
from simulation.layout import World


def look(w: World, now: int) -> None:
    """Keep the lengths of all lines for each time cell that ends by ``now``."""
    cells = w.cells[at.C_TIME_CELLS]
    while w.cells[at.C_LOOK_AT] <= now and w.cells[at.C_LOOKS] < cells:
        cell = w.cells[at.C_LOOKS]
        for station in range(at.STATION_COUNT):
            length = w.stations[station * at.STATION + at.S_LENGTH]
            w.lengths[station * cells + cell] = length
        w.cells[at.C_LOOKS] = cell + 1
        w.cells[at.C_LOOK_AT] += w.cells[at.C_CELL_NS]
