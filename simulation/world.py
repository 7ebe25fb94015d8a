"""Builds a World: a scenario's visits, a service's costs, a deployment's capacity, as integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from simulation import layout as at
from simulation.call_centre import announce_shift
from simulation.deployment import Deployment, RegistryWindow
from simulation.places import add_places
from simulation.replicas import begin_scaling
from simulation.scaling import Start, faults_of
from simulation.service import ServiceModel
from simulation.shifts import day_ns, first_change, offsets_ns
from simulation.state import Carried
from workload.attack import step_done
from workload.draws import threshold
from workload.durations import SECOND_NS, Duration, constant
from workload.errors import Fault, InputError
from workload.histogram import BOUNDS_NS, BUCKETS, LEAST
from workload.journey import MAILS, SUPPORT_STEP, Itinerary, Journey
from workload.wave_draw import JOINED_BY

#: Mail and check that a write of a step causes.
CAUSES_MAIL: Final = {"register": "verify"}
CAUSES_CHECK: Final = ("submit_identity",)
POLLS_IDENTITY: Final = ("await_identity",)
#: Lines of the database on each core that it shares: so many of its processes have work at once.
STORE_LINES: Final = 4
KINDS: Final = {"plain": at.PLAIN, "write": at.WRITE, "read": at.READ, "upload": at.UPLOAD}


@dataclass(frozen=True)
class Order:
    """What is to be simulated. ``people``: one more than the largest visitor index.

    ``journey``: all steps, the attackers' last. Who has an index from ``first_attacker`` on is one.
    """

    journey: Journey
    itinerary: Itinerary
    model: ServiceModel
    deployment: Deployment
    seed: int
    people: int
    mistyped: float = 0.0
    horizon_s: float = 86_400.0
    cell_s: float = 1.0
    trace: bool = False
    first_attacker: int = at.WHO_MASK + 1
    clock_h: float = 0.0  # the hour of the day at time 0, on the scenario's clock
    speed: float = 1.0  # how much faster than real that clock runs
    wave_closes_s: float = 0.0  # seconds of run time, where the journey has a draw
    from_s: float = 0.0  # seconds after the opening at time 0
    carried: Carried | None = None  # who stands in a line at time 0


class _Tables:
    """Collects quantile tables; `add` returns a table's offset."""

    def __init__(self) -> None:
        self.flat: list[int] = []
        self._known: dict[tuple[tuple[float, ...], float], int] = {}

    def add(self, duration: Duration, factor: float = 1.0) -> int:
        key = (duration.knots_s, factor)
        if key not in self._known:
            self._known[key] = len(self.flat)
            self.flat.extend(duration.table(factor).tolist())
        return self._known[key]


def build_world(order: Order, places: int = 0) -> at.World:
    """A World of Python lists at time 0, with room for ``places`` visits and jobs.

    InputError for a journey that events can't name: more steps or attempts than their codes hold;
    and for a scaling that can't be.
    """
    _check_journey(order.journey)
    tables = _Tables()
    routes = _routes(order, tables)
    shifts = order.deployment.agent_shifts
    offsets = offsets_ns(shifts, order.speed)
    windows = [cell for w in order.deployment.registry_windows for cell in _window(order, w)]
    cells = _cells(order, tables)
    cells[at.C_WINDOWS] = len(tables.flat)
    tables.flat.extend(windows)
    cells[at.C_SHIFTS], cells[at.C_SHIFT_COUNT] = len(tables.flat), len(shifts)
    cells[at.C_DAY] = day_ns(order.speed)
    cells[at.C_CLOCK] = round(order.clock_h / 24 * cells[at.C_DAY])
    for offset, (_, agents) in zip(offsets, shifts, strict=True):
        tables.flat.extend((offset, agents))
    cores, loops = _processors(order.deployment, cells)
    steps, time_cells = len(order.journey.names), cells[at.C_TIME_CELLS]
    world = at.World(
        cells=cells,
        visits=[],
        marks=[],
        notes=[],
        traced=[],
        jobs=[],
        cores=cores,
        loops=loops,
        stations=[0] * (len(at.STATIONS) * at.STATION),
        out=[0] * (at.OUT * cells[at.C_MOST_OUT]),
        routes=routes,
        tables=tables.flat,
        plan=list(order.itinerary.plan),
        pauses=list(order.itinerary.pauses),
        bounds=BOUNDS_NS.tolist(),
        least=LEAST.tolist(),
        counts=[0] * (steps * BUCKETS),
        tallies=[0] * (steps * at.TALLY),
        offered=[0] * (steps * time_cells),
        achieved=[0] * (steps * time_cells),
        declined=[0] * (steps * time_cells),
        ends=[0] * (order.people * at.END),
        rows=[],
        scaling=_scaling(order),
        followed=[0] * (at.FOLLOWED * time_cells if order.carried else 0),
        lengths=[0] * (at.STATION_COUNT * time_cells),
    )
    _announce_windows(order, world)
    if order.deployment.agent_shifts:
        _begin_shift(order, world)
    if world.scaling:
        begin_scaling(world)
    add_places(world, max(places, 2 * cells[at.C_MOST_OUT]))
    return world


