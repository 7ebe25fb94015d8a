"""The fold of a History: funnel, rates, and latency by step from the *intended* start.

Step latency: from the intended start of the step's first attempt to its answer, retries and
backoff included; a step that failed or was given up counts as infinite, one that was still open
when the record stopped is counted as open and judged by nobody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workload.histogram import Histogram
from workload.history import History
from workload.journey import peoples
from workload.visit import Ending, Outcome

SCHEMA_NAME: Final = "surge/summary/1"
CELLS: Final = 3600
#: The published column -> the step whose acceptance it counts.
CHECKPOINT_STEPS: Final = {
    "registered": "register",
    "email_verified": "verify_email",
    "identity_verified": "await_identity",
    "joined": "join_wave",
}


@dataclass(frozen=True)
class StepSummary:
    """One step. ``visits`` reached it; each was accepted, declined, failed, or is open."""

    name: str
    visits: int
    attempts: int
    accepted: int
    declined: int
    failed: int
    open: int
    outcomes: dict[str, int]
    latency: Histogram
    response_ok: Histogram
    response_failed: Histogram
    service_ok: Histogram
    offered: NDArray[np.int64]
    achieved: NDArray[np.int64]

    @property
    def success(self) -> float:
        """Share of the visits with an end that were answered; NaN when there is none."""
        ended = self.accepted + self.declined + self.failed
        return (self.accepted + self.declined) / ended if ended else math.nan


@dataclass(frozen=True)
class Summary:
    """``cell_s``: width of the time series' cells; ``checkpoints``: hours -> cumulative counts.

    All but ``attack``, the steps of attackers, is about people.
    """

    duration_s: float
    cell_s: float
    steps: tuple[StepSummary, ...]
    visits: int
    endings: dict[str, int]
    checkpoints: dict[float, dict[str, int]] = field(default_factory=dict)
    attack: tuple[StepSummary, ...] = ()

    def step(self, name: str) -> StepSummary | None:
        """The step of this name, if people or attackers walk it."""
        return next((one for one in (*self.steps, *self.attack) if one.name == name), None)

    @property
    def throughput_per_s(self) -> float:
        """Accepted steps a second, all steps, over the whole record; NaN for a record of 0 s."""
        accepted = sum(step.accepted for step in self.steps)
        return accepted / self.duration_s if self.duration_s else math.nan

    def to_json(self) -> dict[str, Any]:
        """The JSON form, `surge/summary/1`; percentiles null where infinite or unknown."""
        return {
            "schema": SCHEMA_NAME,
            "duration_s": self.duration_s,
            "cell_s": self.cell_s,
            "visits": self.visits,
            "endings": self.endings,
            "throughput_per_s": finite(self.throughput_per_s),
            "checkpoints": [{"hours": h, **counts} for h, counts in self.checkpoints.items()],
            "steps": {step.name: _step_json(step) for step in self.steps},
            "attack": {step.name: _step_json(step) for step in self.attack},
        }


def _step_json(step: StepSummary) -> dict[str, Any]:
    quantiles = {f"p{p}_s": finite(step.latency.quantile(p / 100)) for p in (50, 95, 99)}
    return {
        "visits": step.visits,
        "attempts": step.attempts,
        "accepted": step.accepted,
        "declined": step.declined,
        "failed": step.failed,
        "open": step.open,
        "outcomes": step.outcomes,
        **quantiles,
        "latency": step.latency.sparse(),
        "response_ok": step.response_ok.sparse(),
        "response_failed": step.response_failed.sparse(),
        "service_ok": step.service_ok.sparse(),
        "offered": step.offered.tolist(),
        "achieved": step.achieved.tolist(),
    }


def finite(value: float) -> float | None:
    """JSON has no infinity and no NaN: null stands for both."""
    return value if math.isfinite(value) else None


def summarize(
    history: History, duration_s: float, checkpoints_h: Sequence[float] = (), start_s: float = 0.0
) -> Summary:
    """Fold a history. ``duration_s``: of the record, from ``start_s`` (run base), in seconds.

    Checkpoints that the record does not reach are left out.
    """
    ordered = history.ordered()
    cell_s = max(1.0, math.ceil(duration_s / CELLS))
    cells = max(1, math.ceil(duration_s / cell_s))
    grid = _Grid(round(start_s * 1e9), cell_s, cells)
    groups = _Groups.of(ordered)
    steps = tuple(
        _step_summary(number, name, ordered, groups, grid)
        for number, name in enumerate(history.steps)
    )
    own = peoples(history.steps)
    people = ordered.where(ordered["step"] < own)
    endings = people["ending"][people["ending"] != Ending.OPEN]
    visits = len(np.unique(people["visitor"]))
    counts = {e.name.lower(): int((endings == e).sum()) for e in Ending if e != Ending.OPEN}
    counts["open"] = visits - sum(counts.values())
    return Summary(
        duration_s,
        cell_s,
        steps[:own],
        visits,
        counts,
        _checkpoints(groups, history.steps, [h for h in checkpoints_h if h * 3600 <= duration_s]),
        steps[own:],
    )


@dataclass(frozen=True)
class _Grid:
    start_ns: int
    cell_s: float
    cells: int

    def counts(self, at_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        cell = ((at_ns - self.start_ns) // round(self.cell_s * 1e9)).astype(np.int64)
        inside = cell[(cell >= 0) & (cell < self.cells)]
        return np.bincount(inside, minlength=self.cells).astype(np.int64)


@dataclass(frozen=True)
class _Groups:
    """One entry per (visitor, step): its first intended start, last end, last outcome, whether it
    is over: the visit ended there, or went on.
    """

    step: NDArray[np.int64]
    intended: NDArray[np.int64]
    ended: NDArray[np.int64]
    outcome: NDArray[np.int64]
    over: NDArray[np.bool_]

    @classmethod
    def of(cls, ordered: History) -> _Groups:
        visitor, step = ordered["visitor"], ordered["step"]
        fresh = np.ones(len(ordered), dtype=bool)
        fresh[1:] = (visitor[1:] != visitor[:-1]) | (step[1:] != step[:-1])
        first = np.flatnonzero(fresh)
        last = np.append(first[1:], len(ordered)) - 1 if len(first) else first
        went_on = np.zeros(len(first), dtype=bool)
        went_on[:-1] = visitor[first[1:]] == visitor[first[:-1]]
        return cls(
            step[first],
            ordered["intended"][first],
            ordered["ended"][last],
            ordered["outcome"][last],
            went_on | (ordered["ending"][last] != Ending.OPEN),
        )


def _step_summary(
    number: int, name: str, ordered: History, groups: _Groups, grid: _Grid
) -> StepSummary:
    rows = ordered.where(ordered["step"] == number)
    mine = groups.step == number
    outcome, over = groups.outcome[mine], groups.over[mine]
    accepted, declined = outcome == Outcome.ACCEPTED, outcome == Outcome.DECLINED
    answered = accepted | declined
    failed = ~answered & over
    took = (groups.ended[mine] - groups.intended[mine])[answered]
    good = np.isin(rows["outcome"], (Outcome.ACCEPTED, Outcome.PENDING, Outcome.DECLINED))
    return StepSummary(
        name=name,
        visits=int(mine.sum()),
        attempts=len(rows),
        accepted=int(accepted.sum()),
        declined=int(declined.sum()),
        failed=int(failed.sum()),
        open=int((~answered & ~failed).sum()),
        outcomes={o.name.lower(): n for o in Outcome if (n := int((rows["outcome"] == o).sum()))},
        latency=Histogram.of(took, infinite=int(failed.sum())),
        response_ok=Histogram.of((rows["ended"] - rows["intended"])[good]),
        response_failed=Histogram.of((rows["ended"] - rows["intended"])[~good]),
        service_ok=Histogram.of((rows["ended"] - rows["started"])[good]),
        offered=grid.counts(groups.intended[mine]),
        achieved=grid.counts(groups.ended[mine][answered]),
    )


def _checkpoints(
    groups: _Groups, steps: Sequence[str], hours: Sequence[float]
) -> dict[float, dict[str, int]]:
    accepted = groups.outcome == Outcome.ACCEPTED
    found: dict[float, dict[str, int]] = {}
    for hour in hours:
        done = accepted & (groups.ended <= round(hour * 3600e9))
        found[hour] = {
            column: int((done & (groups.step == steps.index(step))).sum())
            for column, step in CHECKPOINT_STEPS.items()
            if step in steps
        }
    return found
