"""Operational bounds: what each station is offered against what it can do, without simulating.

    utilisation law    U = X D / c      (Denning & Buzen 1978)
    bottleneck         X <= c / D       the smallest over all stations bounds the throughput
    Little's law       N = X R          (Little 1961)

X: completions a second, D: seconds of service that each needs of a station, c: its servers, N: how
many are inside, R: how long each is. A load above 1 is unstable while it lasts: then a backlog of
(load - 1) seconds of work gathers each second, and who comes last waits for all of it.

Beside the way that everybody goes stands the call centre: it holds nobody up, so it is no
bottleneck, and it may be unstable all the same. After the draw people look for their result; a draw
that lies beyond the record has a load of its own (`Looks`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from simulation.demand import (
    CELLS,
    FINEST_S,
    Costs,
    Demand,
    Flow,
    costs_of,
    cumulative,
    demand_of,
    has_call_centre,
    looks_from_s,
    rows_a_flush,
)
from simulation.replication import Question
from simulation.shifts import mean_agents
from workload.summary import finite
from workload.wave_draw import LOOKED_UP_BY

#: Loads are judged over so many seconds: a busy millisecond is no overload.
PEAK_S: Final = 60.0
#: Simulated and offered load may differ by this share of it, and by this much.
APART: Final = 0.25
FLOOR: Final = 0.05


@dataclass(frozen=True)
class Bound:
    """One station. Loads are shares of what it can do: mean while people come, and of the busiest
    minute. ``per_s``: what it can do a second, in its own units (requests, checks, mails …).
    ``backlog_s``: the longest wait that the expected demand alone makes.
    """

    station: str
    servers: float
    service_s: float
    per_s: float
    mean_load: float
    peak_load: float
    peak_at_s: float
    backlog_s: float

    @property
    def is_unstable(self) -> bool:
        """Whether more comes in the busiest minute than it can do."""
        return self.peak_load > 1.0

    @property
    def inside(self) -> float:
        """How many are in service in the busiest minute, by Little's law: rate x service."""
        return min(self.peak_load, 1.0) * self.servers

    @property
    def queue(self) -> float:
        """How many stand in line when the backlog is longest, by Little's law: rate x wait."""
        return self.per_s * self.backlog_s if self.backlog_s else 0.0

    @property
    def sentence(self) -> str:
        """What is unstable and by how much; the load where nothing is."""
        over = (self.peak_load - 1.0) * self.per_s
        if self.mean_load > 1.0:
            return (
                f"{self.station} is offered {self.mean_load:.2f} times what it can do "
                f"({self.per_s:,.4g} a second) as long as people come: who comes last waits at "
                f"least {self.backlog_s / 3600:,.3g} h"
            )
        if self.is_unstable:
            return (
                f"{self.station} is offered {over:,.4g} a second more than it can do "
                f"({self.per_s:,.4g} a second) in its busiest minute: the longest wait is at "
                f"least {self.backlog_s:,.4g} s"
            )
        return f"{self.station} is busy to {self.peak_load:.0%} in its busiest minute"

    def to_json(self) -> dict[str, Any]:
        return {
            "station": self.station,
            "servers": self.servers,
            "service_s": self.service_s,
            "per_s": finite(self.per_s),
            "mean_load": self.mean_load,
            "peak_load": self.peak_load,
            "peak_at_s": self.peak_at_s,
            "backlog_s": finite(self.backlog_s),
            "inside": finite(self.inside),
            "queue": finite(self.queue),
            "unstable": self.is_unstable,
        }


@dataclass(frozen=True)
class Looks:
    """People who look for their result after the draw: ``people`` who have waited for it.

    ``per_s``: of the busiest minute, at ``peak_at_s`` of the run. ``station``: the busiest of those
    that an answer needs, by its share ``load`` in that minute. ``recorded``: in the record, so
    that it is simulated too.
    """

    people: float
    per_s: float
    peak_at_s: float
    station: str
    load: float
    recorded: bool

    @property
    def sentence(self) -> str:
        """How many come when, and what they do to the busiest station."""
        return (
            f"after the draw {self.people:,.0f} people look for their result, "
            f"{self.per_s:,.4g} a second in the busiest minute ({self.peak_at_s / 3600:,.4g} h): "
            f"{self.station} is busy to {self.load:.0%}"
            + ("" if self.recorded else "; the record ends before it")
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "people": self.people,
            "per_s": self.per_s,
            "peak_at_s": self.peak_at_s,
            "station": self.station,
            "load": self.load,
            "recorded": self.recorded,
        }


