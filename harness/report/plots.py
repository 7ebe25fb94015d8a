"""The plots of the report. Each title is the answer; each figure also says it in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MultipleLocator, NullLocator
from numpy.typing import NDArray

from harness.report.canvas import (
    BAND,
    DASHES,
    FAINT,
    GRID,
    INK,
    MARKERS,
    SERIES,
    label_ends,
    sheet,
)
from harness.report.units import count, digits, rate, seconds, share, signed, words
from workload.histogram import Histogram

MOST_CELLS = 300
#: Tail axis: x = -log10(1 - p), so that each further nine has the same width.
TAIL_TICKS = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)


@dataclass(frozen=True)
class Plot:
    """``title``: the answer. ``told``: what there is to see, in words. ``svg``: the drawing."""

    title: str
    told: str
    svg: str


def offered_achieved(
    name: str,
    title: str,
    offered: NDArray[np.int64],
    achieved: NDArray[np.int64],
    cell_s: float,
    arrivals_s: float,
) -> Plot:
    """Steps begun and steps answered, a second, over the time of the run (cells of ``cell_s``)."""
    seen = np.flatnonzero(offered + achieved)
    used = max(int(seen[-1]) + 1 if len(seen) else 1, math.ceil(arrivals_s / cell_s))
    offered, achieved = offered[:used], achieved[:used]
    wide = max(1, math.ceil(len(offered) / MOST_CELLS))
    pads = -len(offered) % wide
    begun, answered = (
        np.append(series, np.zeros(pads)).reshape(-1, wide).sum(axis=1) / (wide * cell_s)
        for series in (offered, achieved)
    )
    edges = np.arange(len(begun) + 1) * wide * cell_s
    told = (
        f"Line chart over {seconds(len(offered) * cell_s)}: steps begun reach {rate(begun.max())}, "
        f"steps answered reach {rate(answered.max())}."
    )
    with sheet(name, title, told, 2.7) as drawing:
        axes = drawing.figure.subplots()
        axes.stairs(answered, edges, fill=True, color=SERIES[0], alpha=0.14)
        axes.stairs(answered, edges, color=SERIES[0], linewidth=1.7, label="answered")
        axes.stairs(begun, edges, color=INK, linewidth=1.0, linestyle=DASHES[1],
                    label="begun (offered)")  # fmt: skip
        axes.set(ylabel="steps a second")
        axes.set_ylim(0, max(float(begun.max()), float(answered.max()), 1.0) * 1.12)
        time_axis(axes, max(float(edges[-1]), 1.0))
        mark(axes, arrivals_s, "arrivals end")
        axes.legend(loc="upper right", ncols=2, bbox_to_anchor=(1.0, 1.15))
    return Plot(title, told, drawing.svg)


def time_axis(axes: Axes, end_s: float) -> None:
    """Seconds, minutes or hours, whatever reads best."""
    per, unit = next((p, u) for p, u in ((3600, "hours"), (60, "minutes"), (1, "seconds"))
                     if end_s >= 5 * p or p == 1)  # fmt: skip
    axes.set_xlim(0, end_s)
    axes.xaxis.set_major_locator(MultipleLocator(per * _round_step(end_s / per / 10)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _at: digits(value / per)))
    axes.set_xlabel(f"{unit} since the doors opened")


def _round_step(wanted: float) -> float:
    """The first of 1, 2, 5, 10, 20, … that is not smaller, or 0.5 and so on below 1."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= wanted)


def mark(axes: Axes, at: float, what: str) -> None:
    """A line at an instant, and what was then; none at the edges."""
    if 0 < at < axes.get_xlim()[1] * 0.97:
        axes.axvline(at, color=FAINT, linewidth=0.8)
        axes.annotate(
            what, (at, 1.0), xycoords=("data", "axes fraction"), xytext=(4, -9),
            textcoords="offset points", color=FAINT, fontsize=7.5,
        )  # fmt: skip


