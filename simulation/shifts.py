"""Agents by the hour of the day: who begins and who leaves when, on the run's own time.

A shift is in force from its hour until the next one's; the last of a day until the first of the
next. The k-th change since midnight before the run is at

    (k // n) x day + hour of shift k mod n - clock at run time 0

so no instant is a sum of gaps. Where a run is sped up, its days are shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workload.durations import SECOND_NS

#: (hour of the day, agents from then on), in order of the hours.
Shifts = tuple[tuple[float, int], ...]
DAY_H: Final = 24.0
MOST_AGENTS: Final = 100_000


def read_agents(most: Callable[[Any], int]) -> Callable[[Any], tuple[int, Shifts]]:
    """A parser of agents: one number (by ``most``), or shifts; (the most at once, the shifts)."""

    def parse(value: Any) -> tuple[int, Shifts]:
        if not isinstance(value, list):
            return most(value), ()
        if not value or not all(isinstance(one, list) and len(one) == 2 for one in value):
            raise ValueError("write [hour, agents] of each shift: [[0, 10], [8, 60], [20, 20]]")
        hours, agents = zip(*value, strict=True)
        if not all(_is_number(h) and 0 <= h < DAY_H for h in hours):
            raise ValueError("write hours of the day, from 0 to below 24")
        if any(later <= earlier for earlier, later in pairwise(hours)):
            raise ValueError("write the shifts in order of their hours, each hour once")
        if not all(isinstance(a, int) and _is_number(a) and 0 <= a <= MOST_AGENTS for a in agents):
            raise ValueError(f"write whole numbers of agents from 0 to {MOST_AGENTS}")
        shifts = tuple((float(h), int(a)) for h, a in value)
        return max(agents), shifts

    return parse


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def day_ns(speed: float) -> int:
    """How long a day of the scenario is in the run."""
    return round(DAY_H * 3600 / speed * SECOND_NS)


def offsets_ns(shifts: Shifts, speed: float) -> list[int]:
    """When each shift begins, after midnight."""
    return [round(hour * 3600 / speed * SECOND_NS) for hour, _ in shifts]


def first_change(offsets: Sequence[int], clock_ns: int) -> int:
    """Number of the first change after the run begins, at ``clock_ns`` after midnight."""
    return sum(offset <= clock_ns for offset in offsets)


def agents_at(shifts: Shifts, hours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Agents that are there so many hours after a midnight."""
    begins, agents = zip(*shifts, strict=True)
    return np.asarray(agents, dtype=np.float64)[np.searchsorted(begins, hours % DAY_H, "right") - 1]


def mean_agents(shifts: Shifts, clock_h: float, speed: float, seconds: float) -> float:
    """Agents that are there on average in the first ``seconds`` of a run."""
    if seconds <= 0:
        return 0.0
    start, end = clock_h, clock_h + seconds * speed / 3600
    days = range(-1, int(end // DAY_H) + 2)
    changes = [(day * DAY_H + hour, agents) for day in days for hour, agents in shifts]
    held = sum(
        max(0.0, min(until, end) - max(since, start)) * agents
        for (since, agents), (until, _) in pairwise(changes)
    )
    return held / (end - start)
