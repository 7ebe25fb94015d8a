"""Does the model work as hard as the service did? Asked before anybody looks at a latency.

At each level that a model was learned from, the same visitors are simulated, and figures that no
visitor sees are compared: how often the event loop wakes, how busy the database is, how many rows
a flush has, how long they wait for it and reads for a connection. A model that is wrong there can
be right about a latency only by luck: where a figure differs by more than 10 % it is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from simulation.deployment import Deployment
from simulation.evidence import Run, Window, windows
from simulation.replication import Replication
from simulation.service import ServiceModel

#: Most that a simulated figure may differ from the measured one, as a share of the measured.
TOLERANCE: Final = 0.10
#: Waits are not told apart below this: a tenth of the finest latency that an objective could ask
#: of (2 ms), and no more than a few slices of the loop.
WAIT_FLOOR_S: Final = 0.2e-3
#: Nor are busy shares below this: one core-percent is what a scrape each second costs by itself.
SHARE_FLOOR: Final = 0.01


@dataclass(frozen=True)
class Figure:
    """One figure at one level. ``floor``: a difference below it, in the same unit, is nothing."""

    level: str
    name: str
    simulated: float
    measured: float
    floor: float
    unit: str  # "share", "s", "/s" or "rows"

    @property
    def error(self) -> float:
        """simulated / measured - 1; infinite where nothing was measured and something simulated."""
        if self.measured > 0:
            return self.simulated / self.measured - 1.0
        return math.inf if self.simulated > 0 else 0.0

    @property
    def holds(self) -> bool:
        """Within the tolerance or below the floor; a figure that is no number never holds."""
        apart = abs(self.simulated - self.measured)
        return apart <= max(self.floor, TOLERANCE * self.measured)


def figures(
    run: Run, replication: Replication, model: ServiceModel, deployment: Deployment
) -> list[Figure]:
    """The figures of one level, from its telemetry and from its simulation.

    Rates of the model are what it does a request, times the measured rate of requests, so that the
    warm-up of the run and the drain of the simulation don't count. What the idle system uses is
    not in the model but slows it: it is taken off again, and is the floor of the database's share.
    """
    (window,) = windows([run])
    background = float(model.fitted.get("background_share") or 0.0)
    rate = window.total("service", "surge_requests_total") / window.seconds
    scale = rate / max(1, replication.attempts)
    database_s = _busy_s(replication, "database", deployment.database_cores)
    flushes = max(1.0, window.total("service", "surge_flushes_total"))
    rows = replication.stations.get("write_batcher", {}).get("served", 0.0)
    level = run.path.name
    found = [
        Figure(level, "loop wake-ups", replication.wakeups * scale,
               _rate(window, "service", "surge_loop_wakeups_total"), 0.0, "/s"),
        Figure(level, "database, busy", database_s * scale * (1.0 - background),
               _rate(window, "worker", "surge_database_cpu_seconds_total"),
               max(SHARE_FLOOR, background), "share"),
        Figure(level, "rows in a flush", rows / max(1, replication.flushes),
               window.total("service", "surge_batch_rows_sum") / flushes, 0.0, "rows"),
    ]  # fmt: skip
    for name, station in (("row waits for a flush", "write_batcher"),
                          ("read waits for a connection", "connection_pool")):  # fmt: skip
        simulated = replication.stations.get(station, {}).get("mean_wait_s", 0.0)
        found.append(Figure(level, name, simulated, _wait_s(window, station), WAIT_FLOOR_S, "s"))
    return found


def refusals(found: list[Figure]) -> list[str]:
    """Which figure at which level differs by how much; empty when the model may predict."""
    return [
        f"{figure.level}: {figure.name} differs by {figure.error:+.0%}"
        for figure in found
        if not figure.holds
    ]


def _busy_s(replication: Replication, station: str, servers: float) -> float:
    """Busy seconds of a station: its utilisation, times what that is a share of."""
    said = replication.stations.get(station)
    if said is None:
        return 0.0
    active_s = min(said["drained_at_h"] * 3600, replication.summary.duration_s)
    return said["utilisation"] * max(1, servers) * active_s


def _rate(window: Window, source: str, counter: str) -> float:
    return window.total(source, counter) / window.seconds


def _wait_s(window: Window, station: str) -> float:
    name = "surge_station_wait_seconds"
    count = window.count("service", name, station=station)
    return window.total("service", f"{name}_sum", station=station) / count if count else 0.0
