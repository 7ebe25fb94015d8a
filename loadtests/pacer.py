"""Open arrivals: a visit begins when the curve says, whatever became of the ones before.

The pacer also knows how late this generator was. Every attempt, first or later, has an instant at
which it was intended; `Lag` counts how much later each was sent. A schedule is *kept* when at most
1 % of the attempts were sent more than 50 ms late, and the generator used less than 95 % of its
core. Why these: lag adds to every latency that is measured from the intended start, and 50 ms is a
fifth of the tightest objective that ships (250 ms); 1 % is the tail that a p99 is read from; and a
generator that never rests reads answers late, which would look like a slow service.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from workload.arrivals import Arrivals
from workload.history import Observation
from workload.visit import Outcome

#: Seconds; upper bounds of the buckets of lag, the last one open.
LAG_BOUNDS_S: Final = (
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
)  # fmt: skip
LONGEST_LAG_S: Final = 3600.0
LATE_S: Final = 0.05
LATE_SHARE: Final = 0.01
BUSY_SHARE: Final = 0.95
CHUNK: Final = 4096

_BOUNDS_NS: Final = tuple(round(bound * 1e9) for bound in LAG_BOUNDS_S)
_LATE: Final = LAG_BOUNDS_S.index(LATE_S) + 1


class Sleeps(Protocol):
    """What the pacer needs of the run's clock."""

    def sleep_until(self, at: int) -> None:
        """Return at ``at`` (ns of run time) or later."""


class Lag:
    """How late attempts were sent: counts by bucket, their sum, and the worst."""

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS_NS) + 1)
        self.sum_ns = 0
        self.worst_ns = 0

    def take(self, row: Observation) -> None:
        """Add an attempt, unless it waited for a mail in vain: then nothing was sent."""
        if row.outcome != Outcome.NO_MAIL:
            self.add(row.started - row.intended)

    def add(self, lag_ns: int) -> None:
        self.counts[bisect_left(_BOUNDS_NS, lag_ns)] += 1
        self.sum_ns += lag_ns
        self.worst_ns = max(self.worst_ns, lag_ns)


def late_share(counts: list[int]) -> float:
    """Share of the attempts that were sent more than LATE_S after they were intended."""
    total = sum(counts)
    return sum(counts[_LATE:]) / total if total else 0.0


def lag_quantile_s(counts: list[int], p: float) -> float:
    """Upper bound of the bucket that holds the p-quantile, in seconds; 0 when nothing was sent.

    The last bucket is open; it counts by LONGEST_LAG_S.
    """
    rank, seen = p * sum(counts), 0
    for bound, count in zip((*LAG_BOUNDS_S, LONGEST_LAG_S), counts, strict=True):
        seen += count
        if seen and seen >= rank:
            return bound
    return 0.0


def schedule_faults(who: str, counts: list[int], busy: float, involuntary: int) -> list[str]:
    """Why the schedule of one worker was not kept; nothing when it was.

    ``busy``: share of one core that the worker used while visitors came. ``involuntary``: how often
    others took that core from it, which is a cause that people can remove.
    """
    faults = []
    share = late_share(counts)
    if share > LATE_SHARE:
        worst = lag_quantile_s(counts, 0.99)
        faults.append(
            f"schedule not kept: {who} sent {share:.1%} of its attempts more than "
            f"{LATE_S * 1000:.0f} ms late (99th percentile of the lag: up to {worst:g} s; it used "
            f"{busy:.0%} of its core, which others took from it {involuntary:,} times)"
        )
    if busy >= BUSY_SHARE:
        faults.append(
            f"schedule not kept: {who} used {busy:.0%} of its core; use more workers or less load"
        )
    return faults


def pace(arrivals: Arrivals, clock: Sleeps, begin: Callable[[int, int], object]) -> None:
    """Call ``begin(visitor, arrived)`` for everybody, each at the instant of arrival or later."""
    for visitor, at in _in_order(arrivals):
        clock.sleep_until(at)
        begin(visitor, at)


def _in_order(arrivals: Arrivals) -> Iterator[tuple[int, int]]:
    for start in range(0, len(arrivals), CHUNK):
        part = slice(start, start + CHUNK)
        yield from zip(arrivals.index[part].tolist(), arrivals.at_ns[part].tolist(), strict=True)
