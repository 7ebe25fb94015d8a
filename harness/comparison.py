"""Is B worse than A? Two runs of one experiment, step by step, with an interval.

Quantiles and failed shares of B against A. The interval (95 %) is a block bootstrap: whole seconds
of a run are drawn with replacement, because latencies within a second share its queues and are not
independent (Künsch 1989, with blocks that do not overlap). It holds what varies within a run, not
what varies between runs: so a step is *worse* only when the interval lies above zero, and the
change is larger than a share and larger than a floor, both of which neighbours can cause.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workload.agreement import FEWEST
from workload.errors import Fault, InputError, RecordError
from workload.history import History, read_history
from workload.manifest import Manifest, read_manifest
from workload.telemetry import FILE_NAME, read_telemetry
from workload.visit import Ending, Outcome

SCHEMA_NAME = "surge/comparison/1"
QUANTILES = {"p50_s": 0.50, "p95_s": 0.95, "p99_s": 0.99}
#: Failed shares that differ by less are the same: one in a thousand.
FAILED_FLOOR = 0.001
REPETITIONS = 1000
#: Repetitions times visits at most; beyond it fewer repetitions do, for the visits are many.
MOST_CELLS = 40_000_000
CELLS_AT_ONCE = 2_000_000
UNKNOWN = (math.nan, math.nan, math.nan, math.nan, math.nan)
#: Fewer seconds can't be resampled to any purpose.
FEWEST_BLOCKS = 8
BLOCK_NS = 1_000_000_000
#: The generator's speed probe: a machine that differs by more is a finding of its own.
SPEED_SHARE = 0.15
#: A generator that is later than this at its 99th percentile had no quiet machine.
LATE_S = 0.005


@dataclass(frozen=True)
class Tolerance:
    """What counts as worse: more than ``share`` of A, and more than ``floor_s`` seconds."""

    share: float = 0.10
    floor_s: float = 0.005


@dataclass(frozen=True)
class Side:
    """One run: its manifest, its history, and how slow its machine was (seconds, NaN unknown)."""

    path: Path
    manifest: Manifest
    history: History
    probe_s: float


@dataclass(frozen=True)
class Change:
    """One figure of a step. ``change``: after / before - 1, of `failed` the difference."""

    step: str
    metric: str
    before: float
    after: float
    change: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """All figures, and what else differs between the two."""

    before: Path
    after: Path
    rows: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def regression(self) -> bool:
        return any(row.verdict == "worse" for row in self.rows)


@dataclass(frozen=True)
class Visits:
    """Visits to a step that ended: seconds (infinite where failed), and the block of each."""

    took_s: NDArray[np.float64]
    block: NDArray[np.int64]


def read_side(directory: Path) -> Side:
    """A run to compare; RecordError when it is not complete or not a run."""
    manifest = read_manifest(directory)
    if manifest.status != "complete":
        why = "; ".join(manifest.reasons) or "it did not run to its end"
        raise RecordError(
            str(directory), [Fault("status", manifest.status, f"{why}; run it again")]
        )
    return Side(directory, manifest, read_history(directory), _probe_s(directory))


def _probe_s(directory: Path) -> float:
    """Median of the speed probe, seconds."""
    if not (directory / FILE_NAME).is_file():
        return math.nan
    found = read_telemetry(directory).samples.get(("generator", "surge_speed_probe_seconds"))
    return float(np.median(found[1])) if found else math.nan


def compare_runs(before: Side, after: Side, tolerance: Tolerance) -> Comparison:
    """Every step that both have; InputError when the two are not the same experiment."""
    check_same_experiment(before, after)
    rows: list[Change] = []
    for step in before.history.steps:
        if step in after.history.steps:
            one, other = visits_of(before.history, step), visits_of(after.history, step)
            rows += changes(step, one, other, tolerance)
    return Comparison(before.path, after.path, tuple(rows), tuple(_notes(before, after)))


def check_same_experiment(before: Side, after: Side) -> None:
    """Scenario and bending must agree: else a difference says nothing of the service."""
    faults = []
    if before.manifest.fingerprint != after.manifest.fingerprint:
        names = f"{before.manifest.scenario} and {after.manifest.scenario}"
        faults.append(Fault("fingerprint", names, "compare two runs of one scenario"))
    for name in before.manifest.bending.differences(after.manifest.bending):
        values = [getattr(side.manifest.bending, name) for side in (before, after)]
        faults.append(Fault(name, values, "compare runs that were bent in the same way"))
    if faults:
        raise InputError(f"{before.path} and {after.path}", faults)


def _notes(before: Side, after: Side) -> Iterator[str]:
    """What differs beside the service, for people to weigh."""
    if before.manifest.machine != after.manifest.machine:
        yield "the two runs come from different machines"
    slower = after.probe_s / before.probe_s - 1
    if abs(slower) > SPEED_SHARE:
        word = "slower" if slower > 0 else "faster"
        yield f"the machine was {abs(slower):.0%} {word} in the second run (its speed probe)"
    lag = [float(side.manifest.generator.get("lag_p99_s") or 0.0) for side in (before, after)]
    if lag[1] > 2 * lag[0] and lag[1] >= LATE_S:
        yield (
            f"the generator itself was late (99th percentile {lag[0] * 1e3:g} → {lag[1] * 1e3:g} "
            "ms): something else used this machine; run it again before believing a regression"
        )
    for key in ("workers", "pool", "lanes", "identity_check", "admission", "registry_slots"):
        held = [side.manifest.capacity.get(key) for side in (before, after)]
        if held[0] != held[1]:
            yield f"the service's {key} was {held[0]} and is {held[1]}"


def visits_of(history: History, step: str) -> Visits:
    """The visits to a step, by (visitor); those still open at the end are left out."""
    ordered = history.where(history["step"] == history.steps.index(step)).ordered()
    visitor = ordered["visitor"]
    fresh = np.ones(len(visitor), dtype=bool)
    fresh[1:] = visitor[1:] != visitor[:-1]
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(visitor)) - 1 if len(first) else first
    intended, outcome = ordered["intended"][first], ordered["outcome"][last]
    answered = np.isin(outcome, (Outcome.ACCEPTED, Outcome.DECLINED))
    ended = answered | (ordered["ending"][last] != Ending.OPEN)
    took = np.where(answered, (ordered["ended"][last] - intended) / 1e9, math.inf)
    return Visits(took[ended], (intended // BLOCK_NS)[ended])


def changes(step: str, before: Visits, after: Visits, tolerance: Tolerance) -> Iterator[Change]:
    """A step's figures, judged."""
    ones, others = Resampled(before, 1), Resampled(after, 2)
    for metric, p in QUANTILES.items():
        fewest = min(len(before.took_s), len(after.took_s))
        if fewest < FEWEST[metric] or min(ones.blocks, others.blocks) < FEWEST_BLOCKS:
            yield Change(step, metric, *UNKNOWN, "unknown")
            continue
        b, a = ones.quantile(p), others.quantile(p)
        yield judged(step, metric, b, a, tolerance)
    b, a = ones.failed(), others.failed()
    if len(b) > 1 and len(a) > 1:
        low, high = _interval(a - b)
        change = float(a[0] - b[0])
        verdict = _verdict(low, high, large=abs(change) > FAILED_FLOOR)
        yield Change(step, "failed", float(b[0]), float(a[0]), change, low, high, verdict)


