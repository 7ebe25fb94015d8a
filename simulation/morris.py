"""Elementary effects: which of many factors matter, from few answers (Morris 1991).

A trajectory walks from corner to corner of a grid of LEVELS in the unit cube, one factor a step, by
DELTA. The answer's change over the factor's is that factor's elementary effect there. Over many
trajectories their mean mu says which way it goes, the mean of their sizes mu* (Campolongo, Cariboni
& Saltelli 2007) how much it matters, and their standard deviation sigma whether that depends on
the others, or is not linear.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workload.draws import MORRIS, ONE, draws

Flow = NDArray[np.float64]
#: Morris' own choice: an even number of levels p, and a step of p / (2 (p - 1)).
LEVELS: Final = 4
DELTA: Final = LEVELS / (2 * (LEVELS - 1))
# What a draw of a trajectory is for: the lower level, the direction, the order of the factors.
LEVEL: Final = 0
DIRECTION: Final = 1
ORDER: Final = 2


@dataclass(frozen=True)
class Effect:
    """Of one factor on one answer, per whole range of the factor: mu, mu* and sigma."""

    mean: float
    strength: float
    spread: float

    def to_json(self) -> dict[str, Any]:
        return {"mu": self.mean, "mu_star": self.strength, "sigma": self.spread}


def trajectories(seed: int, factors: int, count: int) -> Flow:
    """Points of ``count`` trajectories in the unit cube: [trajectory, factors + 1, factors].

    Neighbours on a trajectory differ in one factor, by DELTA; every factor is moved once.
    """

    def drawn(number: int) -> NDArray[np.int64]:
        who = np.arange(count, dtype=np.int64)
        rows = [draws(seed, who, factor, number, MORRIS) for factor in range(factors)]
        return np.stack(rows, axis=1)

    # Levels from which a step up stays inside: 0, 1/(p-1), …, 1 - DELTA.
    lower = drawn(LEVEL) * (LEVELS // 2) // ONE / (LEVELS - 1)
    falls = drawn(DIRECTION) < ONE // 2
    place = np.argsort(np.argsort(drawn(ORDER), axis=1), axis=1)
    start, end = lower + DELTA * falls, lower + DELTA * ~falls
    moved = place[:, None, :] < np.arange(factors + 1)[None, :, None]
    return np.where(moved, end[:, None, :], start[:, None, :])


def elementary_effects(points: Flow, answers: Flow) -> Flow:
    """[trajectory, factor], from points as `trajectories` gives them and an answer at each."""
    steps = np.diff(points, axis=1)
    factor = np.abs(steps).argmax(axis=2)
    size = np.take_along_axis(steps, factor[:, :, None], axis=2)[:, :, 0]
    found = np.empty(factor.shape)
    np.put_along_axis(found, factor, np.diff(answers, axis=1) / size, axis=1)
    return found


def effects_of(points: Flow, answers: Flow) -> tuple[Effect, ...]:
    """One effect a factor; ``answers``: [trajectory, factors + 1]. At least two trajectories."""
    found = elementary_effects(points, answers)
    return tuple(
        Effect(
            mean=math.fsum(column) / len(column),
            strength=math.fsum(np.abs(column)) / len(column),
            spread=float(np.std(column, ddof=1)),
        )
        for column in found.T
    )
