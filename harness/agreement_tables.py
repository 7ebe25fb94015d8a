"""Predicted against measured, for people: signed errors beside the noise of the measurement."""

import math
from collections.abc import Iterator

from rich.text import Text

from harness.tables import Column, say, show, span
from workload.agreement import Agreement, Level, Row

#: What issue by issue is promised for held-out load: size of the error by metric.
GOALS = {"throughput": 0.10, "p50_s": 0.25, "p95_s": 0.35}


def show_agreement(agreement: Agreement) -> None:
    """Held-out levels first, row by row; of the levels learned from, the largest errors."""
    for level in agreement.levels:
        if level.held_out:
            show_level(level)
    low = [level for level in agreement.levels if not level.held_out]
    if low:
        rates = ", ".join(f"{level.offered_per_s:,.0f}" for level in low)
        say("", f"learned from {rates} visitors/s; the held-out level was predicted before it ran")
    say(
        f"saturation: predicted {agreement.saturation_predicted_per_s:,.0f} answers/s, measured "
        f"{agreement.saturation_measured_per_s:,.0f} ({signed(agreement.saturation_error)})"
    )


def show_level(level: Level) -> None:
    """One held-out level; of a changed deployment also how busy its busiest station was."""
    columns = [Column("step", figure=False), Column("metric", figure=False), Column("predicted"),
               Column("measured"), Column("error"), Column("noise"), Column("written")]  # fmt: skip
    which = f"{level.deployment}, " if level.deployment else ""
    show(
        f"Predicted against measured, held out: {which}{level.offered_per_s:,.0f} visitors/s",
        columns,
        (list(_cells(row)) for row in level.rows),
        "Error: predicted / measured - 1. Noise: half the range of the repeats, of their median. "
        "Written: error of the prediction as it was written down before, at the pace of the "
        "learning; predicted is at the pace that the machine then had.",
    )
    if level.pace != 1.0:  # 1 is also what an unknown pace is taken as
        say(f"processor time was {level.pace:.2f} times as dear as while the model was learned")
    if level.expected:
        station = max(level.expected, key=lambda name: level.expected[name])
        foreseen, seen = level.expected[station], level.utilisation.get(station)
        if seen:
            # By the utilisation law a rate saturates a station at rate / busy share.
            say(f"{station} busy: predicted {foreseen:.0%}, measured {seen:.0%}; its saturation "
                f"{signed(seen / foreseen - 1)}")  # fmt: skip


def _cells(row: Row) -> Iterator[str | Text]:
    yield row.step
    yield row.metric.removesuffix("_s")
    for value in (row.predicted, row.measured):
        yield f"{value:,.1f}/s" if row.metric == "throughput" else span(value)
    goal = GOALS.get(row.metric, math.inf)
    style = "" if goal == math.inf else "green" if abs(row.error) <= goal else "yellow"
    yield Text(signed(row.error), style=style)
    yield f"±{row.noise:.0%}" if math.isfinite(row.noise) else "–"
    yield signed(row.written_error)


def signed(error: float) -> str:
    """An error with its sign, as a percentage."""
    return f"{error:+.0%}" if math.isfinite(error) else "–"


def beyond_goals(agreement: Agreement) -> list[Row]:
    """Held-out rows whose error is larger than what is promised."""
    return [
        row
        for level in agreement.levels
        if level.held_out
        for row in level.rows
        if not abs(row.error) <= GOALS.get(row.metric, math.inf)
    ]
