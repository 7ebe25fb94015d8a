"""Latency by step, from the intended start, and offered against achieved: the fold of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.report import plots
from harness.report.dossier import RunRecord
from harness.report.plots import Plot
from harness.report.units import NOTHING, count, digits, plural, seconds, share, words
from workload.histogram import Histogram
from workload.summary import StepSummary, Summary

#: Outcomes that are answers; every other is a failure of some kind.
ANSWERS = ("accepted", "pending", "declined")
KEPT_UP = 0.99


@dataclass(frozen=True)
class LatencyRow:
    """A step's visits, by how they ended, and its latency percentiles."""

    step: str
    visits: str
    attempts: str
    accepted: str
    declined: str
    failed: str
    open: str
    failures: str
    p50: str
    p95: str
    p99: str


@dataclass(frozen=True)
class AttemptRow:
    """Single attempts, answered and failed apart: from the intended start, and from the send."""

    step: str
    ok_p50: str
    ok_p95: str
    ok_p99: str
    failed_p50: str
    failed_p95: str
    service_p50: str
    service_p95: str


def latency_rows(summary: Summary) -> list[LatencyRow]:
    """A row a step that was reached."""
    return [_latency_row(step) for step in summary.steps if step.visits]


def _latency_row(step: StepSummary) -> LatencyRow:
    failures = [
        f"{words(name)} {count(number)}"
        for name, number in step.outcomes.items()
        if name not in ANSWERS
    ]
    return LatencyRow(
        step=step.name,
        visits=count(step.visits),
        attempts=count(step.attempts),
        accepted=count(step.accepted),
        declined=count(step.declined),
        failed=count(step.failed),
        open=count(step.open),
        failures=", ".join(failures) or NOTHING,
        p50=quantile(step.latency, 0.50),
        p95=quantile(step.latency, 0.95),
        p99=quantile(step.latency, 0.99),
    )


def quantile(held: Histogram, p: float) -> str:
    """A percentile, or why there is none: a p99 of ten visits would be their maximum."""
    if held.total < math.ceil(1 / (1 - p) - 1e-9):
        return "too few" if held.total else NOTHING
    return seconds(held.quantile(p))


def attempt_rows(summary: Summary) -> list[AttemptRow]:
    """A row a step that was reached."""
    return [
        AttemptRow(
            step.name,
            *(quantile(step.response_ok, p) for p in (0.50, 0.95, 0.99)),
            *(quantile(step.response_failed, p) for p in (0.50, 0.95)),
            *(quantile(step.service_ok, p) for p in (0.50, 0.95)),
        )
        for step in summary.steps
        if step.visits
    ]


def percentile_plot(run: RunRecord) -> Plot | None:
    """Its title names the slowest step; None when no step has an end."""
    if run.summary is None:
        return None
    held = {step.name: step.latency for step in run.summary.steps if step.latency.total}
    if not held:
        return None
    slowest = max(held, key=lambda name: held[name].quantile(0.95))
    others = [held[name].quantile(0.95) for name in held if name != slowest]
    title = f"Slowest is {words(slowest)}: p95 {seconds(held[slowest].quantile(0.95))}"
    if others:
        title += f"; every other step stays at or below {seconds(max(others))}"
    return plots.percentiles(f"{slug(run.name)}-percentiles", title, held)


def slug(name: str) -> str:
    """A name that may stand in an id."""
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


@dataclass(frozen=True)
class Throughput:
    """Steps begun and answered, a second, while visitors came; ``share`` of all ended visits."""

    offered_per_s: float
    achieved_per_s: float
    share: float
    open: int


def throughput(run: RunRecord) -> Throughput | None:
    """None without a summary."""
    summary = run.summary
    if summary is None:
        return None
    cells = max(1, round(run.arrivals_s / summary.cell_s))
    wide = cells * summary.cell_s
    answered = sum(step.accepted + step.declined for step in summary.steps)
    failed = sum(step.failed for step in summary.steps)
    return Throughput(
        sum(int(step.offered[:cells].sum()) for step in summary.steps) / wide,
        sum(int(step.achieved[:cells].sum()) for step in summary.steps) / wide,
        answered / (answered + failed) if answered + failed else math.nan,
        sum(step.open for step in summary.steps),
    )


def throughput_plot(run: RunRecord) -> Plot | None:
    """Its title says whether the service kept up."""
    summary, flow = run.summary, throughput(run)
    if summary is None or flow is None or not summary.steps:
        return None
    pace = "fell behind" if flow.share < KEPT_UP else "kept up"
    said = f"{run.who[0].upper()}{run.who[1:]} {pace}"
    if run.status != "complete":
        said = f"Not to be judged, the run is {run.status}"
    offered_per_s = digits(flow.offered_per_s)
    title = f"{said}: {share(flow.share)} of {offered_per_s} steps a second were answered"
    if flow.open:
        title += f" ({plural(flow.open, 'step')} still open at the end)"
    offered, achieved = (
        np.sum([getattr(step, series) for step in summary.steps], axis=0)
        for series in ("offered", "achieved")
    )
    name = f"{slug(run.name)}-throughput"
    return plots.offered_achieved(name, title, offered, achieved, summary.cell_s, run.arrivals_s)
