"""A projection's course: pointwise bands of what is answered, and of who waits at the bottleneck.

Two outcomes are two bundles, each in its own colour and with its share; nothing is drawn between.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter

from harness.report.canvas import DASHES, INK, SERIES, sheet
from harness.report.plots import Plot, time_axis
from harness.report.units import count, rate, seconds, share, words

#: Bundles by outcome: colour, and what its runs do.
COLOURS: Final = {"all": SERIES[0], "clean": SERIES[0], "collapsed": SERIES[1]}
DO: Final = {"all": "", "clean": "do not", "collapsed": "collapse"}
#: Opacity of the bands of 95 % and 80 %.
SHADES: Final = {"95": 0.16, "80": 0.32}
COLUMNS: Final = 2
#: Fewest runs of which a band of 80 % and of 95 % leaves one out at each end.
FEWEST: Final = {"80": 11, "95": 41}
Raw = Mapping[str, Any]


def over_time_plots(raw: Raw) -> list[Plot]:
    """The line at the bottleneck, and all steps; none of a projection without a course."""
    course = raw.get("over_time")
    if not course:
        return []
    return [_queue_plot(course), _steps_plot(course)]


def band_note(course: Raw) -> str:
    """What the shades are, for as many runs as there are."""
    runs = [int(one["replications"]) for one in course["bundles"]]
    if max(runs) == 1:
        return "Of a single run there is no band."
    said = (
        "Lines: the median over runs. Bands are pointwise: at each instant the dark one holds at "
        "least 80 % of the runs and the light one 95 %; a run need not stay inside all the time."
    )
    few = [f"{level} %" for level, fewest in FEWEST.items() if min(runs) < fewest]
    if few:
        which = (
            f"bands of {few[0]} and {few[1]} reach"
            if len(few) == 2
            else f"band of {few[0]} reaches"
        )
        said += f" Of so few runs the {which} from the lowest to the highest."
    return said


def name_of(bundle: Raw, runs: int) -> str:
    """`4 of 10 runs collapse`; of one outcome, how many runs there are."""
    held = int(bundle["replications"])
    if bundle["outcome"] == "all":
        return f"{runs} runs" if runs > 1 else "1 run"
    return f"{held} of {runs} runs {DO[bundle['outcome']]}"


def _runs(course: Raw) -> int:
    return sum(int(one["replications"]) for one in course["bundles"])


def queue_title(course: Raw) -> str:
    """How long the line gets in the median run of each bundle, and when."""
    station, bundles = words(course["station"]), course["bundles"]
    tops = [max(one["queue"]["median"]) for one in bundles]
    if len(bundles) == 2:
        return (
            f"{name_of(bundles[0], _runs(course))}: the line at the {station} reaches "
            f"{count(tops[0])} in those, {count(tops[1])} in the others"
        )
    if not tops[0]:
        return f"Hardly anybody waits at the {station}, the busiest station"
    at_s = (bundles[0]["queue"]["median"].index(tops[0]) + 1) * course["cell_s"]
    middle = "" if _runs(course) == 1 else f" (median of {_runs(course)} runs)"
    return f"The line at the {station} reaches {count(tops[0])} after {_hours(at_s)}{middle}"


def _hours(at_s: float) -> str:
    """Of a campaign people count the hours, beyond a day too."""
    return f"{at_s / 3600:.3g}\u00a0h" if at_s >= 3600 else seconds(at_s)


def steps_title(course: Raw) -> str:
    """Of which step the least is answered, and how much of it, in each bundle's median."""
    bundles = course["bundles"]
    answered = [_answered(one) for one in bundles]
    step = min(answered[0], key=lambda name: answered[0][name], default=None)
    if step is None:
        return "Nobody began a step"
    least = share(answered[0][step])
    if len(bundles) == 2:
        return (
            f"{name_of(bundles[0], _runs(course))}: those answer {least} of {words(step)}, "
            f"the others {share(answered[1].get(step, math.nan))}"
        )
    if answered[0][step] >= 0.995:
        return "Every step is answered as it is begun"
    return f"{words(step)[0].upper()}{words(step)[1:]} falls behind most: {least} is answered"


def _answered(bundle: Raw) -> dict[str, float]:
    """Share of the steps begun that are answered, by step, in the median."""
    found = {}
    for name, step in bundle["steps"].items():
        begun, done = sum(step["offered_per_s"]), sum(step["achieved_per_s"]["median"])
        if begun > 0:
            found[name] = min(1.0, done / begun)
    return found


