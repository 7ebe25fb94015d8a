"""How a plot looks and how it gets into the page: matplotlib's SVG, inline, in the page's colours.

Ink, grid and series colours are written as CSS variables, so that one drawing is right in light and
in dark; letters stay letters. Nothing in it names a place outside of the file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from statistics import mean
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

#: Okabe and Ito's colours (2008), told apart by every kind of colour vision; black is the ink.
_OKABE_ITO: Final = [to_hex(colour) for colour in mpl.color_sequences["okabe_ito"]]
#: Series in the order of use: blue, vermilion, green, purple, orange, sky blue. Yellow is too pale.
SERIES: Final = tuple(_OKABE_ITO[at] for at in (5, 6, 3, 7, 1, 2))
DASHES: Final = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1)), "-")
MARKERS: Final = ("o", "s", "^", "D", "v", "P")
INK: Final = "#1b1c20"
FAINT: Final = "#5d6068"
GRID: Final = "#d9dbe0"
BAND: Final = "#e6eef6"
WIDTH_IN: Final = 8.8
LINE_PT: Final = 10.5
LETTER_PT: Final = 5.0

_VARIABLES: Final = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    GRID: "var(--grid)",
    BAND: "var(--band)",
    **{colour: f"var(--s{number})" for number, colour in enumerate(SERIES)},
}
STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "surge",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "axes.labelcolor": FAINT,
    "axes.labelsize": 8.5,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.7,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


class Sheet:
    """A drawing in the making; `svg` is filled when the sheet is left."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.svg = ""


@contextmanager
def sheet(name: str, title: str, told: str, height_in: float) -> Iterator[Sheet]:
    """A figure in our style. ``told``: the sentence that stands for it where it can't be seen."""
    with mpl.rc_context(STYLE):
        drawing = Sheet(Figure(figsize=(WIDTH_IN, height_in), layout="constrained"))
        yield drawing
        drawing.svg = _inline(drawing.figure, name, title, told)


def _inline(figure: Figure, name: str, title: str, told: str) -> str:
    """The figure as an SVG element: own ids, no namespace addresses, colours as variables."""
    name = f"plot-{name}"
    page = io.StringIO()
    figure.savefig(page, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = page.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    head, _, body = svg.partition(">")
    view = re.search(r'viewBox="[^"]*"', head)
    assert view is not None
    opening = f'<svg {view[0]} role="img" aria-labelledby="{name}-title {name}-told"'
    words = f'<title id="{name}-title">{escape(title)}</title>'
    words += f'<desc id="{name}-told">{escape(told)}</desc>'
    return f"{opening}>{words}{body}".strip()


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Names beside the plot, led to the ends of their lines: (x, y, name, colour), none covered.

    Settles the layout: nothing may be added to the figure after it.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    room = (LETTER_PT * max((len(end[2]) for end in ends), default=0) + 3 * LINE_PT) / 72
    figure.set_layout_engine("constrained", rect=(0, 0, 1 - room / WIDTH_IN, 1))
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    width, height = figure.bbox.size
    places = axes.transData.transform([end[:2] for end in ends]) / (width, height)
    right = axes.get_window_extent().x1 / width + LINE_PT * 1.6 / 72 / WIDTH_IN
    order = sorted(range(len(ends)), key=lambda at: float(places[at][1]))
    gap = LINE_PT / 72 / figure.get_figheight()
    beside = spread([float(places[at][1]) for at in order], gap)
    for at, place in zip(order, beside, strict=True):
        _, _, name, colour = ends[at]
        axes.annotate(
            name, tuple(places[at]), xycoords="figure fraction", xytext=(right, place),
            textcoords="figure fraction", va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.9, "shrinkA": 1,
                        "shrinkB": 2},
        )  # fmt: skip


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Ascending places at least ``gap`` apart, as near to the ascending wanted ones as can be.

    Pooling of adjacent violators (Ayer et al. 1955): neighbours that are too close form a block
    around the mean of what they wanted.
    """
    blocks: list[list[float]] = []  # of what each wanted, less the room that those below it take
    for number, place in enumerate(wanted):
        blocks.append([place - number * gap])
        while len(blocks) > 1 and mean(blocks[-2]) > mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    settled = [mean(block) for block in blocks for _ in block]
    return [place + number * gap for number, place in enumerate(settled)]
