"""The lines of a state over time: the title of each plot says when it is drained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.ticker import FuncFormatter

from harness.draining import answers, details, instant
from harness.report.canvas import DASHES, FAINT, SERIES, sheet
from harness.report.plots import Plot
from harness.report.units import count, digits


def plots(raw: Mapping[str, Any]) -> list[tuple[Plot, list[str]]]:
    """(plot, what to read below it) of every line of the state; none without a state."""
    state = raw.get("state")
    if not state:
        return []
    lines = state["lines"]
    return [
        (_plot(name, title, lines[name]), list(details(state, lines[name])))
        for name, title in answers(state)
    ]


def _plot(name: str, title: str, line: Mapping[str, Any]) -> Plot:
    over = line["line"]
    told = (
        f"Line chart from hour {digits(over['hours'][0])} to hour {digits(over['hours'][-1])}: "
        f"{count(line['carried'])} stand in line at first, {count(line['peak'])} at most, "
        f"{count(over['mean'][-1])} in the end."
    )
    with sheet(f"drained-{name}", title, told, 2.5) as drawing:
        axes = drawing.figure.subplots()
        axes.fill_between(over["hours"], over["least"], over["most"], color=SERIES[0], alpha=0.18,
                          linewidth=0)  # fmt: skip
        axes.plot(over["hours"], over["mean"], color=SERIES[0])
        at_h = line["drained_at_h"]
        if at_h:
            axes.axvline(at_h["mean"], color=FAINT, linewidth=0.8, linestyle=DASHES[1])
            axes.annotate(f"drained: {instant(at_h['mean'])}", (at_h["mean"], 1.0),
                          xycoords=("data", "axes fraction"), xytext=(4, -9),
                          textcoords="offset points", color=FAINT, fontsize=7.5)  # fmt: skip
        axes.set_xlim(over["hours"][0], over["hours"][-1])
        axes.set_ylim(0, max(line["peak"], 1) * 1.08)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: count(value)))
        axes.set(ylabel="stand in line", xlabel="hour of the campaign")
    return Plot(title, told, drawing.svg)