def _queue_plot(course: Raw) -> Plot:
    title, told = queue_title(course), queue_told(course)
    with sheet("over-time-queue", title, told, 2.7) as drawing:
        draw_queue(drawing.figure.subplots(), course)
    return Plot(title, told, drawing.svg)


def queue_told(course: Raw) -> str:
    """The drawing in words."""
    return "Line chart over time with pointwise bands of who waits: " + "; ".join(
        f"{name_of(one, _runs(course))}, at most {count(max(one['queue']['median']))} in the "
        f"median{_reach(one['queue'])}"
        for one in course["bundles"]
    )


def _reach(band: Raw) -> str:
    if band["low_80"] is None:
        return ""
    return f" and {count(max(band['low_80']))} to {count(max(band['high_80']))} in 80 % of the runs"


def draw_queue(axes: Axes, course: Raw) -> None:
    """Who waits at the bottleneck, a bundle an outcome."""
    edges = _edges(course)
    for bundle in course["bundles"]:
        draw_band(axes, edges, bundle["queue"], COLOURS[bundle["outcome"]])
    axes.set(ylabel="waiting")
    _finish(axes, edges)
    _label(axes, course, offered=False)


def _steps_plot(course: Raw) -> Plot:
    title = steps_title(course)
    told = "Small line charts by step, answered beside offered, with pointwise bands: " + "; ".join(
        f"{words(name)} offered up to {rate(max(step['offered_per_s']))}, answered up to "
        f"{rate(max(step['achieved_per_s']['median']))}"
        for name, step in course["bundles"][-1]["steps"].items()
    )
    names = shown_steps(course)
    with sheet("over-time-steps", title, told, 0.5 + 1.35 * math.ceil(len(names) / 2)) as drawing:
        draw_steps(drawing.figure, course, names)
    return Plot(title, told, drawing.svg)


def shown_steps(course: Raw) -> list[str]:
    """Steps that anybody began."""
    return [
        name
        for name in course["bundles"][0]["steps"]
        if any(sum(one["steps"][name]["offered_per_s"]) for one in course["bundles"])
    ] or list(course["bundles"][0]["steps"])[:1]


def draw_steps(figure: FigureBase, course: Raw, names: Sequence[str]) -> None:
    """A panel a step: what is begun (dashed) and what is answered, a bundle an outcome."""
    edges = _edges(course)
    panels = figure.subplots(math.ceil(len(names) / COLUMNS), COLUMNS, sharex=True, squeeze=False)
    for axes, name in zip(panels.flat, names, strict=False):
        for bundle in course["bundles"]:
            step = bundle["steps"][name]
            draw_band(axes, edges, step["achieved_per_s"], COLOURS[bundle["outcome"]])
            axes.stairs(step["offered_per_s"], edges, baseline=None, color=INK, linewidth=0.9,
                        linestyle=DASHES[1])  # fmt: skip
        axes.set_title(words(name), loc="left", fontsize=8.5, fontweight="bold", color=INK)
        _finish(axes, edges)
        axes.set_xlabel("")
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("a second")
    last = panels[-1, 0]
    time_axis(last, float(edges[-1]))
    _label(panels[0, 0], course, offered=True)


def draw_band(axes: Axes, edges: Any, band: Raw, colour: str) -> None:
    """The median as a line, and the bands around it, the wider one lighter."""
    for level, shade in SHADES.items():
        if band[f"low_{level}"] is not None:
            axes.stairs(band[f"high_{level}"], edges, baseline=np.asarray(band[f"low_{level}"]),
                        fill=True, color=colour, alpha=shade, linewidth=0)  # fmt: skip
    axes.stairs(band["median"], edges, baseline=None, color=colour, linewidth=1.6)


def _edges(course: Raw) -> Any:
    return np.arange(int(course["cells"]) + 1) * float(course["cell_s"])


def _finish(axes: Axes, edges: Any) -> None:
    axes.set_ylim(0, max(axes.get_ylim()[1], 1e-3) * 1.08)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: count(value)))
    time_axis(axes, float(edges[-1]))


def _label(axes: Axes, course: Raw, *, offered: bool) -> None:
    """Names in the lines' own colours, where they are drawn: no key to look up."""
    rows = [(name_of(one, _runs(course)), COLOURS[one["outcome"]]) for one in course["bundles"]]
    if offered:
        rows = [("begun (dashed)", INK), *((f"answered: {name}", ink) for name, ink in rows)]
    for line, (name, colour) in enumerate(rows):
        axes.annotate(name, (1.0, 1.0), xycoords="axes fraction", xytext=(-4, -10 - 10.5 * line),
                      textcoords="offset points", ha="right", color=colour,
                      fontsize=8)  # fmt: skip
