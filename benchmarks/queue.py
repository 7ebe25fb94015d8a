"""The textbook queue M/M/8 at 90 % load: customers a core-second, ours beside SimPy and Ciw.

Compared: the compiled engine, SimPy as its manual writes a shop (a process a customer, a Resource
of 8), and Ciw where it is installed (it is left out by name where it is not). Fair, because all
three have to find the same mean wait, for which there is a formula (Erlang 1917); it stands beside.
It is not fair to ours: our customer is a whole visit that sends a request, is written down in a
batch and only then queues for the registry's 8 slots, with ``events_per_customer`` to show for it.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from importlib import import_module
from importlib.util import find_spec
from math import factorial, nan
from typing import Any, Final

import simpy

from benchmarks.stand import Figures, core_seconds, say, show
from simulation import layout as at
from simulation.compiled import CompiledEngine
from simulation.deployment import Deployment
from simulation.service import ServiceModel, StepCost
from simulation.world import Order
from workload.arrivals import Arrivals, Constant, total_curve
from workload.durations import SECOND_NS, constant, exponential
from workload.journey import Journey, Patience, Step

SERVERS: Final = 8
RATE: Final = 7.2  # customers a second; each takes one second on average
OURS: Final = 400_000
SIMPYS: Final = 60_000
CIWS: Final = 60_000
#: The first customers find an empty shop; a thousand mean services are enough to forget it.
WARM_UP_S: Final = 1000.0


def erlang_c_wait_s() -> float:
    """Mean wait: C(c, a) / (c - a) with a = RATE, as the mean service is 1 s."""
    last = RATE**SERVERS / factorial(SERVERS) * SERVERS / (SERVERS - RATE)
    waits = last / (sum(RATE**k / factorial(k) for k in range(SERVERS)) + last)
    return waits / (SERVERS - RATE)


def visits(people: int) -> tuple[Order, Arrivals]:
    """A journey of one step whose only station with a cost is the registry."""
    duration_s = people / RATE
    model = ServiceModel(
        {"submit_identity": StepCost("write", constant(0))}, registry=exponential(1.0)
    )
    journey = Journey((Step("submit_identity", patience=Patience(timeout_s=1e6, attempts=1)),))
    arrivals = total_curve([Constant(RATE, 0, duration_s)], duration_s).arrivals(1)
    order = Order(
        journey=journey,
        itinerary=journey.itinerary(),
        model=model,
        deployment=Deployment(registry_slots=SERVERS),
        seed=1,
        people=len(arrivals) + 1,
        horizon_s=2 * duration_s + 1000,
    )
    return order, arrivals


class Shop:
    """SimPy, as its manual writes it."""

    def __init__(self, customers: int) -> None:
        self._chance = random.Random(1)
        self._env = simpy.Environment()
        self._servers = simpy.Resource(self._env, SERVERS)
        self._waited = self._served = 0.0
        self._env.process(self._come(customers))
        self._env.run()

    @property
    def mean_wait_s(self) -> float:
        return self._waited / self._served if self._served else nan

    def _come(self, customers: int) -> Generator[simpy.Event, Any, None]:
        for _ in range(customers):
            yield self._env.timeout(self._chance.expovariate(RATE))
            self._env.process(self._shop())

    def _shop(self) -> Generator[simpy.Event, Any, None]:
        came = self._env.now
        with self._servers.request() as turn:
            yield turn
            if came > WARM_UP_S:
                self._waited += self._env.now - came
                self._served += 1
            yield self._env.timeout(self._chance.expovariate(1.0))


def ciw_wait_s(customers: int) -> float:
    """The mean wait that Ciw finds."""
    ciw = import_module("ciw")
    ciw.seed(1)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=RATE)],
        service_distributions=[ciw.dists.Exponential(rate=1.0)],
        number_of_servers=[SERVERS],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(customers)
    waits = [
        row.waiting_time for row in simulation.get_all_records() if row.arrival_date > WARM_UP_S
    ]
    return sum(waits) / len(waits) if waits else nan


def measure(size: float) -> Figures:
    """Customers a core-second of each, and the mean wait that each found."""
    order, arrivals = visits(round(OURS * size))
    CompiledEngine(order).run(arrivals)  # compiles, or reads what was compiled before
    ours_s, world = core_seconds(lambda: CompiledEngine(order).run(arrivals), min(size, 1.0))
    simpys = round(SIMPYS * size)
    simpy_s, shop = core_seconds(lambda: Shop(simpys), 0.0)
    registry = at.REGISTRY_CLIENT * at.STATION
    served = int(world.stations[registry + at.S_SERVED])
    waited_s = int(world.stations[registry + at.S_WAITED]) / SECOND_NS
    return {
        "ours_customers_per_s": len(arrivals) / ours_s,
        "simpy_customers_per_s": simpys / simpy_s,
        "ratio": (len(arrivals) / ours_s) / (simpys / simpy_s),
        "exact_wait_s": erlang_c_wait_s(),
        "ours_wait_s": waited_s / served,
        "simpy_wait_s": shop.mean_wait_s,
        "events_per_customer": int(world.cells[at.C_EVENTS]) / len(arrivals),
        **_ciw(round(CIWS * size)),
    }


def _ciw(customers: int) -> Figures:
    if find_spec("ciw") is None:
        say("Ciw is not installed here: left out")
        return {"ciw_customers_per_s": None, "ciw_wait_s": None}
    took_s, wait_s = core_seconds(lambda: ciw_wait_s(customers), 0.0)
    return {"ciw_customers_per_s": customers / took_s, "ciw_wait_s": wait_s}


if __name__ == "__main__":
    show(measure)
