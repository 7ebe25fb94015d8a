"""The knee: the highest arrival rate at which the objectives are still met, with an interval.

Each seed is bisected on its own luck: rescaling a curve keeps every visitor's draws, so more people
is the only thing that changes between two steps. The knees of n seeds, sorted, give an interval of
their median without any assumption on their distribution (order statistics of a binomial):

    P(k-th smallest <= median <= k-th largest) = 1 - 2 P(Binomial(n, 1/2) < k)
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from scipy.stats import binom

from simulation.executors import given
from simulation.projection import Projection, Question, replicate
from simulation.screen import Clock
from workload.errors import Fault, InputError
from workload.objective import Answer, Objective, judge

SCHEMA_NAME = "surge/knee/1"
#: The search ends when the highest factor that meets and the lowest that misses differ by less.
CLOSE = 1.02
#: The factor of the scenario's own demand below which it does not look.
LOWEST = 2.0**-12
CONFIDENCE = 0.95

Met = Callable[[float], tuple[str, ...]]
Tell = Callable[[float], None]


@dataclass(frozen=True)
class SeedKnee:
    """One seed: the factor of the demand, and the objectives that break just above it."""

    seed: int
    factor: float
    limiting: tuple[str, ...]


@dataclass(frozen=True)
class Knee:
    """Factors of the scenario's own demand. ``confidence``: of [low, high] holding the median."""

    seeds: tuple[SeedKnee, ...]
    median: float
    low: float
    high: float
    confidence: float

    @property
    def limiting(self) -> tuple[str, ...]:
        """Objectives that break first, the one of most seeds first."""
        broken = [text for one in self.seeds for text in one.limiting]
        return tuple(sorted(set(broken), key=lambda text: (-broken.count(text), text)))


def find_knee(
    question: Question,
    highest: float,
    tell: Tell,
    executor: Executor | None = None,
    clock: Clock | None = None,
) -> Knee:
    """The knee over ``question.replications`` seeds; InputError where nothing can be judged.

    ``highest``: the factor of the demand above which it does not look; ``clock``: when to stop.
    """
    check_objectives(question)
    first = question.scenario.seed
    seeds = range(first, first + question.replications)
    watch = clock or Clock(math.inf)
    with given(executor) as pool:
        futures = [pool.submit(seed_knee, question, seed, highest, watch) for seed in seeds]
        found = []
        for number, future in enumerate(futures, 1):
            found.append(future.result())
            tell(number / len(futures))
    factors = sorted(one.factor for one in found)
    low, high, confidence = median_interval(factors)
    middle = (factors[(len(factors) - 1) // 2] + factors[len(factors) // 2]) / 2
    return Knee(tuple(found), middle, low, high, confidence)


def check_objectives(question: Question) -> None:
    """At least one objective that one simulated run can break, and only calibrated steps."""
    uncalibrated = question.model.uncalibrated()
    faults = [
        Fault("objective", objective.text, "its step is uncalibrated: calibrate on more runs")
        for objective in question.scenario.objectives
        if objective.kind == "latency" and objective.subject in uncalibrated
    ]
    if not question.scenario.objectives:
        faults = [Fault("objectives", [], "the scenario states none: there is nothing to meet")]
    if faults:
        raise InputError(f"scenario {question.scenario.name}", faults)


def seed_knee(question: Question, seed: int, highest: float, clock: Clock) -> SeedKnee:
    """Bisect one seed, in proportion, from the scenario's own demand."""
    people = question.bending.population or question.scenario.curve.population

    def broken_at(factor: float) -> tuple[str, ...]:
        bending = replace(question.bending, population=people * factor)
        return broken(replace(question, bending=bending, replications=1), seed, clock)

    return SeedKnee(seed, *bisect(broken_at, highest))


def broken(question: Question, seed: int, clock: Clock) -> tuple[str, ...]:
    """Objectives that one replication misses.

    What it can't judge (too few visits for a percentile) it does not miss. A probability of
    collapse is missed when this one collapses.
    """
    one = replicate(question, seed, clock.check)
    facts = Projection(question, (one,))

    def missed(objective: Objective) -> bool:
        if objective.kind == "collapse":
            return one.collapsed
        return judge(objective, facts).answer is Answer.MISSED

    return tuple(o.text for o in question.scenario.objectives if missed(o))


def bisect(broken_at: Met, highest: float) -> tuple[float, tuple[str, ...]]:
    """(highest factor that meets, what breaks above it), within CLOSE; 0 or infinite outside."""
    good, bad, limiting = _bracket(broken_at, highest)
    while good > 0 and bad / good > CLOSE and math.isfinite(bad):
        middle = math.sqrt(good * bad)
        found = broken_at(middle)
        if found:
            bad, limiting = middle, found
        else:
            good = middle
    return (math.inf if math.isinf(bad) else good), limiting


def _bracket(broken_at: Met, highest: float) -> tuple[float, float, tuple[str, ...]]:
    """A factor that meets and one that misses, at most two apart in proportion."""
    factor, limiting = 1.0, broken_at(1.0)
    if limiting:
        while factor > LOWEST:
            factor /= 2
            found = broken_at(factor)
            if not found:
                return factor, 2 * factor, limiting
            limiting = found
        return 0.0, factor, limiting
    good = factor
    while factor < highest:
        factor = min(2 * factor, highest)
        limiting = broken_at(factor)
        if limiting:
            return good, factor, limiting
        good = factor
    return good, math.inf, ()


def median_interval(ordered: Sequence[float]) -> tuple[float, float, float]:
    """(low, high, confidence): the narrowest pair of order statistics that is sure enough.

    Of fewer than six values no pair is: then the widest, with the confidence that it has.
    """
    count = len(ordered)
    k = 1
    while k < count / 2 and 1 - 2 * float(binom.cdf(k, count, 0.5)) >= CONFIDENCE:
        k += 1
    return ordered[k - 1], ordered[count - k], 1 - 2 * float(binom.cdf(k - 1, count, 0.5))
