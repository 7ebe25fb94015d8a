"""A projection over time: the middle replication and pointwise bands around it, cell by cell.

Of every cell of time the median over replications, and the least band that holds at least 80 % and
95 % of them: its ends are replications, none is made up between two. The bands are *pointwise*:
they say where most runs are at one instant, not that most runs stay inside all the time. Of fewer
than 11 replications an 80 % band is all of them, of fewer than 41 a 95 % band is.

Where some replications collapse and some do not there are two bundles, each with its share, and no
median across both. All of it takes memory by the hour, whatever the crowd.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulation.replication import Replication

#: Cells that a projection is drawn in; the finer ones of a replication are put together.
MOST_CELLS: Final = 200
LEVELS: Final = (0.80, 0.95)
Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """By cell. ``ends``: (low, high) of each of LEVELS; none of a single replication."""

    median: Rows
    ends: tuple[tuple[Rows, Rows], ...]

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"median": _numbers(self.median)}
        for at, level in enumerate(LEVELS):
            low, high = self.ends[at] if self.ends else (None, None)
            found[f"low_{level * 100:.0f}"] = None if low is None else _numbers(low)
            found[f"high_{level * 100:.0f}"] = None if high is None else _numbers(high)
        return found


def band_of(rows: Rows) -> Band:
    """Of ``rows``, a replication each, by cell; no band of a single one."""
    runs = len(rows)
    if runs == 1:
        return Band(rows[0], ())
    ordered = np.sort(rows, axis=0)
    ends = []
    for level in LEVELS:
        out = math.floor((1 - level) / 2 * (runs - 1) + 1e-9)
        ends.append((ordered[out], ordered[runs - 1 - out]))
    return Band(np.median(ordered, axis=0), tuple(ends))


def over_time(
    replications: Sequence[Replication], steps: Sequence[str], station: str
) -> dict[str, Any]:
    """Bundles of replications of one outcome each, with ``steps`` a second and ``station``'s line.

    ``cell_s``: width of a cell, as coarse as it takes for at most MOST_CELLS of them up to the last
    instant at which anything happened.
    """
    base_s = math.lcm(*(max(1, round(one.summary.cell_s)) for one in replications))
    used_s = max(_used_s(one, station) for one in replications)
    cell_s = base_s * max(1, math.ceil(used_s / base_s / MOST_CELLS))
    cells = max(1, math.ceil(used_s / cell_s))
    collapsed = [one for one in replications if one.collapsed]
    clean = [one for one in replications if not one.collapsed]
    groups = [("collapsed", collapsed), ("clean", clean)]
    if not collapsed or not clean:
        groups = [("all", list(replications))]
    return {
        "band": "pointwise",
        "cell_s": float(cell_s),
        "cells": cells,
        "station": station,
        "bundles": [
            {
                "outcome": outcome,
                "replications": len(held),
                "share": len(held) / len(replications),
                "steps": {step: _step(held, step, cell_s, cells) for step in steps},
                "queue": _queue(held, station, cell_s, cells).to_json(),
            }
            for outcome, held in groups
        ],
    }


def _used_s(one: Replication, station: str) -> float:
    """Up to the end of the last cell in which a step was begun or answered, or somebody waited."""
    busy = sum(step.offered + step.achieved for step in one.summary.steps)
    waits = one.depths.get(station)
    if waits is not None:
        busy = busy + waits
    seen = np.flatnonzero(busy)
    return (int(seen[-1]) + 1 if len(seen) else 1) * one.summary.cell_s


def _step(held: Sequence[Replication], step: str, cell_s: int, cells: int) -> dict[str, Any]:
    """Median of what is offered, and the band of what is answered, both a second."""
    found = [row for one in held if (row := one.summary.step(step))]
    widths = [one.summary.cell_s for one in held]
    offered, achieved = (
        np.stack([
            put_together(series, width, cell_s, cells, np.add) / cell_s
            for series, width in zip(rows, widths, strict=True)
        ])
        for rows in ([row.offered for row in found], [row.achieved for row in found])
    )  # fmt: skip
    return {
        "offered_per_s": _numbers(np.median(offered, axis=0)),
        "achieved_per_s": band_of(achieved).to_json(),
    }


def _queue(held: Sequence[Replication], station: str, cell_s: int, cells: int) -> Band:
    """The most who waited at the end of a finer cell, within each."""
    rows = []
    for one in held:
        depths = one.depths.get(station, np.zeros(1, dtype=np.int64))
        rows.append(put_together(depths, one.summary.cell_s, cell_s, cells, np.maximum))
    return band_of(np.stack(rows))


def put_together(
    series: NDArray[np.int64], width_s: float, cell_s: int, cells: int, fold: np.ufunc
) -> Rows:
    """``series``, in cells of ``width_s``, in ``cells`` cells of ``cell_s``: a whole multiple."""
    each = round(cell_s / width_s)
    room = np.zeros(cells * each)
    room[: len(series)] = series[: len(room)]
    folded: Rows = fold.reduce(room.reshape(cells, each), axis=1)
    return folded


def _numbers(values: Rows) -> list[float]:
    """Four significant figures: no drawing shows more."""
    whole: Callable[[float], float] = lambda value: float(f"{value:.4g}")  # noqa: E731
    return [whole(value) for value in values.tolist()]
