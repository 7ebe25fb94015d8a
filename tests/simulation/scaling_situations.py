"""Situations in which replicas come and go; both engines have to agree on them as on all others."""

from __future__ import annotations

from typing import Final

from simulation.deployment import Deployment
from simulation.scaling import Scaling, Wanted
from tests.simulation.situations import (
    HASTY,
    TICKING,
    TICKS,
    Situation,
    by_dozens,
    journey,
    whole_journey,
)

SCALING: Final = (
    Situation("scales by its load, overloaded, and sheds", walk=journey(HASTY), rate=1_500,
              deployment=Deployment(speed=8, workers=2, cores=2, admission="shed", in_flight_cap=20,
                                    shed_delay_s=0.2,
                                    scaling=Scaling(0.3, most=5, every_s=0.1, cooldown_s=0.5))),
    Situation("scales by plan while photos are on their way", walk=whole_journey(),
              deployment=Deployment(replicas=2, generator=True, scaling=Scaling(0.5, (
                  Wanted(1, 4), Wanted(5, 1), Wanted(5.2, 3), Wanted(7, 1))))),
    Situation("scales by plan by ticks, and takes back who drains", TICKING,
              Deployment(replicas=2, workers=3, cores=2, scaling=Scaling(0.02, (
                  Wanted(0.1, 4), Wanted(0.3, 1), Wanted(0.31, 4), Wanted(0.5, 1)))),
              TICKS, ties=True,
              arrivals_of=by_dozens),
    Situation("scales by load and plan by ticks, ready in the instant that it looks", TICKING,
              Deployment(replicas=2, workers=3, cores=2, scaling=Scaling(0.01, (
                  Wanted(0.1, 4), Wanted(0.3, 1), Wanted(0.5, 3)), 1, 5, 0.5, 0.01, 0.03)), TICKS,
              ties=True, arrivals_of=by_dozens),
)  # fmt: skip
