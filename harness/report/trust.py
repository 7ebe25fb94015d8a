"""Predicted against measured: signed errors beside the noise of the measurement, held-out apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from harness.agreement_tables import GOALS
from harness.report import plots
from harness.report.plots import ErrorPoint, Plot
from harness.report.units import NOTHING, plural, rate, seconds, share, signed, visitors, words
from workload.agreement import METRICS, Agreement, Level, Row

#: The error that a prediction of a held-out level may have, by metric; None where none is set.
BANDS: Final = {metric: GOALS.get(metric) for metric in METRICS}


@dataclass(frozen=True)
class TrustRow:
    """One compared figure. ``inside``: inside or outside of its band, or a dash without one;
    ``written``: error of what was written down before the machine's pace was known.
    """

    metric: str
    measured: str
    noise: str
    predicted: str
    error: str
    inside: str
    written: str


@dataclass(frozen=True)
class TrustLevel:
    """One level of load, its rows by step, and in words how dear the machine was (``pace``)."""

    title: str
    pace: str
    held_out: bool
    steps: dict[str, list[TrustRow]]


def trust_levels(agreement: Agreement) -> list[TrustLevel]:
    """Held-out levels first: only they say anything about loads that were not measured."""
    ordered = sorted(agreement.levels, key=lambda level: not level.held_out)
    return [_level(level) for level in ordered]


def _level(level: Level) -> TrustLevel:
    kind = "held out: the model had not seen it" if level.held_out else "used for calibration"
    title = f"{visitors(level.offered_per_s)} ({kind})"
    steps: dict[str, list[TrustRow]] = {}
    for row in level.rows:
        steps.setdefault(row.step, []).append(_row(row))
    pace = (
        f"Processor time was {level.pace:.2f} times as dear as while the model was learned."
        if level.pace != 1.0  # also what an unknown pace is taken as
        else ""
    )
    return TrustLevel(title, pace, level.held_out, steps)


def _row(row: Row) -> TrustRow:
    write = rate if row.metric == "throughput" else seconds
    band = BANDS.get(row.metric)
    inside = NOTHING
    if band is not None and not math.isnan(row.error):
        inside = "inside" if abs(row.error) <= band else "outside"
    noise = NOTHING if math.isnan(row.noise) else f"±{share(row.noise)}"
    return TrustRow(
        metric=plots.metric_words(row.metric),
        measured=write(row.measured),
        noise=noise,
        predicted=write(row.predicted),
        error=signed(row.error),
        inside=inside,
        written=signed(row.written_error),
    )


def held_out_rows(agreement: Agreement) -> list[Row]:
    """Rows of all held-out levels that have a finite error."""
    return [
        row
        for level in agreement.levels
        if level.held_out
        for row in level.rows
        if math.isfinite(row.error)
    ]


def trust_title(agreement: Agreement) -> str:
    """The answer: how many predictions of unseen load lie in their band, and the worst."""
    rows = [row for row in held_out_rows(agreement) if BANDS.get(row.metric) is not None]
    if not rows:
        return "Nothing was held out: these errors say how well the model repeats what it learned"
    inside = sum(abs(row.error) <= (BANDS[row.metric] or 0.0) for row in rows)
    worst = max(rows, key=lambda row: abs(row.error))
    metric = plots.metric_words(worst.metric)
    return (
        f"On unseen load {inside} of {plural(len(rows), 'prediction')} lie in their band; "
        f"the worst is {metric} of {words(worst.step)}, {signed(worst.error)}"
    )


def trust_plot(agreement: Agreement) -> Plot | None:
    """None when nothing was compared."""
    points = [
        ErrorPoint(row.step, row.metric, row.error, row.noise, level.held_out)
        for level in agreement.levels
        for row in level.rows
        if row.metric in METRICS and math.isfinite(row.error)
    ]
    if not points:
        return None
    return plots.errors("agreement", trust_title(agreement), points, BANDS)


def saturation(agreement: Agreement) -> str:
    """The rate at which the busiest station is full: predicted and measured."""
    if math.isnan(agreement.saturation_measured_per_s):
        return ""
    return (
        f"Saturation: predicted {rate(agreement.saturation_predicted_per_s)}, measured "
        f"{rate(agreement.saturation_measured_per_s)}, error {signed(agreement.saturation_error)}."
    )
