"""How far a prediction may be trusted: a fold of measured and predicted Summaries, signed.

error = predicted / measured - 1: -1 where only the measurement is infinite, infinite where only
the prediction is, unknown (NaN) where both are; JSON has null for what is not finite. Noise
is the spread of repeated measurements of one level, half their range relative to their median;
without repeats it is unknown.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from workload.summary import Summary, finite

SCHEMA_NAME: Final = "surge/agreement/1"
METRICS: Final = ("throughput", "p50_s", "p95_s", "p99_s")
#: A percentile needs this many visits with an end before it is compared.
FEWEST: Final = {"p50_s": 20, "p95_s": 100, "p99_s": 500}


def signed_error(predicted: float, measured: float) -> float:
    """predicted / measured - 1; NaN where it has no meaning (0, or both infinite)."""
    if not measured or (math.isinf(predicted) and math.isinf(measured)):
        return math.nan
    return predicted / measured - 1


@dataclass(frozen=True)
class Row:
    """One step, one metric: measured (median of the repeats), its noise, predicted, error.

    ``predicted``: at the pace that the machine had. ``written``: before anybody knew that, at the
    pace at which the model was learned; NaN where nobody wrote it down.
    """

    step: str
    metric: str
    measured: float
    noise: float
    predicted: float
    written: float = math.nan

    @property
    def error(self) -> float:
        return signed_error(self.predicted, self.measured)

    @property
    def written_error(self) -> float:
        """Of what was written down before."""
        return signed_error(self.written, self.measured)

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "metric": self.metric,
            "measured": finite(self.measured),
            "noise": finite(self.noise),
            "predicted": finite(self.predicted),
            "error": finite(self.error),
            "written": finite(self.written),
        }


@dataclass(frozen=True)
class Basis:
    """When, where and on what the two worlds were compared; '' and empty where nobody noted it.

    ``predicted_unix``: when the prediction was written down; ``prediction_sha256``: of that file.
    """

    began_unix: float = 0.0
    machine: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
    scenario: str = ""
    fingerprint: str = ""
    record: str = ""
    predicted_unix: float = 0.0
    prediction_sha256: str = ""


@dataclass(frozen=True)
class Level:
    """One level of offered load. ``held_out``: the model had not seen it.

    ``utilisation``: station -> measured busy share while visitors came; ``settings``: those of the
    deployment that answered. Both empty where nobody noted them. ``deployment``: by what name it
    differs from the one that was learned from, '' for that one; ``expected``: station -> busy share
    that was predicted, at the pace. ``pace``: what processor time cost beside the learning; 1 where
    that is unknown.
    """

    offered_per_s: float
    held_out: bool
    rows: tuple[Row, ...]
    utilisation: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    deployment: str = ""
    expected: Mapping[str, float] = field(default_factory=dict)
    pace: float = 1.0


@dataclass(frozen=True)
class Agreement:
    """Levels, and the saturation rate of first attempts to the busiest station (per second)."""

    calibrated_on: tuple[str, ...]
    saturation_predicted_per_s: float
    saturation_measured_per_s: float
    levels: tuple[Level, ...]
    basis: Basis = field(default_factory=Basis)

    @property
    def saturation_error(self) -> float:
        return signed_error(self.saturation_predicted_per_s, self.saturation_measured_per_s)

    def worst(self, metric: str) -> Row | None:
        """The held-out row of a metric with the largest error in size; an infinite one leads."""
        rows = [
            row
            for level in self.levels
            if level.held_out
            for row in level.rows
            if row.metric == metric and not math.isnan(row.error)
        ]
        return max(rows, key=lambda row: abs(row.error), default=None)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA_NAME,
            "calibrated_on": list(self.calibrated_on),
            "saturation": {
                "predicted_per_s": finite(self.saturation_predicted_per_s),
                "measured_per_s": finite(self.saturation_measured_per_s),
                "error": finite(self.saturation_error),
            },
            "levels": [
                {
                    "offered_per_s": level.offered_per_s,
                    "held_out": level.held_out,
                    "utilisation": dict(level.utilisation),
                    "settings": dict(level.settings),
                    "deployment": level.deployment,
                    "expected_utilisation": dict(level.expected),
                    "pace": level.pace,
                    "rows": [row.to_json() for row in level.rows],
                }
                for level in self.levels
            ],
            "basis": asdict(self.basis),
        }


def agreement_from(raw: dict[str, Any]) -> Agreement:
    """The inverse of `Agreement.to_json`; a ``schema`` key is left aside.

    KeyError, TypeError or ValueError for what is no agreement.
    """

    def number(value: float | None) -> float:
        return math.nan if value is None else float(value)

    levels = tuple(
        Level(
            float(level["offered_per_s"]),
            bool(level["held_out"]),
            tuple(
                Row(
                    r["step"],
                    r["metric"],
                    number(r["measured"]),
                    number(r["noise"]),
                    number(r["predicted"]),
                    number(r.get("written")),
                )
                for r in level["rows"]
            ),
            level.get("utilisation", {}),
            level.get("settings", {}),
            level.get("deployment", ""),
            level.get("expected_utilisation", {}),
            float(level.get("pace", 1.0)),
        )
        for level in raw["levels"]
    )
    saturation = raw["saturation"]
    return Agreement(
        tuple(raw["calibrated_on"]),
        number(saturation["predicted_per_s"]),
        number(saturation["measured_per_s"]),
        levels,
        Basis(**raw.get("basis", {})),
    )


def compare(
    measured: Sequence[Summary], predicted: Sequence[Summary], written: Sequence[Summary] = ()
) -> tuple[Row, ...]:
    """Rows for every step and metric that both worlds have enough visits for.

    ``measured`` are repeats of one level; ``predicted`` replications of it, ``written`` those that
    were written down before. Medians of each.
    """
    rows = []
    for step in measured[0].steps if measured else ():
        for metric in METRICS:
            seen, foreseen, before = (
                [v for s in every if (v := figure(s, step.name, metric)) is not None]
                for every in (measured, predicted, written)
            )
            if seen and foreseen:
                rows.append(
                    Row(
                        step.name,
                        metric,
                        statistics.median(seen),
                        _noise(seen),
                        statistics.median(foreseen),
                        statistics.median(before) if before else math.nan,
                    )
                )
    return tuple(rows)


def _noise(seen: Sequence[float]) -> float:
    """Half the range of the repeats, of their median; NaN for one alone."""
    middle = statistics.median(seen)
    return (max(seen) - min(seen)) / 2 / middle if len(seen) > 1 and middle else math.nan


def figure(summary: Summary, step: str, metric: str) -> float | None:
    """A step's figure, or None where it has too few visits for it."""
    found = summary.step(step)
    if found is None:
        return None
    if metric == "throughput":
        answered = found.accepted + found.declined
        return answered / summary.duration_s if found.visits and summary.duration_s else None
    if found.latency.total < FEWEST[metric]:
        return None
    return found.latency.quantile(int(metric[1:3]) / 100)
