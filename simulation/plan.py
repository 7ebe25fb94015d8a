"""The cheapest deployment that meets the objectives, what is its bottleneck, and what breaks next.

More of anything never hurts here, so for each setting there is a least value that will do while
all others are ample. No deployment that meets the objectives has less of it: where the least values
do together, nothing that passes the screen is cheaper, whatever the prices are. Where they do not,
the busiest station gets more until they do. All is compared on the same luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace
from typing import Any, Final

from simulation.bounds import Bounds, bounds_of, disagreements
from simulation.deployment import Deployment
from simulation.exchange import Exchange, exchange_rates
from simulation.executors import given
from simulation.fluid import fluid_of
from simulation.projection import Projection
from simulation.replication import Question, Replication
from simulation.scaled_answer import paid_replicas
from simulation.screen import Clock, Screen, objectives_broken, replicate_in_time
from simulation.search import (
    CLOSE,
    SETTINGS,
    Setting,
    ample_deployment,
    check_can_be_judged,
    enough,
    impossible,
    least_of,
    raised,
    settings_to_search,
    with_values,
)
from simulation.sensitivity import Sensitivity, sensitivity_of
from workload.errors import InvalidRunError

SCHEMA_NAME: Final = "surge/plan/1"
GROWTH: Final = (1.1, 1.25, 1.5)
#: Times the demand beyond which nobody looks for what breaks.
MOST_DEMAND: Final = 64.0
#: Seconds of wall-clock time that are kept for a look at what breaks next.
ASIDE_S: Final = 30.0
#: The most seconds that are spent on exchange rates between policy and servers.
EXCHANGE_S: Final = 60.0
#: Seconds that are kept for a screening, where it is asked for.
SCREENING_S: Final = 10.0

Tell = Callable[[float, str], None]


@dataclass(frozen=True)
class Next:
    """What a larger demand breaks first, by the screen."""

    demand: float
    broken: tuple[str, ...]
    station: str
    load: float


@dataclass(frozen=True)
class Cliff:
    """How far the bottleneck's setting lies from where the flows collapse, and the demand from
    where an objective breaks. ``at``: None where it never does.
    """

    setting: str
    chosen: float
    at: float | None
    demand: float | None


@dataclass(frozen=True)
class Plan:
    """``least``: of each setting that was looked for, what it takes while all others are ample.

    ``sensitivity``: None where it was not asked for, or no time was left.
    """

    cheapest: Deployment
    searched: tuple[Setting, ...]
    least: Mapping[str, float]
    is_least: bool
    bounds: Bounds
    confirmed: Projection
    wanted: int
    breaks_next: tuple[Next, ...]
    cliff: Cliff
    exchange_rates: tuple[Exchange, ...]
    sensitivity: Sensitivity | None
    warnings: tuple[str, ...]
    screened: int
    simulated: int
    wall_s: float

    @property
    def cost(self) -> float:
        return cost_of(self.cheapest, self.paid_replicas)

    @property
    def paid_replicas(self) -> float | None:
        """Of a deployment that scales: how many all the time would cost as much; None: fixed."""
        return paid_replicas(self.confirmed.replications)

    def to_json(self) -> dict[str, Any]:
        """The parts of `surge/plan/1` that need no verdict."""
        low, high = self.confirmed.collapse()
        return {
            "schema": SCHEMA_NAME,
            "cheapest": {one.name: getattr(self.cheapest, one.name) for one in SETTINGS},
            "deployment": self.cheapest.to_json(),
            "searched": [one.name for one in self.searched],
            "least": dict(self.least),
            "is_least": self.is_least,
            "cost": self.cost,
            "paid_replicas": self.paid_replicas,
            "bottleneck": self.bounds.bottleneck.station,
            "bounds": [row.to_json() for row in (*self.bounds.rows, *self.bounds.beside)],
            "looks": self.bounds.looks.to_json() if self.bounds.looks else None,
            "collapse": {
                "count": self.confirmed.collapses,
                "replications": len(self.confirmed.replications),
                "low": low,
                "high": high,
            },
            "confirm": {"wanted": self.wanted, "done": len(self.confirmed.replications)},
            "cliff": {
                "setting": self.cliff.setting,
                "chosen": self.cliff.chosen,
                "at": self.cliff.at,
                "units": None if self.cliff.at is None else self.cliff.chosen - self.cliff.at,
                "share": None
                if self.cliff.at is None
                else (self.cliff.chosen - self.cliff.at) / self.cliff.chosen,
                "demand": self.cliff.demand,
            },
            "next": [
                {
                    "demand": one.demand,
                    "broken": list(one.broken),
                    "station": one.station,
                    "load": one.load,
                }
                for one in self.breaks_next
            ],
            "exchange_rates": [one.to_json() for one in self.exchange_rates],
            "screening": None if self.sensitivity is None else self.sensitivity.to_json(),
            "warnings": list(self.warnings),
            "screened": self.screened,
            "simulated": self.simulated,
            "wall_s": self.wall_s,
        }


def cost_of(deployment: Deployment, replicas: float | None = None) -> float:
    """A month, by the profile's prices; what has none costs nothing.

    ``replicas``: paid on average, where they come and go.
    """
    prices = deployment.prices
    counts = {one.name: float(getattr(deployment, one.name)) for one in SETTINGS}
    if replicas is not None:
        counts["replicas"] = replicas
    return sum(prices.get(one.price, 0.0) * counts[one.name] for one in SETTINGS)


def find_plan(
    question: Question,
    fixed: frozenset[str],
    confirm: int,
    clock: Clock,
    tell: Tell,
    executor: Executor | None = None,
    *,
    screening: bool = False,
) -> Plan:
    """The plan; ``fixed``: settings that stay as the deployment has them; ``screening``: also
    which settings and policies matter most (`sensitivity`).

    InputError where no deployment can meet the objectives, InvalidRunError where time ran out.
    """
    check_can_be_judged(question)
    with given(executor) as pool:
        screen = Screen(question, clock, pool=pool)
        return _searched(screen, fixed, confirm, tell, screening=screening)


def _searched(
    screen: Screen, fixed: frozenset[str], confirm: int, tell: Tell, *, screening: bool
) -> Plan:
    question, clock = screen.question, screen.clock
    searched = settings_to_search(question.deployment, fixed)
    ample = ample_deployment(question, searched)
    tell(0.0, "is it possible at all?")
    broken = screen.broken(ample)
    if broken:
        raise impossible(screen.asked(ample), broken, searched)
    least = _least_of_each(screen, ample, searched, tell)
    tell(0.25, "all of them together")
    chosen, is_least = enough(screen, with_values(ample, least), searched)
    chosen, confirmed = _confirm(screen, chosen, searched, confirm, tell)
    is_least = is_least and all(getattr(chosen, name) == value for name, value in least.items())
    tell(0.9, "what breaks next")
    bounds = bounds_of(screen.asked(chosen))
    breaks_next = tuple(_next(screen, chosen, demand) for demand in GROWTH)
    cliff = _cliff(screen, chosen, searched, bounds)
    rates = exchange_rates(
        screen, chosen, _binding_first(searched, bounds),
        Clock(min(EXCHANGE_S, max(0.0, clock.left_s - SCREENING_S * screening))),
        lambda share: tell(0.92 + 0.04 * share, "what another policy saves"),
    )  # fmt: skip
    sensitivity = None
    if screening:
        watch = lambda share: tell(0.96 + 0.04 * share, "what matters most")  # noqa: E731
        sensitivity = sensitivity_of(screen, chosen, searched, watch)
    return Plan(
        cheapest=chosen,
        searched=searched,
        least=least,
        is_least=is_least,
        bounds=bounds,
        confirmed=confirmed,
        wanted=confirm,
        breaks_next=breaks_next,
        cliff=cliff,
        exchange_rates=rates,
        sensitivity=sensitivity,
        warnings=_warnings(bounds, confirmed),
        screened=screen.screened,
        simulated=screen.simulated + len(confirmed.replications),
        wall_s=clock.spent_s,
    )


def _least_of_each(
    screen: Screen, ample: Deployment, searched: tuple[Setting, ...], tell: Tell
) -> dict[str, float]:
    least: dict[str, float] = {}
    tell(0.02, "the least of each setting")
    found = screen.several(lambda setting: least_of(screen, ample, setting), searched)
    for setting, value in zip(searched, found, strict=True):
        least[setting.name] = value
        tell(0.02 + 0.2 * len(least) / len(searched), f"{setting.name} {value:g}")
    return least


def _binding_first(searched: tuple[Setting, ...], bounds: Bounds) -> list[Setting]:
    """Settings in the order of their stations' load, the bottleneck's first."""

    def load(setting: Setting) -> float:
        rows = [row for name in setting.stations if (row := bounds.of(name))]
        return max((row.peak_load for row in rows), default=0.0)

    return sorted(searched, key=lambda setting: -load(setting))


def _confirm(
    screen: Screen, chosen: Deployment, searched: tuple[Setting, ...], confirm: int, tell: Tell
) -> tuple[Deployment, Projection]:
    """Replicated at full size; where that misses an objective, raised and tried again.

    When time runs out, with as many replications as were done (at least one).
    """
    objectives = screen.question.scenario.objectives
    while True:
        asked = replace(screen.asked(chosen), replications=confirm)
        # Two first: what misses at once need not be run so often.
        runs = _replicate(screen, asked, min(2, confirm), [], tell)
        broken = objectives_broken(objectives, asked, runs)
        if not broken and len(runs) < confirm:
            runs = _replicate(screen, asked, confirm, runs, tell)
            broken = objectives_broken(objectives, asked, runs)
        if not broken or screen.clock.left_s < ASIDE_S:
            return chosen, Projection(asked, tuple(runs))
        chosen = raised(screen, chosen, broken, searched)


def _replicate(
    screen: Screen, asked: Question, upto: int, runs: list[Replication], tell: Tell
) -> list[Replication]:
    """The replications that were done, and those up to ``upto``, as far as time allows."""
    assert screen.pool is not None
    stop = Clock(max(0.0, screen.clock.left_s - ASIDE_S))
    first = asked.scenario.seed
    found = {run.seed: run for run in runs}
    seeds = [seed for seed in range(first, first + upto) if seed not in found]
    futures = [screen.pool.submit(replicate_in_time, asked, seed, stop) for seed in seeds]
    late = None
    for future in as_completed(futures):
        try:
            run = future.result()
            found[run.seed] = run
            share = len(found) / asked.replications
            tell(0.3 + 0.6 * share, f"confirmed by {len(found)} of {asked.replications}")
        except InvalidRunError as error:
            late = error
    if late and not found:
        raise late
    return [found[seed] for seed in sorted(found)]


def _next(screen: Screen, chosen: Deployment, demand: float) -> Next:
    broken = screen.broken(chosen, demand)
    busiest = bounds_of(screen.asked(chosen, demand)).bottleneck
    return Next(demand, broken, busiest.station, busiest.peak_load)


def _cliff(
    screen: Screen, chosen: Deployment, searched: tuple[Setting, ...], bounds: Bounds
) -> Cliff:
    """By the fluid: the largest value of the bottleneck's setting that collapses."""
    station = bounds.bottleneck.station
    found = [one for one in SETTINGS if station in one.stations]
    setting = (found or list(searched) or list(SETTINGS))[0]
    have = float(getattr(chosen, setting.name))

    def collapses(value: float) -> bool:
        return fluid_of(screen.asked(with_values(chosen, {setting.name: value}))).collapses

    whole = setting.name != "registry_quota_per_s"
    low, high = 1.0 if whole else have / 1000, have
    at: float | None = None
    if low < high and collapses(low):
        while (high - low > 1) if whole else (high / low > CLOSE):
            middle = float((low + high) // 2) if whole else math.sqrt(low * high)
            low, high = (middle, high) if collapses(middle) else (low, middle)
        at = low
    return Cliff(setting.name, have, at, _demand_that_breaks(screen, chosen))


def _demand_that_breaks(screen: Screen, chosen: Deployment) -> float | None:
    """The factor of the demand above which the fluid sees an objective missed, within 1 %."""
    low, high = 1.0, 2.0
    while not screen.flows_break(chosen, high):
        low, high = high, high * 2
        if high > MOST_DEMAND:
            return None
    while high / low > CLOSE:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if screen.flows_break(chosen, middle) else (middle, high)
    return low


def _warnings(bounds: Bounds, confirmed: Projection) -> tuple[str, ...]:
    """Where what was simulated and the bounds disagree, in the first replication."""
    question = confirmed.question
    come_s = question.window_length_s
    one = confirmed.replications[0]
    return tuple(disagreements(bounds, one.stations, one.summary.duration_s, come_s))
