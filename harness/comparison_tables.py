"""A comparison for people: what got worse first, then everything else."""

import math

from rich.text import Text

from harness.comparison import Change, Comparison
from harness.tables import Column, say, share, show, span

COLOURS = {"worse": "red", "better": "green", "same": "", "unknown": "dim"}


def show_comparison(found: Comparison) -> None:
    """One line a figure that could be compared."""
    columns = [Column("step", figure=False), Column("figure", figure=False), Column("before"),
               Column("after"), Column("change"), Column("95 % of it"),
               Column("", figure=False)]  # fmt: skip
    known = [row for row in found.rows if row.verdict != "unknown"]
    caption = "Interval: what varies within a run. What varies between runs is not in it."
    show(f"{found.after} against {found.before}", columns, map(_row, known), caption)
    unknown = sorted({row.step for row in found.rows} - {row.step for row in known})
    if unknown:
        say(f"too few visits to compare: {', '.join(unknown)}")
    for note in found.notes:
        say(f"mind: {note}")
    worse = sum(row.verdict == "worse" for row in found.rows)
    say("", f"A regression: {worse} figures are worse." if worse else "No regression.")


def _row(row: Change) -> list[str | Text]:
    shown = share if row.metric == "failed" else span
    limits = f"{_signed(row.low)} … {_signed(row.high)}" if not math.isnan(row.low) else "–"
    return [row.step, row.metric.removesuffix("_s"), shown(row.before), shown(row.after),
            _signed(row.change), limits, Text(row.verdict, style=COLOURS[row.verdict])]  # fmt: skip


def _signed(value: float) -> str:
    return f"{value:+.1%}" if math.isfinite(value) else "–"