def judged(
    step: str, metric: str, before: NDArray[np.float64], after: NDArray[np.float64],
    tolerance: Tolerance,
) -> Change:  # fmt: skip
    """One quantile. The first entry is what was measured, the others are resampled."""
    b, a = float(before[0]), float(after[0])
    if math.isinf(b) or math.isinf(a):
        verdict = "same" if b == a else "worse" if math.isinf(a) else "better"
        return Change(step, metric, b, a, math.nan, math.nan, math.nan, verdict)
    with np.errstate(invalid="ignore"):
        low, high = _interval(after / before - 1)
    change = a / b - 1
    large = abs(change) > tolerance.share and abs(a - b) > tolerance.floor_s
    return Change(step, metric, b, a, change, low, high, _verdict(low, high, large=large))


def _verdict(low: float, high: float, *, large: bool) -> str:
    if large and low > 0:
        return "worse"
    return "better" if large and high < 0 else "same"


def _interval(resampled: NDArray[np.float64]) -> tuple[float, float]:
    """2.5th and 97.5th percentile; infinite ends where tails never ended."""
    known = resampled[1:][~np.isnan(resampled[1:])]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, (0.025, 0.975), method="nearest")
    return float(low), float(high)


class Resampled:
    """Visits with blocks drawn again and again; entry 0 of each figure is the visits as they are.

    ``salt`` keeps the draws of two sides apart; the same visits always give the same figures.
    """

    def __init__(self, visits: Visits, salt: int) -> None:
        order = np.argsort(visits.took_s, kind="stable")
        self._took = visits.took_s[order]
        blocks, member = np.unique(visits.block[order], return_inverse=True)
        self._member, self.blocks = member, len(blocks)
        times = min(REPETITIONS, max(50, MOST_CELLS // max(len(order), 1))) if len(order) else 0
        chance = np.random.Generator(np.random.PCG64(salt))
        even = np.full(len(blocks), 1 / max(len(blocks), 1))
        drawn = chance.multinomial(len(blocks), even, size=times) if times else np.zeros((0, 0))
        self._weights = np.concatenate([np.ones((1, len(blocks))), drawn])

    def quantile(self, p: float) -> NDArray[np.float64]:
        """Nearest-rank quantile of each repetition, seconds."""
        found = []
        at_once = max(1, CELLS_AT_ONCE // len(self._took))
        for start in range(0, len(self._weights), at_once):
            running = np.cumsum(self._weights[start : start + at_once, self._member], axis=1)
            rank = np.maximum(1.0, np.ceil(p * running[:, -1] - 1e-9))
            found.append(self._took[(running < rank[:, None]).sum(axis=1)])
        return np.concatenate(found)

    def failed(self) -> NDArray[np.float64]:
        """Failed share of each repetition."""
        if not len(self._took):
            return np.zeros(0)
        blocks = self._weights.shape[1]
        every = np.bincount(self._member, minlength=blocks)
        lost = np.bincount(self._member[np.isinf(self._took)], minlength=blocks)
        return np.asarray(self._weights @ lost / (self._weights @ every))


def to_json(found: Comparison) -> dict[str, Any]:
    """`surge/comparison/1`; null where infinite or unknown."""

    def plain(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "schema": SCHEMA_NAME,
        "before": str(found.before),
        "after": str(found.after),
        "regression": found.regression,
        "rows": [
            {
                "step": row.step,
                "metric": row.metric,
                **{
                    key: plain(getattr(row, key))
                    for key in ("before", "after", "change", "low", "high")
                },
                "verdict": row.verdict,
            }
            for row in found.rows
        ],
        "notes": list(found.notes),
    }