def _scaling(order: Order) -> list[int]:
    deployment = order.deployment
    if deployment.scaling is None:
        return []
    cores = min(deployment.workers, deployment.cores)
    start = Start(deployment.scaling, deployment.replicas, cores, order.horizon_s, order.from_s,
                  order.speed)  # fmt: skip
    faults = faults_of(deployment.scaling, deployment.replicas, shared_core=deployment.shared_core)
    if faults:
        raise InputError(f"deployment {deployment.name}", faults)
    return start.cells()


def _check_journey(journey: Journey) -> None:
    faults = []
    if len(journey.names) > at.STEP_MASK:
        remedy = f"the model knows at most {at.STEP_MASK} steps, attackers' and a call for help too"
        faults.append(Fault("steps", len(journey.names), remedy))
    for step in journey.rows:
        most = step.patience.attempts + step.polls
        if most > at.NUMBER_MASK:
            remedy = f"the model counts at most {at.NUMBER_MASK} attempts and polls of a step"
            faults.append(Fault(f"steps.{step.name}", most, remedy))
    if faults:
        raise InputError("journey", faults)


def _announce_windows(order: Order, world: at.World) -> None:
    """Put the registry's windows on the calendar: their first and last instants."""
    cells = world.cells
    for number in range(len(order.deployment.registry_windows)):
        window = cells[at.C_WINDOWS] + number * at.WINDOW
        for edge in (at.W_FROM, at.W_TO):
            # Of one instant the window that ends comes first.
            code = at.code_of(at.REGISTRY_CHANGES, at.W_TO - edge, 0, number)
            at.post(world, world.tables[window + edge], code, window)


def _begin_shift(order: Order, world: at.World) -> None:
    """Who is on the phones at time 0, and when that changes."""
    cells, shifts = world.cells, order.deployment.agent_shifts
    offsets = offsets_ns(shifts, order.speed)
    first = first_change(offsets, cells[at.C_CLOCK])
    cells[at.C_AGENTS] = cells[at.C_AGENTS_FREE] = shifts[first - 1][1]
    announce_shift(world, first)


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def _routes(order: Order, tables: _Tables) -> Sequence[int]:
    speed = order.deployment.speed
    inline = order.deployment.identity_check == "inline"
    check = at.INLINE_CHECK if inline else at.QUEUED_CHECK
    has_call_centre = order.deployment.agents > 0 or bool(order.deployment.agent_shifts)
    flat: list[int] = []
    for walked in order.journey.names:
        name = step_done(walked)
        cost = order.model.steps[name]
        mail = MAILS.index(CAUSES_MAIL.get(name, "none"))
        phone = name == SUPPORT_STEP and has_call_centre
        flat += [
            at.PHONE if phone else KINDS[cost.kind],
            tables.add(cost.before, speed),
            tables.add(cost.after, speed),
            tables.add(cost.query, speed),
            mail,
            check if name in CAUSES_CHECK else at.NO_CHECK,
            int(name in POLLS_IDENTITY),
            _ns((order.model.send_s if cost.sent_s is None else cost.sent_s) * speed),
        ]
    return flat


