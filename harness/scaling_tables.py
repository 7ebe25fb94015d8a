"""Replicas that come and go, as a table."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from harness.tables import Column, count, show, span, three_digits

#: So many changes are listed one by one; of more, so many equal stretches of time are told.
MOST_ROWS = 12


def show_scaling(found: Mapping[str, Any]) -> None:
    """How many replicas there were when, and for how many hours they were paid."""
    scaling = found.get("scaling")
    if not scaling:
        return
    series, end_s = scaling["series"], scaling["hours"] * 3600
    listed = len(series) <= MOST_ROWS
    heads = ("ready", "started") if listed else ("least ready", "most ready", "most started")
    columns = [Column("from"), *(Column(head) for head in heads)]
    rows = _changes(series) if listed else _stretches(series, end_s)
    show("Replicas", columns, rows, caption_of(scaling, int(found["replications"])))


def caption_of(scaling: Mapping[str, Any], replications: int) -> str:
    """What was paid, and what the most of them all the time would have cost."""
    said = f"{scaling['told'].capitalize()}."
    if replications > 1:
        said = f"The first replication {scaling['told']}."
    if scaling["replica_hours"] is None:
        return f"{said} No mean of what was paid: some replications collapse and some do not."
    hours, most = scaling["hours"], scaling["most_started"]
    said += (
        f" Paid: {three_digits(scaling['replica_hours'])} replica-hours in {three_digits(hours)} h"
    )
    if scaling["cost"] is not None:
        said += f", {_money(scaling['cost'])}"
    said += f"; {most} all the time: {three_digits(most * hours)}"
    if scaling["cost_of_most"] is not None:
        said += f", {_money(scaling['cost_of_most'])}"
    return f"{said}. Starting and draining replicas are paid."


def _money(value: float) -> str:
    return f"at a price of {three_digits(value)}" if value else "free"


def _changes(series: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    for row in series:
        yield [span(row["at_s"]), count(row["ready"]), count(row["started"])]


def _stretches(series: Sequence[Mapping[str, Any]], end_s: float) -> Iterator[list[str]]:
    edges = [end_s * place / MOST_ROWS for place in range(MOST_ROWS + 1)]
    for since_s, until_s in pairwise(edges):
        begun = [row for row in series if row["at_s"] <= since_s][-1:]
        held = begun + [row for row in series if since_s < row["at_s"] < until_s]
        ready = [row["ready"] for row in held]
        yield [
            span(since_s), count(min(ready)), count(max(ready)),
            count(max(row["started"] for row in held)),
        ]  # fmt: skip
