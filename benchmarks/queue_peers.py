"""The queue M/M/8 by others: SimPy, Ciw and cimba, and how a figure of each is taken.

One that is not installed is left out by name.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from importlib import import_module
from importlib.util import find_spec
from math import isfinite, nan, sqrt
from statistics import mean, stdev
from typing import Any, Final

import simpy

from benchmarks.stand import core_seconds, say

SERVERS: Final = 8
RATE: Final = 7.2  # customers a second; each takes one second on average
SEEDS: Final = range(1, 11)
#: The first customers find an empty shop; it forgets that within a minute (its relaxation time).
WARM_UP_S: Final = 300.0
#: Student's t of ten seeds, 99 %: five intervals hold the truth together in 95 cases of 100.
T: Final = 3.250
PARTS: Final = ("customers_per_s", "wait_s", "wait_low_s", "wait_high_s")
#: From a seed to (customers, mean wait in seconds).
Simulate = Callable[[int], tuple[int, float]]


def figures(who: str, simulate: Simulate, least_s: float = 0.0) -> dict[str, Any]:
    """Customers a core-second, and the interval of the mean wait over the seeds."""
    took_s, found = core_seconds(lambda: [simulate(seed) for seed in SEEDS], least_s)
    return told(who, sum(count for count, _ in found) / took_s, [wait for _, wait in found])


def told(who: str, rate: float, waits: Sequence[float]) -> dict[str, Any]:
    known = all(isfinite(wait) for wait in waits)
    half = T * stdev(waits) / sqrt(len(waits)) if known else nan
    middle = mean(waits) if known else nan
    return {
        f"{who}_customers_per_s": rate,
        f"{who}_wait_s": middle,
        f"{who}_wait_low_s": middle - half,
        f"{who}_wait_high_s": middle + half,
    }


class Shop:
    """SimPy, as its manual writes it."""

    def __init__(self, customers: int, seed: int) -> None:
        self._chance = random.Random(seed)
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


def ciw_wait_s(customers: int, seed: int) -> float:
    """The mean wait that Ciw finds."""
    ciw = import_module("ciw")
    ciw.seed(seed)
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


def ciw(customers: int) -> dict[str, Any]:
    """Ciw's figures; none where it is not installed."""
    if find_spec("ciw") is None:
        return left_out("ciw")
    return figures("ciw", lambda seed: (customers, ciw_wait_s(customers, seed)))


def cimba(customers: int, least_s: float) -> dict[str, Any]:
    """cimba's figures; none where it is not installed. Its own process measures its CPU."""
    if find_spec("cimba") is None:
        return left_out("cimba")
    asked = [customers, WARM_UP_S, least_s, *SEEDS]
    command = [sys.executable, "-P", "-m", "benchmarks.queue_cimba", *map(str, asked)]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return told("cimba", found["customers"] / found["took_s"], found["waits"])


def left_out(who: str) -> dict[str, Any]:
    """No figures, which is said."""
    say(f"{who} is not installed here: left out")
    return {f"{who}_{part}": None for part in PARTS}
