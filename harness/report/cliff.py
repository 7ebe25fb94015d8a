"""The cliff on the page: how far the question's own value is from it, and the map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from harness.report.canvas import INK, SERIES, sheet
from harness.report.plots import Plot
from harness.report.units import share

Raw = Mapping[str, Any]
#: What is lost: at most 5 % (sky blue) or more (vermilion); letters repeat what colours say.
SERVED, COLLAPSES = SERIES[5], SERIES[1]


def distance(cliff: Raw) -> str:
    """The distance to the edge in units and per cent, as a sentence."""
    answer = str(cliff["answer"])
    return f"{answer[0].upper()}{answer[1:]}."


def cliff_plot(cliff: Raw | None) -> Plot | None:
    """The share lost at every point; full-size runs framed. None without a map by flows."""
    if not cliff or cliff.get("method") != "flows":
        return None
    title, (over, beside) = str(cliff["answer"]), cliff["axes"]
    title = f"{title[0].upper()}{title[1:]}"
    own = cliff["edge"]["chosen"], cliff["edge"]["y"]
    simulated = {(point["x"], point["y"]): point for point in cliff["full_size"]}
    told = (
        f"Map of the share lost over {over['name']} and {beside['name']}: "
        + "; ".join(f"{p['x']:g}, {p['y']:g}: {share(p['lost'])}" for p in cliff["points"])
    )  # fmt: skip
    with sheet("cliff", title, told, 0.9 + 0.42 * len(beside["values"])) as drawing:
        axes = drawing.figure.subplots()
        for point in cliff["points"]:
            place = point["x"], point["y"]
            across, down = over["values"].index(place[0]), beside["values"].index(place[1])
            _cell(axes, across, down, point, simulated.get(place), chosen=place == own)
        axes.set_xlim(0, len(over["values"]))
        axes.set_ylim(0, len(beside["values"]))
        for axis, name, values in ((axes.xaxis, over["name"], over["values"]),
                                   (axes.yaxis, beside["name"], beside["values"])):  # fmt: skip
            axis.set_ticks([at + 0.5 for at in range(len(values))], [f"{v:g}" for v in values])
            axis.set_label_text(name.replace("_", " "))
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
    return Plot(title, told, drawing.svg)


def _cell(
    axes: Axes, across: int, down: int, point: Raw, runs: Raw | None, *, chosen: bool
) -> None:
    """A point: its share lost, ! where that is a collapse, and what full-size runs say."""
    collapses = runs["collapses"] > 0 if runs else point["collapses"]
    axes.add_patch(
        Rectangle(
            (across + 0.02, down + 0.05), 0.96, 0.9, facecolor=COLLAPSES if collapses else SERVED,
            alpha=0.45, linewidth=0,
        )
    )  # fmt: skip
    if runs:
        frame = Rectangle((across + 0.04, down + 0.09), 0.92, 0.82, fill=False, edgecolor=INK,
                          linewidth=1.3)  # fmt: skip
        axes.add_patch(frame)
    said = f"{point['lost']:.0%}{'!' if point['collapses'] else ''}"
    if runs:
        said += f"\n{runs['collapses']} of {runs['replications']}"
    axes.text(across + 0.5, down + 0.5, said, ha="center", va="center", color=INK, fontsize=7.5,
              fontweight="bold" if chosen else "normal")  # fmt: skip


NOTE: Final = (
    "Share of the people lost, by flows (no chance in them, so blind near the edge); ! is a "
    "collapse, more than 5 %. Framed: simulated at full size, and how many of those runs collapse, "
    "which counts for more. Bold: the deployment as it is."
)
