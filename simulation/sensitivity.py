"""Which settings and policies matter to the objectives: a Morris screening around a deployment.

The answer at each point is every objective's *strain*, value / (value + limit): 0 far inside, 1/2
at the limit, 1 infinitely far outside. So effects are finite where waits are not, and objectives
can be compared. A short wave is simulated whole, one seed on the same luck at every point; of a
longer one the fluid model answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from simulation.cliff import DEMAND, Axis
from simulation.deployment import Deployment
from simulation.fluid import fluid_of
from simulation.morris import Effect, effects_of, trajectories
from simulation.projection import Projection
from simulation.replication import COLLAPSE, Question
from simulation.screen import Screen
from simulation.search import QUEUES, Setting, with_values
from workload.errors import InvalidRunError
from workload.objective import Objective

TRAJECTORIES: Final = 20
#: Fewer say nothing of a spread.
FEWEST: Final = 2
#: Each factor goes from its value over this to its value times this; demand by its own.
RANGE: Final = 2.0
DEMAND_RANGE: Final = 1.5
POLICIES: Final = ("attempts", "timeout_s", "backoff_s")


@dataclass(frozen=True)
class Factor:
    """A setting, a policy or `demand`, between two values; ``whole``: a count."""

    name: str
    low: float
    high: float
    whole: bool
    bought: bool = False

    def at(self, place: float) -> float:
        """The value at a place from 0 (low) to 1 (high), even steps being even ratios."""
        value = self.low * (self.high / self.low) ** place
        return float(max(1, round(value))) if self.whole else value

    def applied(self, question: Question, place: float) -> Question:
        """The question with this factor at a place."""
        value = self.at(place)
        if self.bought:
            deployment = with_values(question.deployment, {self.name: value})
            return replace(question, deployment=deployment)
        return Axis(self.name, ()).applied(question, value)


@dataclass(frozen=True)
class Influence:
    """A factor and its effect on each objective, by the objective's text."""

    factor: Factor
    effects: dict[str, Effect]

    @property
    def strongest(self) -> tuple[str, Effect]:
        """The objective that it matters most to."""
        return max(self.effects.items(), key=lambda pair: pair[1].strength)


@dataclass(frozen=True)
class Sensitivity:
    """Factors, the most influential first. ``whole``: simulated from end to end, else the fluid."""

    influences: tuple[Influence, ...]
    trajectories: int
    answers: int
    whole: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "method": "morris",
            "world": "simulated" if self.whole else "fluid",
            "trajectories": self.trajectories,
            "answers": self.answers,
            "factors": [
                {
                    "name": one.factor.name,
                    "low": one.factor.at(0.0),
                    "high": one.factor.at(1.0),
                    "effects": {text: effect.to_json() for text, effect in one.effects.items()},
                }
                for one in self.influences
            ],
        }


def factors_of(question: Question, searched: Sequence[Setting]) -> tuple[Factor, ...]:
    """Settings that were looked for, everybody's patience, and the demand."""

    def found() -> Iterator[Factor]:
        for setting in searched:
            value = float(getattr(question.deployment, setting.name))
            whole = setting.name != "registry_quota_per_s"
            low = max(1.0, value / RANGE) if whole else value / RANGE
            yield Factor(setting.name, low, value * RANGE, whole, bought=True)
        for name in POLICIES:
            value = Axis(name, ()).of(question)
            if value > 0:
                whole = name == "attempts"
                low = max(1.0, value / RANGE) if whole else value / RANGE
                yield Factor(name, low, value * RANGE, whole)
        yield Factor(DEMAND, 1 / DEMAND_RANGE, DEMAND_RANGE, whole=False)

    return tuple(found())


def sensitivity_of(
    screen: Screen,
    chosen: Deployment,
    searched: Sequence[Setting],
    tell: Callable[[float], None],
    count: int = TRAJECTORIES,
) -> Sensitivity | None:
    """Effects around a deployment, from as many trajectories as the screen's clock leaves time for.

    None where it leaves time for fewer than two.
    """
    question = screen.asked(chosen)
    factors = factors_of(question, searched)
    points = trajectories(question.scenario.seed, len(factors), count)
    rows: list[list[list[float]]] = []

    def answer(point: Sequence[float]) -> list[float]:
        asked = question
        for factor, place in zip(factors, point, strict=True):
            asked = factor.applied(asked, place)
        return _strains(screen, asked)

    try:
        for trajectory in points.tolist():
            rows.append(list(screen.several(answer, trajectory)))
            tell(len(rows) / count)
    except InvalidRunError:
        if len(rows) < FEWEST:
            return None
    answers = np.asarray(rows)  # trajectory, point, objective
    texts = [one.text for one in question.scenario.objectives]
    effects = [effects_of(points[: len(rows)], answers[:, :, at]) for at in range(len(texts))]
    found = [
        Influence(factor, {text: effects[at][number] for at, text in enumerate(texts)})
        for number, factor in enumerate(factors)
    ]
    found.sort(key=lambda one: -one.strongest[1].strength)
    return Sensitivity(
        tuple(found), len(rows), answers.shape[0] * answers.shape[1], screen.is_whole
    )


def strain(value: float, limit: float) -> float:
    """value / (value + limit), 1 where the value is infinite or unknown."""
    return value / (value + limit) if math.isfinite(value) else 1.0


def _strains(screen: Screen, question: Question) -> list[float]:
    read = _simulated(screen, question) if screen.is_whole else _by_fluid(screen, question)
    return [
        strain(1 - read(one), 1 - one.limit)
        if one.kind == "success"
        else strain(read(one), COLLAPSE if one.kind == "collapse" else one.limit)
        for one in question.scenario.objectives
    ]


def _simulated(screen: Screen, question: Question) -> Callable[[Objective], float]:
    """What an objective is about, in one replication; of a collapse the share that is lost."""
    [run] = screen.replicated(question, [question.scenario.seed])
    facts = Projection(question, (run,))

    def read(objective: Objective) -> float:
        if objective.kind == "latency":
            held = facts.latency(objective.subject)
            return held.quantile(objective.quantile) if held else math.nan
        if objective.kind == "success":
            return facts.success(objective.subject)
        if objective.kind == "backlog":
            return facts.backlog(objective.subject)
        return run.lost / max(run.people, 1)

    return read


def _by_fluid(screen: Screen, question: Question) -> Callable[[Objective], float]:
    """The same by the fluid model."""
    screen.clock.check()
    found = fluid_of(question)

    def read(objective: Objective) -> float:
        if objective.kind == "latency":
            return found.latency(objective.subject, objective.quantile)
        if objective.kind == "success":
            return found.success[objective.subject]
        if objective.kind == "backlog":
            waits = found.longest_wait_s
            return max(waits[name] for name in QUEUES[objective.subject] if name in waits)
        return found.lost / max(found.people, 1e-9)

    return read