def percentiles(name: str, title: str, latencies: Mapping[str, Histogram]) -> Plot:
    """Latency by percentile, a line a step; it ends where the steps were never answered."""
    told = "Line chart of latency by percentile: " + "; ".join(
        f"{words(step)} p50 {seconds(held.quantile(0.5))}, p99 {seconds(held.quantile(0.99))}"
        for step, held in latencies.items()
    )
    deepest = max((held.total for held in latencies.values()), default=1)
    last = min(4.0, max(1.0, math.log10(max(deepest, 10))))
    with sheet(name, title, told, 3.6) as drawing:
        axes = drawing.figure.subplots()
        ends = []
        for number, (step, held) in enumerate(latencies.items()):
            colour, dash = SERIES[number % len(SERIES)], DASHES[number % len(DASHES)]
            x, y = _tail(held, last)
            if len(x):
                axes.plot(x, y, color=colour, linestyle=dash)
                axes.plot(x[-1:], y[-1:], marker=MARKERS[number % len(MARKERS)], color=colour,
                          markersize=4)  # fmt: skip
                never = " (then never)" if held.quantile(1.0) == math.inf else ""
                ends.append((float(x[-1]), float(y[-1]), words(step) + never, colour))
        axes.set(yscale="log", ylabel="step latency", xlabel="percentile of visits")
        ticks = [p for p in TAIL_TICKS if _place(p) <= last + 1e-9]
        axes.set_xlim(0, last)
        axes.xaxis.set_major_locator(FixedLocator([_place(p) for p in ticks]))
        axes.set_xticklabels([f"p{digits(p * 100, 4)}" for p in ticks])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: seconds(value)))
        low, high = axes.get_ylim()
        subs = (1.0, 2.0, 5.0) if high < low * 200 else (1.0,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs))
        axes.yaxis.set_minor_locator(NullLocator())
        label_ends(axes, ends)
    return Plot(title, told, drawing.svg)


def _place(p: float) -> float:
    return -math.log10(1 - p)


