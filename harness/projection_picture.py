"""A projection over time as a picture whose title states the answer."""

import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from harness.report.canvas import FAINT, INK, STYLE, WIDTH_IN
from harness.report.over_time import (
    band_note,
    draw_queue,
    draw_steps,
    queue_title,
    shown_steps,
    steps_title,
)
from workload.errors import Fault, InputError

PICTURES = (".svg", ".png")


def check_picture(output: Path) -> None:
    """InputError for a name that ends in neither."""
    if output.suffix not in PICTURES:
        remedy = f"end it in {' or '.join(PICTURES)}"
        raise InputError("options", [Fault("output", str(output), remedy)])


def draw_projection(found: dict[str, Any], output: Path) -> Path:
    """Who waits at the bottleneck, and every step, with pointwise bands; as .svg or .png."""
    course = found["over_time"]
    names = shown_steps(course)
    rows = math.ceil(len(names) / 2)
    with mpl.rc_context({**STYLE, "figure.facecolor": "white"}):
        figure = Figure(figsize=(WIDTH_IN, 3.6 + 1.45 * rows), layout="constrained")
        parts: Any = figure.subfigures(3, 1, height_ratios=(2.9, 0.5 + 1.45 * rows, 0.4))
        above, below, note = parts
        for part, title in ((above, queue_title(course)), (below, steps_title(course))):
            part.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold", color=INK)
        draw_queue(above.subplots(), course)
        draw_steps(below, course, names)
        note.text(0.01, 0.5, band_note(course), va="center", fontsize=7, color=FAINT, wrap=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        quiet = {"Date": None, "Creator": None} if output.suffix == ".svg" else {}
        metadata = {"Title": str(found["scenario"]["name"]), **quiet}
        figure.savefig(output, dpi=150, metadata=metadata)
    return output
