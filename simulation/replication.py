"""One seed of a question: the wave is simulated once, and what became of everybody is folded.

A visitor is *lost* who finishes when every station is infinitely large, on the same draws, but not
here by the horizon (last arrival + 24 h). A replication *collapses* when more than 5 % are lost.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulation import layout as at
from simulation.deployment import Deployment
from simulation.drain import Line, lines_of
from simulation.fates import Fates, fates_of
from simulation.scaled import Scaled, scaled_of
from simulation.service import ServiceModel
from simulation.shifts import mean_agents
from simulation.state import Carried, State
from simulation.world import Order
from workload.arrivals import Arrivals
from workload.coming import Coming, coming
from workload.errors import Fault, InputError
from workload.histogram import BUCKETS, Histogram
from workload.history import NAMES, History
from workload.manifest import Bending
from workload.roll import Roll
from workload.scenario import Scenario
from workload.summary import CHECKPOINT_STEPS, StepSummary, Summary
from workload.wave_draw import drawn

AFTERMATH_S: Final = 24 * 3600.0
COLLAPSE: Final = 0.05
ENGINES: Final = ("compiled", "simpy")
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Question:
    """What is asked of the model. ``horizon_s``: None is last arrival + 24 h. ``state``: who stands
    in which line when the window begins.

    Steps that the model does not know have a cost by analogy; InputError where one has none.
    """

    scenario: Scenario
    model: ServiceModel
    deployment: Deployment
    bending: Bending
    engine: str = "compiled"
    replications: int = 1
    trace: bool = False
    horizon_s: float | None = None
    state: State | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", self.model.reaching(self.scenario.journey.names))
        missing = [s for s in self.scenario.journey.names if s not in self.model.steps]
        if missing:
            remedy = "calibrate on runs that reach this step, or take it out of the journey"
            raise InputError("model", [Fault("steps", name, remedy) for name in missing])

    @property
    def window_length_s(self) -> float:
        return (self.bending.window_s[1] - self.bending.window_s[0]) / self.bending.speed


@dataclass(frozen=True)
class Replication:
    """One seed. ``stations``: station -> figures. ``people`` came; ``carried`` stood in a ``lines``
    already, and are lost as others are. ``lost`` of all of them decide on collapse.
    """

    seed: int
    summary: Summary
    stations: Mapping[str, Mapping[str, float]]
    people: int
    lost: int
    attempts: int
    events: int
    wall_s: float
    digest: str
    history: History | None = None
    joined: int = 0  # among whom seats are drawn, and those who get one
    drawn: NDArray[np.int64] | None = None
    wakeups: int = 0  # of the service's event loops
    flushes: int = 0  # of the write batchers
    scaled: Scaled | None = None  # None where the deployment does not scale
    carried: int = 0
    lines: tuple[Line, ...] = ()
    #: How many wait at a station at the end of each of the summary's cells.
    depths: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    @property
    def lost_share(self) -> float:
        """Of all who came or were there; 0 where nobody was."""
        return self.lost / max(1, self.people + self.carried)

    @property
    def collapsed(self) -> bool:
        return self.lost > COLLAPSE * (self.people + self.carried)


def arrivals_of(question: Question, seed: int) -> tuple[Arrivals, float]:
    """The visitors of a question, shifted so that its window starts at 0; (arrivals, last in s)."""
    people = _coming(question, seed).people
    return people, _last_s(people)


def _coming(question: Question, seed: int) -> Coming:
    scenario, bending = question.scenario, question.bending
    if bending.population is not None:
        scenario = scenario.with_population(bending.population)
    carried = question.state.total if question.state else 0
    return coming(scenario, seed, bending, carried)


def _last_s(people: Arrivals) -> float:
    return float(people.at_ns[-1]) / 1e9 if len(people) else 0.0


def replicate(question: Question, seed: int, progress: Progress | None = None) -> Replication:
    """Simulate one seed."""
    scenario, bending = question.scenario, question.bending
    who = _coming(question, seed)
    asked_s = question.horizon_s
    horizon_s = asked_s if asked_s is not None else _last_s(who.people) + AFTERMATH_S
    order = Order(
        journey=scenario.walked,
        itinerary=scenario.itinerary(bending.pauses, bending.speed, bending.window_s[0]),
        model=question.model,
        deployment=question.deployment,
        seed=seed,
        people=int(who.everybody.index.max()) + 1 if len(who.everybody) else 1,
        mistyped=scenario.people.mistyped,
        horizon_s=horizon_s,
        cell_s=max(1.0, 60.0 * math.ceil(horizon_s / 3600 / 60)) if horizon_s > 3600 else 1.0,
        trace=question.trace,
        first_attacker=who.first_attacker,
        clock_h=(scenario.opens_h + bending.window_s[0] / 3600) % 24,
        speed=bending.speed,
        wave_closes_s=_closes_s(scenario, bending),
        from_s=bending.window_s[0],
        carried=_carried(question, who),
    )
    everybody = Roll.of(who.everybody)
    del who
    began = time.perf_counter()
    world = _engine(question.engine)(order).run(everybody, progress)
    wall_s = time.perf_counter() - began
    # What has been asked of it is not kept: it was most of the memory.
    world = world._replace(visits=[], marks=[], notes=[], traced=[], jobs=[])
    fates = fates_of(scenario, order, world, everybody)
    del everybody
    lines = lines_of(order, world)
    world = world._replace(ends=[])
    return replace(_fold(question, order, world, fates, seed, wall_s), lines=lines)


def _carried(question: Question, who: Coming) -> Carried | None:
    state = question.state
    return state.carried(who.first_attacker - who.carried) if state else None


def _closes_s(scenario: Scenario, bending: Bending) -> float:
    draw = scenario.journey.draw
    return draw.closes_in_run_s(bending.window_s[0], bending.speed) if draw else 0.0


def _engine(name: str) -> Any:
    if name == "simpy":
        from simulation.driver import SimpyEngine

        return SimpyEngine
    from simulation.compiled import CompiledEngine

    return CompiledEngine


def _fold(
    question: Question,
    order: Order,
    world: at.World,
    fates: Fates,
    seed: int,
    wall_s: float,
) -> Replication:
    carried = order.carried.total if order.carried else 0
    before = question.state.done.get("joined", 0) if question.state else 0
    draw = question.scenario.journey.draw
    tallies = np.asarray(world.tallies).reshape(-1, at.TALLY)
    return Replication(
        seed=seed,
        summary=_summary(question, order, world, fates),
        stations=_stations(order, world),
        people=fates.people - carried,
        lost=fates.lost,
        attempts=sum(int(v) for v in tallies[: order.itinerary.attack, at.T_ATTEMPTS]),
        events=int(world.cells[at.C_EVENTS]),
        wall_s=wall_s,
        digest=fates.digest,
        history=_history(order, world) if question.trace else None,
        joined=before + len(fates.joined),
        drawn=drawn(seed, fates.joined, draw.seats) if draw else None,
        wakeups=_wakeups(world),
        flushes=int(world.cells[at.C_FLUSHES]),
        scaled=scaled_of(world, order.horizon_s),
        carried=carried,
        depths=_depths(world),
    )


def _depths(world: at.World) -> dict[str, NDArray[np.int64]]:
    table = np.asarray(world.lengths, dtype=np.int64).reshape(at.STATION_COUNT, -1)
    return {name: row.copy() for name, row in zip(at.STATIONS, table, strict=True)}


def _wakeups(world: at.World) -> int:
    loops = range(int(world.cells[at.C_WORKERS]))
    return sum(int(world.loops[loop * at.LOOP + at.L_WAKEUPS]) for loop in loops)


def _history(order: Order, world: at.World) -> History:
    used = int(world.cells[at.C_ROWS]) * at.ROW
    table = np.asarray(world.rows[:used], dtype=np.int64).reshape(-1, at.ROW)
    columns = {name: table[:, place].copy() for place, name in enumerate(NAMES)}
    return History(order.journey.names, columns)


def _summary(question: Question, order: Order, world: at.World, fates: Fates) -> Summary:
    cells = int(world.cells[at.C_TIME_CELLS])
    tallies = np.asarray(world.tallies).reshape(-1, at.TALLY)
    counts = np.asarray(world.counts, dtype=np.int64).reshape(-1, BUCKETS)
    offered, achieved, declined = (
        np.asarray(series, dtype=np.int64).reshape(-1, cells)
        for series in (world.offered, world.achieved, world.declined)
    )
    empty = Histogram()
    steps = []
    for number, name in enumerate(order.journey.names):
        seen, attempts, accepted, refused, failed = (int(v) for v in tallies[number])
        steps.append(
            StepSummary(
                name=name,
                visits=seen,
                attempts=attempts,
                accepted=accepted,
                declined=refused,
                failed=failed,
                open=seen - accepted - refused - failed,
                outcomes={},
                latency=Histogram(counts[number].copy()),
                response_ok=empty,
                response_failed=empty,
                service_ok=empty,
                offered=offered[number],
                achieved=achieved[number] + declined[number],
            )
        )
    points = _checkpoints(question, order, np.cumsum(achieved, axis=1))
    first = order.itinerary.attack
    mine, attack = tuple(steps[:first]), tuple(steps[first:])
    return Summary(order.horizon_s, order.cell_s, mine, fates.people, fates.endings, points, attack)


def _checkpoints(
    question: Question, order: Order, accepted: NDArray[np.int64]
) -> dict[float, dict[str, int]]:
    """Cumulative counts by hour of the campaign; after a state, of the columns that it knows."""
    found: dict[float, dict[str, int]] = {}
    names, state = order.journey.names, question.state
    done = state.done if state else dict.fromkeys(CHECKPOINT_STEPS, 0)
    for hour in question.scenario.checkpoints_h:
        since_s = hour * 3600 - (state.at_s if state else 0.0)
        cell = round(since_s / order.cell_s) - 1
        if cell >= 0 and since_s <= order.horizon_s:
            found[hour] = {
                column: done[column] + int(accepted[names.index(step), cell])
                for column, step in CHECKPOINT_STEPS.items()
                if step in names and column in done
            }
    return found


def _stations(order: Order, world: at.World) -> dict[str, dict[str, float]]:
    """Figures of every station that had something to do, or always has (the service's own)."""
    found: dict[str, dict[str, float]] = {}
    scaled = scaled_of(world, order.horizon_s)
    for number, name in enumerate(at.STATIONS):
        row = [int(v) for v in world.stations[number * at.STATION : (number + 1) * at.STATION]]
        served, waited_ns = row[at.S_SERVED], row[at.S_WAITED_FULL] * at.FULL + row[at.S_WAITED]
        busy_s = row[at.S_BUSY] / 1e9
        if name in NOT_EVERYWHERE and not served + row[at.S_LENGTH]:
            continue
        drained_h = math.inf if row[at.S_LENGTH] else row[at.S_DRAINED] / 3600e9
        found[name] = {
            "served": served,
            "utilisation": _utilisation(order, name, served, busy_s, drained_h, scaled),
            "peak_queue": row[at.S_PEAK],
            "mean_wait_s": waited_ns / served / 1e9 if served else 0.0,
            "longest_wait_s": row[at.S_LONGEST] / 1e9,
            "drained_at_h": drained_h,
        }
    return found


#: Stations that a deployment or a journey may do without.
NOT_EVERYWHERE: Final = ("generator", "photo_store", "waiting_room", "call_centre")


def _utilisation(
    order: Order, name: str, served: int, busy_s: float, drained_h: float, scaled: Scaled | None
) -> float:
    """Busy share of a station's capacity, from the opening until its queue was last empty.

    Where a rate is what limits it (the registry's quota, the waiting room), the share of that rate.
    """
    deployment = order.deployment
    active_s = min(drained_h * 3600, order.horizon_s)
    if not active_s:
        return 0.0
    replicas = scaled.mean_ready(active_s) if scaled else deployment.replicas
    workers = replicas * deployment.workers
    agents = float(deployment.agents)
    if deployment.agent_shifts:
        agents = mean_agents(deployment.agent_shifts, order.clock_h, order.speed, active_s)
    servers: dict[str, float] = {
        "event_loop": min(workers, replicas * deployment.cores),
        "write_batcher": workers * deployment.lanes,
        "connection_pool": workers * deployment.pool,
        "database": deployment.database_cores,
        "registry_client": deployment.registry_slots,
        "mail_sender": deployment.mail_connections,
        "call_centre": agents,
    }
    rates = {
        "registry_client": deployment.registry_quota_per_s,
        "waiting_room": deployment.room_per_s,
    }
    share = busy_s / max(1, servers.get(name, 1)) / active_s
    rate = rates.get(name, 0.0)
    return max(share, served / rate / active_s) if rate else share