def _cells(order: Order, tables: _Tables) -> list[int]:
    deployment, windows = order.deployment, len(order.deployment.registry_windows)
    cells = [0] * at.CELLS
    values = {
        at.C_SEED: order.seed,
        at.C_STEPS: order.itinerary.steps,
        at.C_ROWS_OF_PLAN: len(order.journey.names),
        at.C_ATTACK_STEP: order.itinerary.attack,
        at.C_FIRST_ATTACKER: order.first_attacker,
        at.C_CARRIED_FIRST: order.first_attacker,  # nobody, unless:
        **(order.carried.cells(order.journey) if order.carried else {}),
        **_draw_cells(order),
        at.C_HEARD: at.NONE,
        at.C_FREE_VISIT: at.NONE,
        at.C_FREE_JOB: at.NONE,
        at.C_MISTYPED: threshold(order.mistyped),
        at.C_TRACE: int(order.trace),
        at.C_BUCKETS: BUCKETS,
        at.C_CELL_NS: _ns(order.cell_s),
        at.C_LOOK_AT: _ns(order.cell_s),
        at.C_HORIZON: _ns(order.horizon_s),
        at.C_TIME_CELLS: max(1, -(-_ns(order.horizon_s) // _ns(order.cell_s))),
        # A flush causes a mail and a check for each of its rows, a registry that comes back a call
        # for each of its slots, a shift that begins one of each agent; other events cause a few.
        at.C_MOST_OUT: 2 * deployment.batch_rows
        + (deployment.registry_slots + 2 * windows if windows else 0)
        + (deployment.agents if deployment.agent_shifts else 0)
        + (len(deployment.scaling.planned) if deployment.scaling else 0)
        + 64,
        **_service_cells(order.model, deployment, tables),
        **_upstream_cells(order.model, deployment, tables),
        **_outside_cells(order.model, deployment, tables),
    }
    for cell, value in values.items():
        cells[cell] = value
    return cells


def _draw_cells(order: Order) -> dict[int, int]:
    names = order.journey.step_names
    in_it = order.journey.draw is not None and JOINED_BY in names
    return {
        at.C_JOIN_STEP: names.index(JOINED_BY) if in_it else at.NONE,
        at.C_WAVE_CLOSES: _ns(order.wave_closes_s),
    }


def _service_cells(model: ServiceModel, deployment: Deployment, tables: _Tables) -> dict[int, int]:
    cpu = deployment.speed
    return {
        at.C_NETWORK: _ns(deployment.network_s or model.network_s),
        at.C_SEND: _ns(model.send_s * cpu),
        at.C_RECEIVE: _ns(model.receive_s * cpu),
        at.C_WAKE: _ns(model.wake_s * cpu),
        at.C_GENERATOR_WAKE: _ns(model.generator_wake_s * cpu),
        at.C_WORKERS: deployment.most_replicas * deployment.workers,
        at.C_LANES: deployment.lanes,
        at.C_BATCH: deployment.batch_rows,
        at.C_FLUSH_BASE: _ns(model.flush_base_s * cpu),
        at.C_FLUSH_ROW: _ns(model.flush_row_s * cpu),
        at.C_WRITE_BASE: _ns(model.write_base_s * cpu),
        at.C_WRITE_ROW: _ns(model.write_row_s * cpu),
        at.C_COMMIT_TABLE: tables.add(model.commit),
        at.C_READ_TABLE: tables.add(model.read),
        at.C_CAP: _cap_of_a_worker(deployment),
        at.C_SHED_DELAY: _ns(deployment.shed_delay_s),
        at.C_SHED_COST: _ns(model.shed_s * cpu),
    }


def _upstream_cells(model: ServiceModel, deployment: Deployment, tables: _Tables) -> dict[int, int]:
    cpu, quota = deployment.speed, deployment.registry_quota_per_s
    return {
        at.C_CHECK_HEAD: at.NONE,
        at.C_CHECK_TAIL: at.NONE,
        at.C_REGISTRY_FREE: deployment.registry_slots,
        at.C_QUOTA_GAP: _ns(1 / quota) if quota else 0,
        at.C_REGISTRY_TABLE: tables.add(deployment.registry_latency or model.registry),
        at.C_CHECK_CPU: _ns(model.check_cpu_s * cpu),
        at.C_ERRAND: _ns(model.errand_s * cpu),
        at.C_MAIL_HEAD: at.NONE,
        at.C_MAIL_TAIL: at.NONE,
        at.C_MAIL_FREE: deployment.mail_connections,
        at.C_MAIL_TABLE: tables.add(model.mail),
        at.C_MAIL_CPU: _ns(model.mail_cpu_s * cpu),
        at.C_DELIVERY_TABLE: tables.add(_sum(model.delivery, deployment.mail_delay)),
        at.C_MAIL_LOSS: threshold(deployment.mail_loss),
        at.C_POLL: _ns(model.poll_s),
        at.C_MAIL_LOOKED: at.NONE,
        at.C_CHECK_LOOKED: at.NONE,
        at.C_DECISION_HEAD: at.NONE,
        at.C_DECISION_TAIL: at.NONE,
        at.C_TWIN_MAIL: _ns(model.twin_mail_s * cpu),
        at.C_TWIN_CHECK: _ns(model.twin_check_s * cpu),
        at.C_REGISTRY_PACE: 1000,
    }


def _outside_cells(model: ServiceModel, deployment: Deployment, tables: _Tables) -> dict[int, int]:
    line, has_room = deployment.photo_mbit_per_s, deployment.admission == "waiting_room"
    return {
        at.C_PHOTO_TABLE: tables.add(model.photo),
        at.C_PHOTO_LINE: _ns(model.photo_kb * 0.008 / line) if line else 0,
        at.C_ROOM_GAP: _ns(1 / deployment.room_per_s) if has_room else 0,
        at.C_AGENTS_FREE: deployment.agents,
        at.C_CALL_HEAD: at.NONE,
        at.C_CALL_TAIL: at.NONE,
        at.C_CALL_TABLE: tables.add(deployment.call_length),
        at.C_CALL_PATIENCE: tables.add(deployment.call_patience),
    }


def _window(order: Order, window: RegistryWindow) -> tuple[int, ...]:
    slots = min(window.slots, order.deployment.registry_slots)
    return (
        _ns(window.from_s),
        _ns(window.to_s),
        slots - order.deployment.registry_slots,
        round(window.slower * 1000),
        int(slots == 0),
    )


def _cap_of_a_worker(deployment: Deployment) -> int:
    """A worker's share of the in-flight cap of its replica, 0 for none."""
    if deployment.admission != "shed":
        return 0
    return -(-deployment.in_flight_cap // deployment.workers)


def _sum(one: Duration, other: Duration) -> Duration:
    """The one that is not zero; where both are some, the sum of their quantiles."""
    if one == constant(0.0) or other == constant(0.0):
        return other if one == constant(0.0) else one
    return Duration(tuple(((one.table() + other.table()) / SECOND_NS).tolist()))


def _processors(deployment: Deployment, cells: list[int]) -> tuple[list[int], list[int]]:
    """Cores: the service's, then (unless shared) the database's and the worker process's, then the
    generator's. Loops: the service's workers, then the generator's, then the worker process's
    and the database's lines where they share cores.
    """
    workers = deployment.most_replicas * deployment.workers
    service = min(workers, deployment.most_replicas * deployment.cores)
    count = service
    if deployment.shared_core:
        cells[at.C_DB_FIRST], cells[at.C_DB_CORES], cells[at.C_WORKER_CORE] = 0, service, 0
    else:
        cells[at.C_DB_FIRST], cells[at.C_DB_CORES] = count * at.CORE, deployment.database_cores
        cells[at.C_WORKER_CORE] = (count + deployment.database_cores) * at.CORE
        count += deployment.database_cores + 1
    homes = [worker % service for worker in range(workers)]
    cells[at.C_GENERATOR], cells[at.C_TWIN_CORE] = at.NONE, at.NONE
    if deployment.generator:
        cells[at.C_GENERATOR], cells[at.C_TWIN_CORE] = workers * at.LOOP, count * at.CORE
        homes.append(count)
        count += 1
    cells[at.C_WORKER_LOOP], cells[at.C_STORE_LOOP] = at.NONE, at.NONE
    if deployment.shared_core:
        cells[at.C_WORKER_LOOP] = len(homes) * at.LOOP
        homes.append(cells[at.C_WORKER_CORE] // at.CORE)
        cells[at.C_STORE_LOOP] = len(homes) * at.LOOP
        cells[at.C_STORE_LINES] = service * STORE_LINES
        homes.extend(list(range(service)) * STORE_LINES)
    cores: list[int] = []
    for _ in range(count):
        cores += [0, at.NONE, 0, at.NONE, at.NONE, 0]
    loops: list[int] = []
    for home in homes:
        loop = [0] * at.LOOP
        for field in (at.L_HEAD, at.L_TAIL, at.L_RUNNING, at.L_READY_NEXT, at.L_ROWS_HEAD,
                      at.L_ROWS_TAIL, at.L_POOL_HEAD, at.L_POOL_TAIL):  # fmt: skip
            loop[field] = at.NONE
        loop[at.L_CORE] = home * at.CORE
        loop[at.L_LANES_FREE] = deployment.lanes
        loop[at.L_POOL_FREE] = deployment.pool
        loops += loop
    return cores, loops
