"""Who comes when in a run: people and attackers, bent as its manifest says. Both worlds ask.

Where a projection goes on from a state, those who already wait are numbered behind the people and
before the attackers, and take their places at time 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workload.arrivals import Arrivals
from workload.attack import beside
from workload.manifest import Bending
from workload.scenario import Scenario


@dataclass(frozen=True)
class Coming:
    """``everybody`` in order of time; who has an index from ``first_attacker`` on attacks, and the
    ``carried`` ones before it stood in a line already.
    """

    everybody: Arrivals
    first_attacker: int
    carried: int = 0

    @property
    def people(self) -> Arrivals:
        """Who comes: without those who were there already, and without the attackers."""
        found = self.everybody
        mine = found.index < self.first_attacker - self.carried
        return found if mine.all() else Arrivals(found.index[mine], found.at_ns[mine])


def coming(scenario: Scenario, seed: int, bending: Bending, carried: int = 0) -> Coming:
    """The window of the curve (of a population already), from run time 0, thinned, sped up.

    Visitors keep their numbers; only their instants move. ``carried``: who stands in a line.
    """
    everybody = scenario.curve.arrivals(seed)
    people = len(everybody)
    if scenario.attack:
        everybody = beside(everybody, scenario.attack.arrivals(seed, people + carried))
    start, end = bending.window_s
    inside = everybody.window(start, end)
    moved = Arrivals(inside.index, inside.at_ns - round(start * 1e9))
    bent = moved.thin(seed, bending.thin).faster(bending.speed)
    if carried:
        waiting = np.arange(people, people + carried, dtype=np.int64)
        bent = beside(bent, Arrivals(waiting, np.zeros_like(waiting)))
    return Coming(bent, people + carried, carried)
