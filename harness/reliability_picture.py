"""Do the intervals hold what they say? Said against held, a line a percentile."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

#: Of Okabe and Ito's colours (2008); marks repeat what colours say.
COLOURS: Final = tuple(mpl.color_sequences["okabe_ito"][at] for at in (5, 6, 3))
MARKS: Final = ("o", "s", "^")
STYLE: Final[Any] = {"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "surge"}


def draw_reliability(
    said: Sequence[float], held: Mapping[str, Sequence[float]], looks: int, output: Path
) -> Path:
    """``said``: confidences; ``held``: percentile -> share of ``looks`` measurements inside.

    A point above the diagonal is an interval that holds more than it says.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1, label="as said")
        for (name, shares), colour, mark in zip(held.items(), COLOURS, MARKS, strict=False):
            axes.plot(said, shares, color=colour, marker=mark, label=name)
        axes.set_xlim(0.4, 1.02)
        axes.set_ylim(0, 1.05)
        axes.set_xlabel("share that the interval says")
        axes.set_ylabel("share of measurements inside")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right")
        figure.suptitle(title_of(said, held, looks), fontsize=10, wrap=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(output, metadata={"Date": None, "Creator": None})
    return output


def title_of(said: Sequence[float], held: Mapping[str, Sequence[float]], looks: int) -> str:
    """The answer: what the widest of them hold at the least."""
    least = min(held, key=lambda name: held[name][-1])
    return (
        f"Intervals that say {said[-1]:.0%} hold at least {held[least][-1]:.0%} of what was "
        f"measured ({least}; {looks} measurements a percentile)"
    )
