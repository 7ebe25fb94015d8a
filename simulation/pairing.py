"""A what-if on the same luck: two worlds, replication by replication, and what that is worth.

Both worlds are walked by the same visitors on the same draws (common random numbers), so that luck
cancels out in their difference. With a and b a figure of each, over n seeds:

    Var(a - b) = Var a + Var b - 2 Cov(a, b)

Worlds on luck of their own have Cov = 0: what pairing saves is (Var a + Var b) / Var(a - b).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from simulation.cliff import DEMAND, PATIENCE, read_axis
from simulation.deployment import with_settings
from simulation.exchange import is_whole_wave, opened, waves_of
from simulation.projection import Projection
from simulation.replication import Question, Replication
from workload.errors import Fault, InputError
from workload.opening import EVERYONE
from workload.summary import finite

CONFIDENCE: Final = 0.95
OPENING: Final = "opening"
REPLICA_HOURS: Final = "replica-hours"
#: Stations whose waiting is compared.
QUEUES: Final = ("event_loop", "database", "registry_client", "mail_sender")


def changed(question: Question, pairs: Sequence[str]) -> Question:
    """The question with ``key=value`` pairs applied: of the deployment, of everybody's patience
    (attempts, timeout_s, …), `demand` or `opening`; InputError with the remedy.
    """
    settings = []
    for pair in pairs:
        if pair.partition("=")[0].strip() == OPENING:
            question = _opened(question, pair)
        elif pair.partition("=")[0].strip() in (*PATIENCE, DEMAND):
            axis = read_axis("--against", pair)
            question = axis.applied(question, axis.values[0])
        else:
            settings.append(pair)
    return replace(question, deployment=with_settings(question.deployment, settings))


def _opened(question: Question, pair: str) -> Question:
    """``opening=everyone`` or ``opening=waves``: a whole wave, let in at once or in four parts."""
    value = pair.partition("=")[2].strip()
    opening = {"everyone": EVERYONE, "waves": waves_of(question.scenario.curve)}.get(value)
    if opening is None:
        remedy = "write opening=everyone, or opening=waves (of a wave of four minutes or more)"
        raise InputError("options", [Fault("--against", pair, remedy)])
    if not is_whole_wave(question):
        remedy = "leave out --window: a part of a wave has no other opening"
        raise InputError("options", [Fault("--against", pair, remedy)])
    return opened(question, opening)


@dataclass(frozen=True)
class Difference:
    """A figure in both worlds, means over the seeds; ``saved``: how many times as many seeds it
    would take to know the difference as well without pairing. None where it can't be said.
    """

    name: str
    first: float
    second: float
    low: float
    high: float
    saved: float | None

    @property
    def difference(self) -> float:
        return self.second - self.first

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "first": self.first,
            "second": self.second,
            "difference": self.difference,
            "low": finite(self.low),
            "high": finite(self.high),
            "variance_reduction": self.saved,
        }


@dataclass(frozen=True)
class Pairing:
    """The question's own world first, the changed one second; same seeds, same order."""

    first: Projection
    second: Projection
    settings: tuple[str, ...]

    def collapses(self) -> dict[str, int]:
        """Seeds by what became of them: both collapse, only one of the two, neither."""
        pairs = [
            (a.collapsed, b.collapsed)
            for a, b in zip(self.first.replications, self.second.replications, strict=True)
        ]
        return {
            "both": pairs.count((True, True)),
            "only_first": pairs.count((True, False)),
            "only_second": pairs.count((False, True)),
            "neither": pairs.count((False, False)),
        }

    @property
    def comparable(self) -> tuple[tuple[Replication, Replication], ...]:
        """Pairs whose figures may be averaged: none across two outcomes.

        All of them where each world has one outcome; else those that collapse in neither.
        """
        pairs = tuple(zip(self.first.replications, self.second.replications, strict=True))
        if not self.first.two_peaked and not self.second.two_peaked:
            return pairs
        return tuple((a, b) for a, b in pairs if not a.collapsed and not b.collapsed)

    def differences(self) -> list[Difference]:
        """Every figure that is finite in all comparable pairs and not zero in all of them."""
        pairs = self.comparable
        if not pairs:
            return []
        rows = [(_figures(a), _figures(b)) for a, b in pairs]
        found = []
        for name in rows[0][0]:
            a, b = (np.asarray([row[at].get(name, math.nan) for row in rows]) for at in (0, 1))
            if np.isfinite(a).all() and np.isfinite(b).all() and (a.any() or b.any()):
                found.append(difference_of(name, a.tolist(), b.tolist()))
        return found

    def to_json(self) -> dict[str, Any]:
        low, high = self.second.collapse()
        return {
            "settings": list(self.settings),
            "collapse": {"count": self.second.collapses, "low": low, "high": high},
            "collapses": self.collapses(),
            "compared": len(self.comparable),
            "differences": [one.to_json() for one in self.differences()],
        }


def difference_of(name: str, first: Sequence[float], second: Sequence[float]) -> Difference:
    """Second less first with Student's interval, and what pairing saved; one pair has neither."""
    a, b = np.asarray(first), np.asarray(second)
    apart = b - a
    middle = float(apart.mean())
    if len(apart) < 2:
        return Difference(name, float(a.mean()), float(b.mean()), math.nan, math.nan, None)
    error = float(apart.std(ddof=1)) / math.sqrt(len(apart))
    from scipy import stats  # here: 60 MB that no walk needs

    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(apart) - 1)) * error
    paired, alone = float(apart.var(ddof=1)), float(a.var(ddof=1) + b.var(ddof=1))
    saved = alone / paired if paired > 1e-18 * max(alone, 1e-300) and paired > 0 else None
    return Difference(name, float(a.mean()), float(b.mean()), middle - reach, middle + reach, saved)


def _figures(one: Replication) -> dict[str, float]:
    """Of one replication: the share lost, latencies (s), waits (s), and hours of replicas that come
    and go.
    """
    found = {"lost": one.lost_share}
    for step in one.summary.steps:
        for p in (50, 95, 99):
            found[f"p{p} {step.name}"] = step.latency.quantile(p / 100)
    for name in QUEUES:
        if name in one.stations:
            found[f"mean wait {name}"] = one.stations[name]["mean_wait_s"]
            found[f"longest wait {name}"] = one.stations[name]["longest_wait_s"]
    if one.scaled:
        found[REPLICA_HOURS] = one.scaled.replica_hours
    return found