@dataclass(frozen=True)
class Bounds:
    """All stations of a question that do something, the busiest first.

    ``people_per_s``: the most visitors a second that its bottleneck lets through. ``beside``: the
    call centre, where it has agents. ``looks``: the rush after the draw, where there is one.
    """

    rows: tuple[Bound, ...]
    people_per_s: float
    beside: tuple[Bound, ...] = ()
    looks: Looks | None = None

    @property
    def bottleneck(self) -> Bound:
        return self.rows[0]

    def of(self, station: str) -> Bound | None:
        """The bound of a station, if anything goes there."""
        every = (*self.rows, *self.beside)
        return next((row for row in every if row.station == station), None)

    @property
    def unstable(self) -> tuple[Bound, ...]:
        return tuple(row for row in self.rows if row.is_unstable)


def bounds_of(question: Question, demand: Demand | None = None) -> Bounds:
    """What each station is offered in expectation, against what it can do."""
    demand = demand or demand_of(question)
    costs = settled_costs(question, demand)
    rows = []
    for station, (served, service_s, servers) in _offers(question, demand, costs).items():
        if served.sum() > 0 and service_s > 0:
            rows.append(_bound(station, served, service_s, servers, demand))
    rows.sort(key=lambda row: -row.peak_load)
    come_s = demand.come_for * demand.cell_s
    mean = demand.people / come_s
    worst = max((row.mean_load for row in rows), default=0.0)
    beside = _call_centre(question, demand)
    looks = _looks(question, demand, costs)
    return Bounds(tuple(rows), mean / worst if worst else math.inf, beside, looks)


def _call_centre(question: Question, demand: Demand) -> tuple[Bound, ...]:
    """Agents against calls, those who hang up and do not call again among them."""
    if not has_call_centre(question) or not demand.calls.sum():
        return ()
    agents, deployment = float(question.deployment.agents), question.deployment
    if deployment.agent_shifts:
        bending, seconds = question.bending, len(demand.calls) * demand.cell_s
        clock_h = (question.scenario.opens_h + bending.window_s[0] / 3600) % 24
        agents = mean_agents(deployment.agent_shifts, clock_h, bending.speed, seconds)
    if not agents or not (talk_s := deployment.call_length.mean_s):
        return ()
    found = _bound("call_centre", demand.calls, talk_s, agents, demand)
    patience_s = deployment.call_patience.knots_s[-1]  # nobody waits longer: they hang up
    return (replace(found, backlog_s=min(found.backlog_s, patience_s)),)


def _looks(question: Question, demand: Demand, costs: Costs) -> Looks | None:
    """The rush at the draw, on a grid of its own: the draw may lie days behind the record."""
    opens, names = looks_from_s(question), question.scenario.journey.step_names
    if opens is None or LOOKED_UP_BY not in names or not demand.waiting:
        return None
    number = names.index(LOOKED_UP_BY)
    step, bending = question.scenario.journey.steps[number], question.bending
    factor = bending.pauses / bending.speed
    cell_s = max(FINEST_S, step.pause.knots_s[-1] * factor / CELLS)
    cells = round(step.pause.knots_s[-1] * factor / cell_s) + math.ceil(PEAK_S / cell_s)
    flow = np.diff(cumulative(step.pause, factor, cell_s, cells), prepend=0.0) * demand.waiting
    peak, at = _peak(flow, cell_s)
    deployment = question.deployment
    workers = deployment.most_replicas * deployment.workers
    loops = min(workers, deployment.most_replicas * deployment.cores)
    shared = costs.database[number] if deployment.shared_core else 0.0
    loads = {
        "event_loop": (costs.loop[number] + shared) / loops,
        "database": costs.database[number] / (loops if shared else deployment.database_cores),
        "connection_pool": costs.pool[number] / (workers * deployment.pool),
    }
    station = max(loads, key=lambda name: loads[name])
    recorded = opens < len(demand.arrivals) * demand.cell_s
    load = float(loads[station]) * peak
    return Looks(demand.waiting, peak, opens + at, station, load, recorded)


def settled_costs(question: Question, demand: Demand) -> Costs:
    """Costs with as many rows a flush as gather in the busiest minute."""
    costs = costs_of(question)
    writes = costs.writes @ demand.asked
    return costs_of(question, rows_a_flush(question, _peak(writes, demand.cell_s)[0]))


