"""Who comes when in a run: people and attackers, bent as its manifest says. Both worlds ask."""

from __future__ import annotations

from dataclasses import dataclass

from workload.arrivals import Arrivals
from workload.attack import beside
from workload.manifest import Bending
from workload.scenario import Scenario


@dataclass(frozen=True)
class Coming:
    """``everybody`` in order of time; who has an index from ``first_attacker`` on attacks."""

    everybody: Arrivals
    first_attacker: int

    @property
    def people(self) -> Arrivals:
        """Without the attackers."""
        found = self.everybody
        mine = found.index < self.first_attacker
        return found if mine.all() else Arrivals(found.index[mine], found.at_ns[mine])


def coming(scenario: Scenario, seed: int, bending: Bending) -> Coming:
    """The window of the curve (of a population already), from run time 0, thinned, sped up.

    Visitors keep their numbers; only their instants move.
    """
    everybody = scenario.curve.arrivals(seed)
    people = len(everybody)
    if scenario.attack:
        everybody = beside(everybody, scenario.attack.arrivals(seed, people))
    start, end = bending.window_s
    inside = everybody.window(start, end)
    moved = Arrivals(inside.index, inside.at_ns - round(start * 1e9))
    return Coming(moved.thin(seed, bending.thin).faster(bending.speed), people)
