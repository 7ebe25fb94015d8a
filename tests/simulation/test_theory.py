"""Stations against theory: mean waits inside a stated interval, and laws that hold to the last ns.

Intervals are Student's, 99 %, over 20 independent replications; their seeds are pinned, so a
verdict does not change from run to run. Services are quantile tables, so formulas get the tables'
own moments (exponential: E[S^2] is 0.05 % short of 2 E[S]^2).
"""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from simpy.events import Event

from simulation import layout as at
from simulation.driver import Call, SimpyEngine
from simulation.world import Order
from tests.simulation.queues import (
    Queue,
    erlang_c_wait_s,
    event_loop,
    mean_wait_s,
    pollaczek_khinchine_s,
    registry,
    second_moment_s2,
)
from tests.simulation.situations import SITUATIONS
from workload.durations import SECOND_NS, Duration, constant, exponential, lognormal
from workload.histogram import Histogram

MS = 0.001
SEEDS = range(1, 21)
LOGNORMAL = lognormal(0.8 * MS, 2 * MS)
SKEWED = Duration((*[0.4 * MS] * 90, *[4 * MS] * 10))


def pk(rate: float, service: Duration) -> float:
    return pollaczek_khinchine_s(rate, service.mean_s, second_moment_s2(service))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("queue", "station", "theory_s", "people"),
    [
        # M/M/1: W = rho / (mu - lambda) (Erlang 1917; Kleinrock 1975, Queueing Systems I, 3.2)
        (event_loop(exponential(MS), 600), at.EVENT_LOOP, 0.6 * MS / 0.4, 200_000),
        # M/D/1: W = rho / (2 mu (1 - rho)) (Erlang 1909; Kleinrock 1975, 5.6)
        (event_loop(constant(MS), 700), at.EVENT_LOOP, 0.7 * MS / (2 * 0.3), 100_000),
        (event_loop(LOGNORMAL, 500), at.EVENT_LOOP, pk(500, LOGNORMAL), 100_000),
        (event_loop(SKEWED, 700), at.EVENT_LOOP, pk(700, SKEWED), 200_000),
        # four workers, each with its own core, draw their share: four times M/M/1
        (event_loop(exponential(MS), 2_400, workers=4, cores=4), at.EVENT_LOOP, 1.5 * MS, 200_000),
        (registry(exponential(0.1), 28, registry_slots=4), at.REGISTRY_CLIENT,
         erlang_c_wait_s(4, 28, 0.1), 180_000),
        (registry(exponential(0.1), 56, registry_slots=8), at.REGISTRY_CLIENT,
         erlang_c_wait_s(8, 56, 0.1), 250_000),
        # a quota of q a second in front of endless slots: M/D/1 with service 1/q
        (registry(constant(0), 70, registry_slots=10**6, registry_quota_per_s=100),
         at.REGISTRY_CLIENT, 0.7 * 0.01 / (2 * 0.3), 100_000),
    ],
    ids=["M/M/1", "M/D/1", "M/G/1 lognormal", "M/G/1 two-peaked", "4 x M/M/1", "M/M/4", "M/M/8",
         "quota"],
)  # fmt: skip
def test_mean_waits_are_those_of_theory(
    queue: Queue, station: int, theory_s: float, people: int
) -> None:
    """Inside the interval, which is at most 2 % to either side."""
    found = queue.interval(mean_wait_s(station), people, SEEDS)
    assert found.half <= 0.02 * theory_s
    assert found.holds(theory_s), f"{found.error(theory_s):+.2%} of {theory_s} s"


def test_a_mean_wait_in_a_short_run_is_that_of_theory() -> None:
    """M/G/1 by Pollaczek and Khinchine; the interval is at most 6 % to either side."""
    found = event_loop(LOGNORMAL, 500).interval(mean_wait_s(at.EVENT_LOOP), 5_000, SEEDS)
    assert found.half <= 0.06 * pk(500, LOGNORMAL)
    assert found.holds(pk(500, LOGNORMAL))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_quantiles_of_response_are_those_of_theory(share: float) -> None:
    """M/M/1: responses are exponential with rate mu - lambda; buckets are 1 % wide, tables end at
    1 : 1024.
    """
    queue = event_loop(exponential(MS), 600)
    found = [
        Histogram(np.asarray(queue.run(seed, 200_000)[1].counts)).quantile(share) for seed in SEEDS
    ]
    theory_s = -math.log(1 - share) / 400
    assert np.mean(found) == pytest.approx(theory_s, rel=0.02)


def test_utilisation_is_throughput_times_demand() -> None:
    """U = X D (Denning & Buzen 1978): busy time is what so many slices of this mean cost."""
    queue = event_loop(LOGNORMAL, 500)
    _, world = queue.run(3, 50_000)
    busy_s = world.stations[at.EVENT_LOOP * at.STATION + at.S_BUSY] / SECOND_NS
    served = world.stations[at.EVENT_LOOP * at.STATION + at.S_SERVED]
    spread = math.sqrt((second_moment_s2(LOGNORMAL) - LOGNORMAL.mean_s**2) / served)
    assert busy_s / served == pytest.approx(LOGNORMAL.mean_s, abs=2.6 * spread)


class Watched(SimpyEngine):
    """Integrates every station's queue over time, event by event."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self.area: dict[str, int] = defaultdict(int)
        self._last = 0

    def _add(self) -> None:
        now = int(self.env.now)
        for number, name in enumerate(at.STATIONS):
            length = self.world.stations[number * at.STATION + at.S_LENGTH]
            self.area[name] += length * (now - self._last)
        self._last = now

    def _arrival(self, event: Event) -> None:
        self._add()
        super()._arrival(event)

    def _handler(self, when: int, code: int, ref: int) -> Call:
        happens = super()._handler(when, code, ref)

        def watch(event: Event) -> None:
            self._add()
            happens(event)

        return watch


@pytest.mark.parametrize("name", ["calm", "one shared core and a generator", "a pool of one"])
def test_littles_law_holds_at_every_station(name: str) -> None:
    """L = lambda W (Little 1961), to the nanosecond: the area under a queue's length is the sum of
    all waits. The database is asked for what lies ahead, so its queue is never seen; not judged.
    """
    situation = next(situation for situation in SITUATIONS if situation.name == name)
    engine = Watched(situation.order(500))
    world = engine.run(situation.arrivals(500))
    for number, station in enumerate(at.STATIONS):
        mine = number * at.STATION
        assert world.stations[mine + at.S_LENGTH] == 0
        if number != at.DATABASE:
            assert engine.area[station] == world.stations[mine + at.S_WAITED], station
