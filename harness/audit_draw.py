"""The draw as the operator was told of it, beside the rows that it left.

After wave w was drawn:   joined = rows that joined w or earlier and held no seat of an earlier wave
                          drawn = rows with a seat of w = min(seats, joined)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.audit_counts import Count

STEP = "draw"


def draw_counts(
    rows: Sequence[Mapping[str, Any]], told: Mapping[str, Any] | None
) -> tuple[list[Count], list[tuple[str, str]]]:
    """(counts, differences as (who, text)); nothing of a run that closed no wave.

    ``rows``: the whole ledger, for seats are drawn among the people of earlier runs too.
    """
    if told is None or told.get("state") != "closed":
        return [], []
    wave, seats = told["wave"], told["quota"]
    joined = [
        row
        for row in rows
        if row.get("joined")
        and row["joined_wave"] <= wave
        and (row["drawn"] is None or row["drawn"] >= wave)
    ]
    drawn = sum(row["drawn"] == wave for row in joined)
    astray = sum(row.get("drawn") == wave for row in rows) - drawn
    counts = [
        Count(STEP, "joined the wave", told["joined"], None, len(joined)),
        Count(STEP, "drawn", told["drawn"], None, drawn),
    ]
    differences = [
        (f"{STEP}, {one.kind}", f"the operator was told {one.client:,}, rows say {one.rows:,}")
        for one in counts
        if one.client != one.rows
    ]
    if drawn != min(seats, len(joined)):
        text = f"{drawn:,} seats were drawn: {seats:,} were there for {len(joined):,} who joined"
        differences.append((f"{STEP}, seats", text))
    if astray:
        text = f"{astray:,} hold a seat of wave {wave}, which they had not joined"
        differences.append((f"{STEP}, seats", text))
    return counts, differences