def _tail(held: Histogram, last: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(x, latency in s) as far as the visits reach and were answered."""
    if not held.total:
        return np.zeros(0), np.zeros(0)
    far = min(last, math.log10(held.total)) if held.total > 1 else 0.0
    x = np.linspace(0.0, far, 160)
    y = np.asarray([held.quantile(max(1 - 10**-place, 1e-9)) for place in x])
    answered = np.isfinite(y)
    return x[answered], y[answered]


def depths(
    name: str,
    title: str,
    at: NDArray[np.float64],
    queues: Mapping[str, NDArray[np.float64]],
    arrivals_s: float,
) -> Plot:
    """How many wait in each queue, over the time of the run."""
    told = "Line chart of queue depths: " + "; ".join(
        f"{queue} peaks at {count(depth.max())}" for queue, depth in queues.items()
    )
    with sheet(name, title, told, 2.5) as drawing:
        axes = drawing.figure.subplots()
        for number, (queue, depth) in enumerate(queues.items()):
            axes.step(at, depth, where="post", color=SERIES[number], linestyle=DASHES[number],
                      label=f"{queue} (peak {count(depth.max())})")  # fmt: skip
        axes.set(ylabel="waiting")
        top = max(float(depth.max()) for depth in queues.values())
        axes.set_ylim(0, max(top, 1.0) * 1.12)
        time_axis(axes, float(at[-1]))
        mark(axes, arrivals_s, "arrivals end")
        axes.legend(loc="upper right", ncols=3, bbox_to_anchor=(1.0, 1.17))
    return Plot(title, told, drawing.svg)


def levels(name: str, title: str, points: Sequence[tuple[str, float, float]]) -> Plot:
    """Answered against offered, a point a run: (run, steps begun a second, answered a second)."""
    told = "Scatter chart, answered against offered steps a second: " + "; ".join(
        f"{run} offered {rate(offered)}, answered {rate(achieved)}"
        for run, offered, achieved in points
    )
    with sheet(name, title, told, 2.8) as drawing:
        axes = drawing.figure.subplots()
        top = max(max(offered, achieved) for _run, offered, achieved in points) * 1.1
        axes.plot([0, top], [0, top], color=FAINT, linewidth=1.0, linestyle=DASHES[2])
        axes.annotate(
            "all answered in time", (top * 0.97, top * 0.97), color=FAINT, ha="right", va="bottom",
            xytext=(-8, 0), textcoords="offset points",
        )  # fmt: skip
        axes.plot([p[1] for p in points], [p[2] for p in points], "o", color=SERIES[0])
        for run, offered, achieved in points:
            axes.annotate(run, (offered, achieved), xytext=(6, -11), textcoords="offset points")
        axes.set(xlabel="steps begun a second", ylabel="answered a second")
        axes.set_xlim(0, top * 1.15)
        axes.set_ylim(0, top * 1.08)
    return Plot(title, told, drawing.svg)


@dataclass(frozen=True)
class ErrorPoint:
    """One compared figure: signed error and noise as shares; ``noise`` NaN when it is not known."""

    step: str
    metric: str
    error: float
    noise: float
    held_out: bool


def errors(
    name: str, title: str, points: Sequence[ErrorPoint], bands: Mapping[str, float | None]
) -> Plot:
    """Signed errors by step, a panel a metric, the ± band shaded; hollow: calibration levels."""
    told = "Dot chart of signed errors. " + "; ".join(
        f"{words(point.step)} {metric_words(point.metric)} {point.error:+.0%}"
        for point in points
        if point.held_out
    )
    steps = list(dict.fromkeys(point.step for point in points))
    metrics = [metric for metric in bands if any(point.metric == metric for point in points)]
    reach = max([abs(point.error) for point in points] + [0.5 * 1.0])
    limit = min(1.0, reach * 1.15)
    with sheet(name, title, told, 0.9 + 0.3 * len(steps)) as drawing:
        panels = drawing.figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, metrics, strict=True):
            _error_panel(axes, metric, [p for p in points if p.metric == metric], steps, limit)
            band = bands[metric]
            if band is not None:
                axes.axvspan(-band, band, color=BAND, zorder=0, linewidth=0)
                axes.set_xlabel(f"band ±{share(band)}")
            else:
                axes.set_xlabel("no band set")
        panels[0].set_yticks(range(len(steps)), [words(step) for step in steps])
        panels[0].set_ylim(len(steps) - 0.5, -0.5)
    return Plot(title, told, drawing.svg)


def metric_words(metric: str) -> str:
    """`p50_s` is p50."""
    return metric.removesuffix("_s")


def _error_panel(
    axes: Axes, metric: str, points: Sequence[ErrorPoint], steps: Sequence[str], limit: float
) -> None:
    axes.set_title(metric_words(metric), loc="left", fontsize=8.5, fontweight="bold", color=INK)
    axes.axvline(0, color=FAINT, linewidth=0.9)
    for point in points:
        shown = max(-limit, min(limit, point.error))
        row = steps.index(point.step) + (0.0 if point.held_out else 0.22)
        outside = abs(point.error) > limit
        marker = (">" if point.error > 0 else "<") if outside else "o"
        noise = 0.0 if math.isnan(point.noise) else point.noise
        colour = SERIES[1] if point.held_out else FAINT
        axes.errorbar(
            shown, row, xerr=noise if point.held_out else None, fmt=marker, color=colour,
            markersize=5.5 if point.held_out else 3.5, elinewidth=1.1,
            markerfacecolor=colour if point.held_out else "none",
        )  # fmt: skip
    axes.set_xlim(-limit * 1.08, limit * 1.08)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _at: signed(value)))
    axes.xaxis.set_major_locator(FixedLocator([-limit_tick(limit), 0.0, limit_tick(limit)]))
    axes.grid(visible=True, axis="y", color=GRID)


def limit_tick(limit: float) -> float:
    """A round figure that is inside the limit."""
    return next(tick for tick in (0.75, 0.5, 0.25, 0.1, 0.05) if tick <= limit)


def collapse(
    name: str, title: str, chance: tuple[float, float, float], limit: float | None
) -> Plot:
    """The share of replications that collapsed, its interval, and the limit: all as shares."""
    middle, low, high = chance
    told = f"Interval from {share(low)} to {share(high)}, {share(middle)} of the replications"
    if limit is not None:
        told += f"; the limit is {share(limit)}"
    with sheet(name, title, told, 1.15) as drawing:
        axes = drawing.figure.subplots()
        axes.hlines(0, low, high, color=SERIES[0], linewidth=5, alpha=0.45)
        axes.plot([middle], [0], "o", color=SERIES[0], markersize=8)
        if limit is not None:
            axes.axvline(limit, color=SERIES[1], linewidth=1.3, linestyle=DASHES[1])
            axes.annotate(f"limit {share(limit)}", (limit, 0.55), xytext=(5, 0),
                          textcoords="offset points")  # fmt: skip
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.6, 1.0)
        axes.set_yticks([])
        axes.grid(visible=True, axis="x", color=GRID)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _at: share(value)))
        axes.set_xlabel("probability that more than 5 % of the people are lost")
    return Plot(title, told, drawing.svg)