def _offers(
    question: Question, demand: Demand, costs: Costs
) -> Mapping[str, tuple[Flow, float, float]]:
    """Station -> (arrivals by cell, mean service in s, servers)."""
    model, deployment = question.model, question.deployment
    first = demand.asked
    attempts = first.sum(axis=0)
    checks, mails = costs.checks @ first, costs.mails @ first
    workers = deployment.most_replicas * deployment.workers
    loops = min(workers, deployment.most_replicas * deployment.cores)
    latency = (deployment.registry_latency or model.registry).mean_s
    # The worker claims, decides and marks in batches: as few as there can be.
    errands = (3 * checks + 2 * mails).sum() / deployment.batch_rows
    errands_s = errands * model.errand_s * deployment.speed
    cores = loops if deployment.shared_core else deployment.database_cores
    photos = _photos(question, demand.first)

    def mean(work: Flow) -> float:
        asked = float(attempts.sum())
        return float((work @ first).sum()) / asked if asked else 0.0

    database_s = mean(costs.database) + errands_s / max(float(attempts.sum()), 1.0)
    # A core that the database shares runs its work before the service's own.
    loop_s = mean(costs.loop) + (database_s if deployment.shared_core else 0.0)
    quota, line = deployment.registry_quota_per_s, deployment.photo_mbit_per_s
    return {
        "event_loop": (attempts, loop_s, loops),
        "database": (attempts, database_s, cores),
        "connection_pool": (attempts, mean(costs.pool), workers * deployment.pool),
        "registry_client": (checks, latency, deployment.registry_slots),
        "registry_quota": (checks, 1.0 / quota if quota else 0.0, 1),
        "mail_sender": (mails + checks, model.mail.mean_s, deployment.mail_connections),
        "photo_store": (photos, model.photo_kb * 0.008 / line if line else 0.0, 1),
        "waiting_room": (
            demand.arrivals,
            1.0 / deployment.room_per_s if deployment.admission == "waiting_room" else 0.0, 1,
        ),
    }  # fmt: skip


def _photos(question: Question, first: Flow) -> Flow:
    steps = question.scenario.journey.steps
    uploads = [question.model.steps[step.name].kind == "upload" for step in steps]
    return np.asarray(np.asarray(uploads, dtype=np.float64) @ first)


def _bound(station: str, served: Flow, service_s: float, servers: float, demand: Demand) -> Bound:
    per_s = float(servers / service_s)
    peak, at = _peak(served, demand.cell_s)
    came = demand.come_for
    return Bound(
        station=station,
        servers=servers,
        service_s=float(service_s),
        per_s=per_s,
        mean_load=float(served[:came].sum()) / (came * demand.cell_s) / per_s,
        peak_load=peak / per_s,
        peak_at_s=at,
        backlog_s=longest_wait(served, per_s * demand.cell_s, demand.cell_s),
    )


def _peak(flow: Flow, cell_s: float) -> tuple[float, float]:
    """(rate a second, start in s) of the busiest minute."""
    width = max(1, min(len(flow), round(PEAK_S / cell_s)))
    sums = np.convolve(flow, np.ones(width), mode="valid")
    best = int(np.argmax(sums))
    return float(sums[best]) / (width * cell_s), best * cell_s


def longest_wait(flow: Flow, capacity: float, cell_s: float) -> float:
    """Longest wait (s) of a queue that takes ``capacity`` a cell: what is in front, at that pace.

    backlog(t) = max over s <= t of (arrivals in (s, t] - capacity (t - s))
    """
    surplus = np.cumsum(flow - capacity)
    backlog = surplus - np.minimum(np.minimum.accumulate(surplus), 0.0)
    return max(0.0, float(backlog.max()) / capacity * cell_s)


def disagreements(
    bounds: Bounds, stations: Mapping[str, Mapping[str, float]], horizon_s: float, come_s: float
) -> list[str]:
    """Where a simulated run and the bounds disagree; stations as a `Replication` has them.

    What is simulated has retries, polls and work for people who have left on top of the bound:
    where that is much, the bound is no guide, and where it is less, something came to nothing.
    """
    found = []
    for row in bounds.rows:
        simulated = stations.get(row.station)
        if simulated is None or row.station in ("connection_pool", "waiting_room"):
            continue
        # A station's utilisation counts until it was last empty, its load while people come.
        active_s = min(float(simulated["drained_at_h"]) * 3600, horizon_s)
        busy = float(simulated["utilisation"]) * active_s / come_s
        offered = row.mean_load
        quota = bounds.of("registry_quota")
        if row.station == "registry_client" and quota:
            offered = max(offered, quota.mean_load)
        if abs(busy - offered) > APART * offered + FLOOR:
            more = "more" if busy > offered else "less"
            found.append(
                f"{row.station}: simulated busy to {busy:.1%}, the first attempts alone need "
                f"{offered:.1%}: {more} than they account for"
            )
        if row.station == "registry_client" and row.backlog_s > 2 * simulated["longest_wait_s"] > 0:
            found.append(
                f"{row.station}: the longest simulated wait is {simulated['longest_wait_s']:,.3g} "
                f"s, the bound says at least {row.backlog_s:,.3g} s: fewer came that far"
            )
    return found
