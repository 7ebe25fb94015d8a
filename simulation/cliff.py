"""The cliff: what becomes of the wave over one or two settings, and how far its edge is.

A point of the map is a set of replications on the same luck as at every other point. Where some of
them collapse and some do not there is no mean: the shares lost of both groups stand apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from simulation.deployment import Deployment, with_settings
from simulation.executors import given
from simulation.projection import clopper_pearson
from simulation.replication import Question, Replication
from simulation.screen import Clock, replicate_in_time
from workload.errors import Fault, InputError, InvalidRunError
from workload.journey import Patience
from workload.reader import number, whole

SCHEMA_NAME: Final = "surge/cliff/1"
MOST_VALUES: Final = 60
#: Settings of patience, with what they may be: they hold for every step.
PATIENCE: Final[dict[str, Callable[[Any], float]]] = {
    "attempts": whole(1, 1000),
    "timeout_s": number(0, 1e6, open_low=True),
    "backoff_s": number(0, 1e6),
    "backoff_cap_s": number(0, 1e6),
    "jitter": number(0, 1),
}
DEMAND: Final = "demand"
RANGE: Final = re.compile(r"^(-?[\d.]+?)\.\.(-?[\d.]+?)(?::([\d.]+))?$")
Tell = Callable[[float, str], None]
#: Values of the first axis and of the second, None where there is no second one.
Place = tuple[float, float | None]
REMEDY: Final = "write NAME=10..16, NAME=10..40:5 (steps of 5) or NAME=1,2,4"


@dataclass(frozen=True)
class Axis:
    """A setting of the deployment, of everybody's patience, or `demand`; and its values."""

    name: str
    values: tuple[float, ...]

    def of(self, question: Question) -> float:
        """What the question itself has; of several steps' patience the first one's."""
        if self.name == DEMAND:
            return 1.0
        if self.name in PATIENCE:
            return float(getattr(question.scenario.journey.steps[0].patience, self.name))
        return float(getattr(question.deployment, self.name))

    def applied(self, question: Question, value: float) -> Question:
        """The question with another value of this."""
        if self.name == DEMAND:
            people = question.bending.population or question.scenario.curve.population
            return replace(question, bending=replace(question.bending, population=people * value))
        if self.name in PATIENCE:
            return _with_patience(question, self.name, value)
        deployment = with_settings(question.deployment, [f"{self.name}={value:g}"])
        return replace(question, deployment=deployment)


def _with_patience(question: Question, name: str, value: float) -> Question:
    typed = int(value) if name == "attempts" else value
    steps = []
    for step in question.scenario.journey.steps:
        patience: Patience = replace(step.patience, **{name: typed})  # type: ignore[arg-type]
        steps.append(replace(step, patience=patience))
    journey = replace(question.scenario.journey, steps=tuple(steps))
    return replace(question, scenario=replace(question.scenario, journey=journey))


def read_axis(option: str, text: str) -> Axis:
    """An axis from ``NAME=values``; InputError with the remedy."""
    name, _, written = (part.strip() for part in text.partition("="))
    numeric = {f.name for f in fields(Deployment) if f.type in ("int", "float")}
    known = sorted({*numeric, *PATIENCE, DEMAND})
    if name not in known:
        raise InputError("options", [Fault(option, text, f"name one of: {', '.join(known)}")])
    try:
        values = tuple(_values(written))
        for value in values:
            if name in PATIENCE:
                PATIENCE[name](int(value) if name == "attempts" and value % 1 == 0 else value)
    except ValueError as error:
        raise InputError("options", [Fault(option, text, str(error))]) from error
    if name == DEMAND and min(values) <= 0:
        raise InputError("options", [Fault(option, text, "a demand lies above 0")])
    if name not in PATIENCE and name != DEMAND:
        for value in values:
            with_settings(Deployment(), [f"{name}={value:g}"])
    return Axis(name, values)


def _values(written: str) -> Sequence[float]:
    ranged = RANGE.match(written)
    if ranged:
        low, high = float(ranged[1]), float(ranged[2])
        step = float(ranged[3] or 1)
        count = math.floor((high - low) / step + 1e-9) + 1 if step > 0 else 0
        if not 1 <= count <= MOST_VALUES:
            raise ValueError(f"{REMEDY}; ascending, at most {MOST_VALUES} values")
        return [round(low + step * at, 9) for at in range(count)]
    try:
        values = sorted({float(one) for one in written.split(",")})
    except ValueError:
        raise ValueError(REMEDY) from None
    if len(values) > MOST_VALUES or not all(map(math.isfinite, values)):
        raise ValueError(f"{REMEDY}; at most {MOST_VALUES} values")
    return values


