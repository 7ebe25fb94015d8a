"""The cliff as a picture whose title states the answer."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from harness.cliff_tables import answer, cell
from harness.projecting import Asked
from simulation.cliff import CliffMap, Point

#: Of Okabe and Ito's colours (2008), which every kind of colour vision tells apart: what never
#: collapsed, what did now and then, what always did. Letters repeat what colours say.
SAFE, SOMETIMES, ALWAYS = (mpl.color_sequences["okabe_ito"][at] for at in (2, 1, 6))
WORDS = {SAFE: "never collapses", SOMETIMES: "sometimes", ALWAYS: "always collapses"}
STYLE: Any = {"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "surge"}


def draw_cliff(asked: Asked, found: CliffMap, output: Path) -> Path:
    """Write the map as .svg or .png."""
    rows: tuple[float | None, ...] = found.beside.values if found.beside else (None,)
    size = (max(6.4, 1.1 * len(found.over.values) + 1.6), 1.9 + 0.6 * len(rows))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        for down, y in enumerate(rows):
            for across, x in enumerate(found.over.values):
                _draw(axes, across, down, found.at(x, y))
        axes.set_xlim(0, len(found.over.values))
        axes.set_ylim(0, len(rows))
        axes.set_xticks([at + 0.5 for at in range(len(found.over.values))],
                        [f"{x:g}" for x in found.over.values])  # fmt: skip
        axes.set_yticks([at + 0.5 for at in range(len(rows))],
                        ["" if y is None else f"{y:g}" for y in rows])  # fmt: skip
        axes.set_xlabel(found.over.name)
        axes.set_ylabel(found.beside.name if found.beside else "")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.suptitle(answer(found), fontsize=10, wrap=True)
        handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in WORDS]
        axes.legend(handles, list(WORDS.values()), ncols=3, frameon=False, fontsize=8,
                    loc="upper center", bbox_to_anchor=(0.5, -0.18 - 0.25 / len(rows)))  # fmt: skip
        output.parent.mkdir(parents=True, exist_ok=True)
        quiet = {"Date": None, "Creator": None} if output.suffix == ".svg" else {}
        figure.savefig(output, dpi=150, metadata={"Title": asked.question.scenario.name, **quiet})
    return output


def _draw(axes: Axes, across: int, down: int, point: Point) -> None:
    colour = SOMETIMES if point.two_peaked else ALWAYS if point.collapses else SAFE
    axes.add_patch(Rectangle((across + 0.02, down + 0.04), 0.96, 0.92, color=colour))
    axes.text(across + 0.5, down + 0.5, cell(point).replace(" ", "\n"), ha="center", va="center",
              color="black", fontsize=8)  # fmt: skip
