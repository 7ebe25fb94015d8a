"""When the lines that a projection began with are drained, and what became of who stood in them.

drained   when a line first is empty: with b carried over, a mu a second that leave it and a
lambda that come, b / (mu - lambda) after the state (a fluid's time; Newell 1982)
needed    the least rate at which it would be empty by the horizon: the least of
came(t) / t over all t up to it, those who were carried over among came(t)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulation import layout as at
from simulation.state import QUEUES
from simulation.world import Order
from workload.summary import finite
from workload.visit import Ending

#: What the lines are called, in the kernel's order.
NAMES: Final = ("identity", "mail", "calls")
STATIONS: Final = (at.REGISTRY_CLIENT, at.MAIL_SENDER, at.CALL_CENTRE)
CONFIDENCE: Final = 0.95
#: Intervals of a line's length over time that are shown, and how far beyond its end.
POINTS: Final = 120
BEYOND: Final = 1.5


@dataclass(frozen=True)
class Line:
    """One line of one replication. Times in seconds since the state; ``drained_s`` is infinite
    where the line was never empty; ``left`` are in it at the end. ``per_s``: how many went a second
    while it stood. ``lengths``: at these ``instants_s``. ``endings``: of those carried over, those
    who wait for the draw apart.
    """

    name: str
    carried: int
    drained_s: float
    peak: int
    peak_at_s: float
    left: int
    per_s: float
    needed_per_s: float
    instants_s: NDArray[np.float64]
    lengths: NDArray[np.int64]
    endings: Mapping[str, int]


def lines_of(order: Order, world: at.World) -> tuple[Line, ...]:
    """Every line that somebody stood in at the beginning; none of a run without a state."""
    if order.carried is None:
        return ()
    first, found = order.carried.first, []
    for number, count in enumerate(order.carried.counts):
        if count:
            found.append(_line(order, world, number, first))
        first += count
    return tuple(found)


def _line(order: Order, world: at.World, number: int, first: int) -> Line:
    assert order.carried is not None
    count = order.carried.counts[number]
    cells, cell_s = int(world.cells[at.C_TIME_CELLS]), order.cell_s
    followed = np.asarray(world.followed, dtype=np.int64).reshape(at.FOLLOWED, cells)
    came, went = (np.cumsum(followed[2 * number + way]) for way in (at.CAME, at.WENT))
    ends_s = np.minimum(np.arange(1, cells + 1) * cell_s, order.horizon_s)
    lengths = np.append(count, came - went)
    drained_ns = int(world.cells[at.C_DRAINED_CHECKS + number])
    drained_s = drained_ns / 1e9 if drained_ns != at.NONE else math.inf
    stood_s = min(drained_s, order.horizon_s)
    until = min(int(stood_s / cell_s), cells - 1)
    who = np.asarray(world.ends, dtype=np.int64).reshape(-1, at.END)[first : first + count]
    waits = (who[:, at.E_LAST] & at.ENDED_AWAITING_DRAW) != 0
    endings = who[~waits, at.E_LAST] & 255
    instants_s = np.append(0.0, ends_s)
    station = STATIONS[number] * at.STATION
    return Line(
        name=NAMES[number],
        carried=count,
        drained_s=drained_s,
        peak=int(world.stations[station + at.S_PEAK]),
        peak_at_s=float(instants_s[int(np.argmax(lengths))]),
        left=int(world.stations[station + at.S_LENGTH]),
        per_s=float(went[until] / ends_s[until]),
        needed_per_s=float((came / ends_s).min()),
        instants_s=instants_s,
        lengths=lengths,
        endings={
            **{e.name.lower(): int((endings == e).sum()) for e in Ending},
            "awaiting_draw": int(waits.sum()),
        },
    )


def drains(replications: Sequence[Sequence[Line]], at_s: float) -> dict[str, dict[str, Any]]:
    """Lines of all replications folded, by name; hours are the campaign's, ``at_s`` the state's."""
    return {
        rows[0].name: _drain(rows, at_s / 3600)
        for rows in zip(*replications, strict=True)
    }  # fmt: skip


def _drain(rows: Sequence[Line], at_h: float) -> dict[str, Any]:
    drained_h = [at_h + one.drained_s / 3600 for one in rows if math.isfinite(one.drained_s)]
    highest = max(rows, key=lambda one: one.peak)
    instants_s, lengths = _over_time(rows)
    gave_up = [one.endings["gave_up"] for one in rows]
    return {
        "carried": rows[0].carried,
        "drained": len(drained_h),
        "replications": len(rows),
        "drained_at_h": _interval(drained_h) if len(drained_h) == len(rows) else None,
        "first_drained_at_h": min(drained_h, default=None),
        "last_drained_at_h": max(drained_h, default=None),
        "peak": highest.peak,
        "peak_at_h": at_h + highest.peak_at_s / 3600,
        "left": float(np.mean([one.left for one in rows])),
        "per_s": float(np.mean([one.per_s for one in rows])),
        "needed_per_s": max(one.needed_per_s for one in rows),
        "gave_up": {"least": min(gave_up), "mean": float(np.mean(gave_up)), "most": max(gave_up)},
        "endings": {name: float(np.mean([one.endings[name] for one in rows]))
                    for name in rows[0].endings},
        "line": {
            "hours": (at_h + instants_s / 3600).tolist(),
            "least": lengths.min(axis=0).tolist(),
            "mean": lengths.mean(axis=0).tolist(),
            "most": lengths.max(axis=0).tolist(),
        },
    }  # fmt: skip


def _over_time(rows: Sequence[Line]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Instants, and the length of each replication's line at them: until a while after the last one
    is drained, or until the first record ends.
    """
    longest_s = max(one.drained_s for one in rows)
    end_s = min(float(one.instants_s[-1]) for one in rows)
    instants_s = np.linspace(0.0, min(end_s, max(BEYOND * longest_s, 1.0)), POINTS + 1)
    lengths = [np.interp(instants_s, one.instants_s, one.lengths) for one in rows]
    return instants_s, np.asarray(lengths)


def _interval(values: Sequence[float]) -> dict[str, float | None]:
    """The mean with Student's interval; one value has none."""
    middle = float(np.mean(values))
    if len(values) < 2:
        return {"mean": middle, "low": None, "high": None}
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    from scipy import stats  # here: 60 MB that no walk needs

    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return {"mean": middle, "low": finite(middle - reach), "high": finite(middle + reach)}


assert len(NAMES) == len(QUEUES) == at.LINES