@dataclass(frozen=True)
class Point:
    """One point of the map: ``lost``, the share of each replication."""

    x: float
    y: float | None
    lost: tuple[float, ...]
    collapses: int

    @property
    def two_peaked(self) -> bool:
        """Some replications collapse and some do not."""
        return 0 < self.collapses < len(self.lost)

    def to_json(self) -> dict[str, Any]:
        low, high = clopper_pearson(self.collapses, len(self.lost))
        ordered = sorted(self.lost)
        clean, collapsed = (
            ordered[: len(ordered) - self.collapses],
            ordered[len(ordered) - self.collapses :],
        )
        return {
            "x": self.x,
            "y": self.y,
            "collapses": self.collapses,
            "replications": len(self.lost),
            "low": low,
            "high": high,
            "two_peaked": self.two_peaked,
            "lost": None if self.two_peaked else float(np.mean(self.lost)),
            "lost_clean": float(np.mean(clean)) if clean else None,
            "lost_collapsed": float(np.mean(collapsed)) if collapsed else None,
        }


@dataclass(frozen=True)
class Edge:
    """Where the cliff lies along the first axis: between a value that never collapsed here and its
    neighbour ``at`` that did. ``chosen``: the question's own value; None where there is no edge.
    """

    y: float | None
    at: float | None
    safe: float | None
    chosen: float

    @property
    def units(self) -> float | None:
        """How far the question's own value is on the safe side; negative: beyond the edge."""
        if self.at is None or self.safe is None:
            return None
        away = self.chosen - self.at
        return away if self.safe > self.at else -away

    def to_json(self) -> dict[str, Any]:
        units = self.units
        return {
            "y": self.y,
            "at": self.at,
            "safe": self.safe,
            "chosen": self.chosen,
            "units": units,
            "share": units / self.chosen if units is not None and self.chosen else None,
        }


@dataclass(frozen=True)
class CliffMap:
    """Points row by row (the second axis), and the edge in each row."""

    over: Axis
    beside: Axis | None
    points: tuple[Point, ...]
    edges: tuple[Edge, ...]

    def at(self, x: float, y: float | None) -> Point:
        """The point of these values."""
        return next(one for one in self.points if (one.x, one.y) == (x, y))

    def to_json(self) -> dict[str, Any]:
        axes = [self.over, *([self.beside] if self.beside else [])]
        return {
            "schema": SCHEMA_NAME,
            "axes": [{"name": axis.name, "values": list(axis.values)} for axis in axes],
            "points": [point.to_json() for point in self.points],
            "edges": [edge.to_json() for edge in self.edges],
        }


def find_cliff(
    question: Question,
    over: Axis,
    beside: Axis | None,
    clock: Clock,
    tell: Tell,
    executor: Executor | None = None,
) -> CliffMap:
    """Replicate at every point; InvalidRunError when it takes longer than the clock allows."""
    rows: tuple[float | None, ...] = beside.values if beside else (None,)
    with given(executor) as pool:
        runs = _replicated(_asked(question, over, beside, rows), clock, tell, pool)
    points = tuple(_point(x, y, runs[x, y]) for y in rows for x in over.values)
    edges = tuple(
        edge_of([one for one in points if one.y == y], y, over.of(question)) for y in rows
    )
    return CliffMap(over, beside, points, edges)


def _asked(
    question: Question, over: Axis, beside: Axis | None, rows: Sequence[float | None]
) -> dict[Place, Question]:
    """The question at each point of the map."""
    found: dict[Place, Question] = {}
    for y in rows:
        row = beside.applied(question, y) if beside and y is not None else question
        found.update({(x, y): over.applied(row, x) for x in over.values})
    return found


def _replicated(
    asked: Mapping[Place, Question], clock: Clock, tell: Tell, pool: Executor
) -> dict[Place, list[Replication]]:
    """Every seed at every point, in whatever order they come back."""
    futures: dict[Future[Replication], Place] = {}
    for place, question in asked.items():
        first = question.scenario.seed
        for seed in range(first, first + question.replications):
            futures[pool.submit(replicate_in_time, question, seed, clock)] = place
    runs: dict[Place, list[Replication]] = {}
    try:
        for number_done, future in enumerate(as_completed(futures), 1):
            runs.setdefault(futures[future], []).append(future.result())
            tell(number_done / len(futures), "")
    except InvalidRunError:
        for future in futures:
            future.cancel()
        raise
    return runs


def _point(x: float, y: float | None, runs: Sequence[Replication]) -> Point:
    ordered = sorted(runs, key=lambda run: run.seed)
    lost = tuple(run.lost / run.people if run.people else 0.0 for run in ordered)
    return Point(x, y, lost, sum(run.collapsed for run in ordered))


def edge_of(row: Sequence[Point], y: float | None, chosen: float) -> Edge:
    """The edge along a row of points, ascending: next to the run of safe values at one of its ends.

    Both ends safe, or none: no edge.
    """
    safe = [point.collapses == 0 for point in row]
    if safe[-1] == safe[0]:
        return Edge(y, None, None, chosen)
    ordered = list(row) if safe[-1] else list(row)[::-1]  # from the dangerous end to the safe one
    last = max(at for at, point in enumerate(ordered) if point.collapses)
    return Edge(y, ordered[last].x, ordered[last + 1].x, chosen)
