"""One station at a time, everything else free of charge: what theory knows the answer to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any, Protocol

import numpy as np
from scipy import stats

from simulation import layout as at
from simulation.compiled import CompiledEngine
from simulation.deployment import Deployment
from simulation.service import ServiceModel, StepCost
from simulation.world import Order
from workload.arrivals import Constant, total_curve
from workload.durations import SECOND_NS, Duration, constant
from workload.journey import Journey, Patience, Step, Support

FOREVER = Patience(timeout_s=1e6, attempts=1)


class Asked(Protocol):
    """What a question to theory has beside its journey."""

    @property
    def model(self) -> ServiceModel: ...
    @property
    def deployment(self) -> Deployment: ...
    @property
    def rate(self) -> float: ...


def asked(
    what: Asked, journey: Journey, seed: int, people: int, open_s: float = 1000, **more: Any
) -> tuple[Order, at.World]:
    """About so many people walk a journey; it is open for twice their time and ``open_s``."""
    duration_s = people / what.rate
    arrivals = total_curve([Constant(what.rate, 0, duration_s)], duration_s).arrivals(seed)
    order = Order(
        journey=journey,
        itinerary=journey.itinerary(),
        model=what.model,
        deployment=what.deployment,
        seed=seed,
        people=len(arrivals) + 1,
        horizon_s=2 * duration_s + open_s,
        **more,
    )
    return order, CompiledEngine(order).run(arrivals)


@dataclass(frozen=True)
class Queue:
    """A journey of one step that meets one station only. ``rate``: arrivals a second."""

    step: str
    model: ServiceModel
    deployment: Deployment
    rate: float
    patience: Patience = FOREVER
    support: Support | None = None

    def run(self, seed: int, people: int) -> tuple[Order, at.World]:
        """One replication of about so many people."""
        journey = Journey((Step(self.step, patience=self.patience),), self.support)
        return asked(self, journey, seed, people)

    def interval(
        self, figure: Callable[[at.World], float], people: int, seeds: Sequence[int]
    ) -> Interval:
        """Student's interval, 99 %, of a figure over independent replications."""
        found = [figure(self.run(seed, people)[1]) for seed in seeds]
        spread = float(np.std(found, ddof=1)) / len(found) ** 0.5
        return Interval(float(np.mean(found)), spread * float(stats.t.ppf(0.995, len(found) - 1)))


@dataclass(frozen=True)
class Interval:
    """A mean and half the width of its interval."""

    mean: float
    half: float

    def holds(self, theory: float) -> bool:
        """Whether theory lies inside."""
        return abs(self.mean - theory) <= self.half

    def error(self, theory: float) -> float:
        """Signed, relative."""
        return self.mean / theory - 1


def event_loop(slice_: Duration, rate: float, **settings: Any) -> Queue:
    """A loop with slices and nothing else."""
    model = ServiceModel({"open_site": StepCost("plain", slice_)})
    return Queue("open_site", model, Deployment(**settings), rate)


def registry(latency: Duration, rate: float, **settings: Any) -> Queue:
    """The registry's slots behind a write that costs nothing."""
    model = ServiceModel({"submit_identity": StepCost("write", constant(0))}, registry=latency)
    return Queue("submit_identity", model, Deployment(**settings), rate)


def mean_wait_s(station: int) -> Callable[[at.World], float]:
    """Mean wait at a station, from its counters."""

    def figure(world: at.World) -> float:
        mine = station * at.STATION
        waited, served = world.stations[mine + at.S_WAITED], world.stations[mine + at.S_SERVED]
        return float(waited) / float(served) / SECOND_NS

    return figure


def second_moment_s2(duration: Duration) -> float:
    """E[S^2] of a table; on a straight line from a to b, s^2 has the mean (a^2 + ab + b^2) / 3."""
    table = duration.table() / SECOND_NS
    low, high = table[:-1], table[1:]
    return float(((low * low + low * high + high * high) / 3).mean())


def pollaczek_khinchine_s(rate: float, mean_s: float, second_s2: float) -> float:
    """Mean wait of M/G/1: lambda E[S^2] / (2 (1 - rho)) (Pollaczek 1930, Khinchine 1932)."""
    return rate * second_s2 / (2 * (1 - rate * mean_s))


def erlang_c(servers: int, offered: float) -> float:
    """P(wait > 0) of M/M/c, offered = lambda / mu (Erlang 1917)."""
    blocked = offered**servers / factorial(servers) * servers / (servers - offered)
    return blocked / (sum(offered**k / factorial(k) for k in range(servers)) + blocked)


def erlang_c_wait_s(servers: int, rate: float, mean_s: float) -> float:
    """Mean wait of M/M/c: C(c, a) / (c mu - lambda) (Erlang 1917; Kleinrock 1975, 3.5)."""
    return erlang_c(servers, rate * mean_s) / (servers / mean_s - rate)
