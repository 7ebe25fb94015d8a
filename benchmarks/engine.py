"""Both engines on the same visitors: events a core-second of SimPy and of the compiled calendar.

Compared: the opening of prakerja-2020 on one service with a shared core, walked by SimPy and by the
compiled engine, to the last step of the reference journey. Every station takes part: there is a
waiting room at the door, and whoever fails calls for help. Fair, because both call the same
functions for what a visitor and a station do, count the same events, and have to leave the same
world behind: ``equal`` says whether each visitor's finish, last step, attempts and waiting, every
histogram and every station are bitwise equal. Compiling is not counted, it happens once for an
installation. CPU time of one thread, building the world included.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from benchmarks.costs import OURS
from benchmarks.stand import Figures, core_seconds, show
from simulation import layout as at
from simulation.compiled import CompiledEngine
from simulation.deployment import load_deployment
from simulation.driver import SimpyEngine
from simulation.world import Order
from workload.arrivals import Arrivals
from workload.durations import lognormal
from workload.journey import STEPS, Journey, Step, Support
from workload.scenario import Scenario, load_scenario

WINDOW_S: Final = 60.0
PEOPLE: Final = 4000
HORIZON_S: Final = 3600.0
LEFT: Final = ("ends", "counts", "tallies", "offered", "achieved", "declined", "stations")


def opening(people: int) -> tuple[Order, Arrivals]:
    """About so many people of the first minute."""
    scenario = load_scenario("prakerja-2020")
    raw = scenario.curve.expected(0.0, WINDOW_S)
    scenario = scenario.with_population(scenario.curve.population * people / float(raw))
    arrivals = scenario.curve.arrivals(scenario.seed).window(0.0, WINDOW_S)
    return order(scenario, int(arrivals.index.max()) + 1), arrivals


def whole(journey: Journey) -> Journey:
    """The journey, with the later steps of the reference journey where it ends before them, and
    everybody who fails calling for help.
    """
    missing = [name for name in STEPS[:-1] if name not in journey.step_names]
    steps = (*journey.steps, *(Step(name, lognormal(60, 300)) for name in missing))
    return Journey(steps, Support(1.0))


def order(scenario: Scenario, people: int) -> Order:
    """To walk so many people of a scenario through a service on one core."""
    journey = whole(scenario.journey)
    deployment = replace(
        load_deployment("this-machine"),
        admission="waiting_room", room_per_s=50.0, agents=5,
    )  # fmt: skip
    return Order(
        journey=journey,
        itinerary=journey.itinerary(),
        model=OURS,
        deployment=deployment,
        seed=scenario.seed,
        people=people,
        mistyped=scenario.people.mistyped,
        horizon_s=HORIZON_S,
    )


def same(one: at.World, other: at.World) -> bool:
    """Whether two runs left the same behind, bit for bit."""
    return all(
        np.array_equal(np.asarray(getattr(one, name)), np.asarray(getattr(other, name)))
        for name in LEFT
    )


def measure(size: float) -> Figures:
    """Events a core-second of both, and whether they agree."""
    orders, arrivals = opening(max(200, round(PEOPLE * size)))
    CompiledEngine(orders).run(arrivals)  # compiles, or reads what was compiled before
    simpy_s, reference = core_seconds(lambda: SimpyEngine(orders).run(arrivals), 0.0)
    compiled_s, ours = core_seconds(lambda: CompiledEngine(orders).run(arrivals), min(size, 1.0))
    events, idle = int(ours.cells[at.C_EVENTS]), _idle(ours)
    return {
        "simpy_events_per_s": events / simpy_s,
        "compiled_events_per_s": events / compiled_s,
        "ratio": simpy_s / compiled_s,
        "equal": same(reference, ours),
        "people": len(arrivals),
        "attempts": int(ours.cells[at.C_ATTEMPTS]),
        "events": events,
        "stations": len(at.STATIONS) - len(idle),
        "idle_stations": ", ".join(idle),
    }


def _idle(world: at.World) -> list[str]:
    """Stations that served nobody: none, or the scenario does not show the engine at its work."""
    return [
        name
        for number, name in enumerate(at.STATIONS)
        if not world.stations[number * at.STATION + at.S_SERVED]
    ]


if __name__ == "__main__":
    show(measure)
