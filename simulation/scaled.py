"""What scaling came to: how many replicas there were when, and for how many hours they were paid.

A replica is paid from its start until it stops: while it starts up and while it drains, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from simulation.layout import World
from simulation.replicas import (
    CHANGE,
    G_CHANGES,
    G_LOG,
    G_PAID,
    G_SLOTS,
    HEAD,
    OFF,
    P_SINCE,
    P_STATE,
    REPLICA,
)
from workload.durations import SECOND_NS

#: Hours of a month, of which a price is: a year of 365.25 days has 8,766.
MONTH_H: Final = 730.5


@dataclass(frozen=True)
class Change:
    """From ``at_s`` on, so many replicas are ready, and started (ready or starting)."""

    at_s: float
    ready: int
    started: int


@dataclass(frozen=True)
class Scaled:
    """Of one replication; ``changes``: a step series that begins at 0. ``replica_s``: paid."""

    changes: tuple[Change, ...]
    replica_s: float
    horizon_s: float

    @property
    def replica_hours(self) -> float:
        return self.replica_s / 3600

    @property
    def mean_replicas(self) -> float:
        """So many replicas all the time would cost as much."""
        return self.replica_s / self.horizon_s if self.horizon_s else float(self.first)

    @property
    def first(self) -> int:
        return self.changes[0].ready

    @property
    def most(self) -> Change:
        """The first time that as many were ready as at any time."""
        return max(self.changes, key=lambda change: (change.ready, -change.at_s))

    @property
    def most_started(self) -> int:
        return max(change.started for change in self.changes)

    def mean_ready(self, until_s: float) -> float:
        """Replicas that were ready, on average over the first ``until_s``."""
        if until_s <= 0:
            return float(self.first)
        since = np.minimum([change.at_s for change in self.changes], until_s)
        ready = np.asarray([change.ready for change in self.changes])
        return float((np.diff(since, append=until_s) * ready).sum() / until_s)


def scaled_of(world: World, horizon_s: float) -> Scaled | None:
    """What a run that has ended left of its replicas; None where it does not scale."""
    if len(world.scaling) == 0:
        return None
    cells = np.asarray(world.scaling, dtype=np.int64)
    log = cells[cells[G_LOG] :].reshape(-1, CHANGE)[: cells[G_CHANGES]].tolist()
    replicas = cells[HEAD : HEAD + cells[G_SLOTS] * REPLICA].reshape(-1, REPLICA)
    on = replicas[replicas[:, P_STATE] != OFF]
    paid_ns = cells[G_PAID] + (round(horizon_s * SECOND_NS) - on[:, P_SINCE]).sum()
    changes = tuple(Change(at_ns / SECOND_NS, ready, started) for at_ns, ready, started in log)
    return Scaled(changes, int(paid_ns) / SECOND_NS, horizon_s)


def busiest_minute_s(offered: np.ndarray[Any, Any], cell_s: float) -> float:
    """The middle of the busiest minute of a series of counts by time cell, seconds."""
    width = max(1, round(60.0 / cell_s))
    if len(offered) < width:
        return 0.0
    sums = np.convolve(np.asarray(offered, dtype=np.int64), np.ones(width, np.int64), "valid")
    return (int(np.argmax(sums)) + width / 2) * cell_s
