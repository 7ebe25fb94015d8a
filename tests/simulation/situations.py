"""Situations that both engines have to agree on, and how to compare what they leave behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulation import layout as at
from simulation.deployment import Deployment, RegistryWindow
from simulation.service import ServiceModel, StepCost
from simulation.state import Carried
from simulation.world import Order
from workload.arrivals import Arrivals, Constant, total_curve
from workload.attack import Attack, beside, with_attack
from workload.durations import Duration, constant, exponential, lognormal
from workload.history import NAMES, History
from workload.journey import SUPPORT_STEP, Journey, Patience, Step, Support
from workload.opening import Opening
from workload.wave_draw import WaveDraw

MS: Final = 0.001
PATIENT: Final = Patience(timeout_s=10, attempts=3, backoff_s=0.5, backoff_cap_s=4, mail_s=60)
HASTY: Final = Patience(timeout_s=0.05, attempts=4, backoff_s=0.1, backoff_cap_s=1, mail_s=30)


def journey(
    patience: Patience = PATIENT,
    pause: Duration | None = None,
    drop_out: float = 0.0,
    polls: int = 3,
    *,
    mail: bool = True,
) -> Journey:
    """The reference journey up to the identity check, in a hurry."""
    wait = pause or lognormal(0.5, 2.0)
    return Journey(
        (
            Step("open_site", patience=patience),
            Step("register", wait, drop_out, patience),
            Step("verify_email", wait, drop_out, patience, "verify" if mail else "none"),
            Step("submit_identity", wait, drop_out, patience),
            Step("await_identity", wait, 0.0, patience, "result" if mail else "none",
                 polls, poll_s=0.5, poll_cap_s=4.0),
        )
    )  # fmt: skip


def whole_journey(patience: Patience = PATIENT, pause: Duration | None = None) -> Journey:
    """With photo, wave and result."""
    wait = pause or lognormal(0.5, 2.0)
    later = ("upload_photo", "join_wave", "check_result")
    return Journey(
        (*journey(patience, wait).steps, *(Step(name, wait, 0.0, patience) for name in later))
    )


def calling(
    walk: Journey, share: float, pause: Duration | None = None, patience: Patience = PATIENT
) -> Journey:
    """The same journey, where a share of those who failed calls for help."""
    return replace(
        walk, support=Support(share, Step(SUPPORT_STEP, pause or constant(0), 0, patience))
    )


def costs(slice_: Duration, query: Duration, **rest: Any) -> ServiceModel:
    """A service all of whose slices cost alike."""
    write = StepCost("write", slice_, slice_)
    steps = dict.fromkeys(("register", "verify_email", "submit_identity", "join_wave"), write)
    read = StepCost("read", slice_, slice_, query)
    steps |= {"open_site": StepCost("plain", slice_), "await_identity": read, "check_result": read}
    steps |= {"upload_photo": StepCost("upload", slice_, slice_, query), "call_support": write}
    return ServiceModel(steps, **rest)


#: Figures like those of the reference service.
LIVELY: Final = costs(
    lognormal(100e-6, 200e-6), lognormal(80e-6, 160e-6),
    wake_s=30e-6, flush_base_s=60e-6, flush_row_s=6e-6, write_base_s=80e-6, write_row_s=10e-6,
    commit=lognormal(200e-6, 400e-6), registry=lognormal(0.03, 0.1), check_cpu_s=100e-6,
    errand_s=20e-6, mail=lognormal(1 * MS, 2 * MS), mail_cpu_s=100e-6, poll_s=5 * MS,
    network_s=20e-6, send_s=60e-6, receive_s=60e-6, twin_mail_s=50e-6, twin_check_s=80e-6,
    shed_s=20e-6, photo=lognormal(0.3, 2.0), photo_kb=300, read=lognormal(100e-6, 300e-6),
    generator_wake_s=20e-6,
)  # fmt: skip
#: Everything takes a whole number of milliseconds, so that much happens in the same instant.
TICKING: Final = costs(
    constant(1 * MS), constant(2 * MS),
    wake_s=2 * MS, flush_base_s=1 * MS, write_base_s=1 * MS, commit=constant(2 * MS),
    registry=constant(10 * MS), check_cpu_s=1 * MS, errand_s=1 * MS, mail=constant(3 * MS),
    mail_cpu_s=1 * MS, poll_s=5 * MS, network_s=1 * MS, send_s=1 * MS, receive_s=1 * MS,
    twin_mail_s=1 * MS, twin_check_s=1 * MS, shed_s=1 * MS, photo=constant(20 * MS), photo_kb=125,
    read=constant(1 * MS), generator_wake_s=2 * MS,
)  # fmt: skip
#: Nothing takes any time.
INSTANT: Final = costs(constant(0), constant(0))


@dataclass(frozen=True)
class Situation:
    """A name that says what happens, and what is to be simulated. Rates in arrivals a second."""

    name: str
    model: ServiceModel = LIVELY
    deployment: Deployment = field(default_factory=Deployment)
    walk: Journey = field(default_factory=journey)
    rate: float = 200.0
    seed: int = 11
    deterministic: bool = False
    mistyped: float = 0.05
    horizon_s: float = 400.0
    ties: bool = False  # whether events of one instant are the point of it
    arrivals_of: Callable[[int], Arrivals] | None = None
    attack: Attack | None = None
    clock_h: float = 0.0
    clock_speed: float = 1.0
    waiting: tuple[int, int, int] = (0, 0, 0)  # of a thousand people: checks, mails, callers
    waited_s: tuple[float, float] = (0.0, 0.0)

    def order(self, people: int) -> Order:
        """The order for about so many people, traced."""
        closes_s = self.walk.draw.closes_s if self.walk.draw else 0.0
        walked = with_attack(self.walk, self.attack)
        carried = self.carried(people)
        first_attacker = 2 * people + carried.total
        return Order(
            journey=walked,
            itinerary=walked.itinerary(),
            model=self.model,
            deployment=self.deployment,
            seed=self.seed,
            people=first_attacker + self._attackers(first_attacker),
            first_attacker=first_attacker,
            carried=carried if carried.total else None,
            clock_h=self.clock_h,
            speed=self.clock_speed,
            mistyped=self.mistyped,
            horizon_s=self.horizon_s,
            trace=True,
            wave_closes_s=closes_s,
        )

    def arrivals(self, people: int) -> Arrivals:
        """About so many people, and those who attack."""
        carried = self.carried(people)
        there = np.arange(2 * people, 2 * people + carried.total)
        found = beside(self._people(people), Arrivals(there, np.zeros_like(there)))
        if not self.attack:
            return found
        return beside(found, self.attack.arrivals(self.seed, 2 * people + carried.total))

    def carried(self, people: int) -> Carried:
        """Who stands in a line when the record begins."""
        checks, mails, calls = (number * people // 1_000 for number in self.waiting)
        check_ns, mail_ns = (round(age * 1e9) for age in self.waited_s)
        return Carried(2 * people, (checks, mails, calls), (check_ns, mail_ns))

    def _attackers(self, first: int) -> int:
        """How many attack, however few people there are."""
        return len(self.attack.arrivals(self.seed, first).index) if self.attack else 0

    def _people(self, people: int) -> Arrivals:
        if self.arrivals_of:
            return self.arrivals_of(people)
        duration_s = people / self.rate
        curve = total_curve([Constant(self.rate, 0, duration_s)], duration_s)
        return replace(curve, deterministic=self.deterministic).arrivals(self.seed)


def all_at_once(people: int) -> Arrivals:
    """Everybody in the first instant but one."""
    return Arrivals(np.arange(people), np.full(people, 1_000_000))


def by_dozens(people: int) -> Arrivals:
    """Twelve people every ten milliseconds."""
    who = np.arange(people)
    return Arrivals(who, who // 12 * 10_000_000)


def in_waves(people: int) -> Arrivals:
    """A third at once, a third two seconds later, a third three: not in the order of indices."""
    curve = total_curve([Constant(400.0, 0, people / 400)], people / 400)
    thirds = Opening("waves", (0, 2_000_000, 3_000_000), (1 / 3, 1 / 3, 1 / 3))
    return replace(curve, deterministic=True).opened(thirds).arrivals(11)


TICKS: Final = journey(pause=constant(20 * MS))


def never_waits(*timeouts_ms: int) -> Journey:
    """No pause between the steps, and patience for a few ticks."""
    patience = [
        Patience(timeout_s=timeout_ms * MS, attempts=6, backoff_s=4 * MS, backoff_cap_s=8 * MS,
                 jitter=0, mail_s=(20 + step) * MS)
        for step, timeout_ms in enumerate(timeouts_ms)
    ]  # fmt: skip
    still = constant(0)
    return Journey(
        tuple(
            replace(step, patience=its, pause=still, poll_s=2 * MS, poll_cap_s=4 * MS)
            for step, its in zip(TICKS.steps, patience, strict=True)
        )
    )


SITUATIONS: Final = (
    Situation("calm"),
    Situation("calm, on other luck", seed=12),
    Situation("with drop-outs", walk=journey(drop_out=0.25)),
    Situation("everything ticks", TICKING, Deployment(registry_slots=200, mail_connections=9),
              TICKS, 100, deterministic=True, ties=True),
    Situation("ticks on one shared core with a generator", TICKING,
              Deployment(shared_core=True, generator=True, registry_slots=4), TICKS, 40,
              deterministic=True, ties=True),
    Situation("dozens at a time meet quota ticks", TICKING,
              Deployment(workers=2, cores=2, registry_slots=50, registry_quota_per_s=200), TICKS,
              ties=True, arrivals_of=by_dozens),
    Situation("the record stops in the middle of a tick", TICKING, Deployment(workers=2), TICKS,
              horizon_s=0.2, ties=True, arrivals_of=by_dozens),
    Situation("missed mail by ticks", replace(TICKING, commit=constant(0)),
              Deployment(workers=16, cores=16, database_cores=9, mail_connections=3,
                         registry_slots=12),
              never_waits(14, 22, 24, 24, 16), ties=True, arrivals_of=by_dozens),
    Situation("timeouts by ticks", TICKING, Deployment(workers=12, cores=12, lanes=4, pool=2),
              never_waits(6, 7, 8, 9, 10), ties=True, arrivals_of=by_dozens),
    Situation("nothing takes time", INSTANT, Deployment(batch_rows=3), TICKS, ties=True,
              arrivals_of=by_dozens),
    Situation("all at once", LIVELY, Deployment(lanes=1), arrivals_of=all_at_once, ties=True),
    Situation("all at once, by ticks, shed", TICKING,
              Deployment(admission="shed", in_flight_cap=50, shed_delay_s=0.1), TICKS,
              arrivals_of=all_at_once, ties=True),
    Situation("overload, timeouts, retries, abandoned work", LIVELY, Deployment(speed=8),
              journey(HASTY), 1_500),
    Situation("overload, shed", LIVELY,
              Deployment(speed=8, admission="shed", in_flight_cap=20), journey(HASTY), 1_500),
    Situation("overload, shed at once", LIVELY,
              Deployment(speed=8, admission="shed", in_flight_cap=20, shed_delay_s=0), rate=1_500),
    Situation("let in by waves", deployment=Deployment(speed=3), walk=journey(HASTY),
              arrivals_of=in_waves),
    Situation("let in by waves, by ticks", TICKING,
              Deployment(workers=4, pool=3, database_cores=2), TICKS, ties=True,
              arrivals_of=in_waves),
    Situation("attacked at the door", deployment=Deployment(speed=4), rate=400,
              attack=Attack(300.0, 0.5, 2.5, ("open_site", "register"), timeout_s=0.05)),
    Situation("attacked by ticks, in a waiting room", TICKING,
              Deployment(admission="waiting_room", room_per_s=300, workers=2), TICKS,
              attack=Attack(100.0, 0.0, 3.0, ("register",), 3, 0.02), ties=True,
              arrivals_of=by_dozens),
    Situation("attacked, shed, and those who fail call", LIVELY,
              Deployment(speed=8, admission="shed", in_flight_cap=20, shed_delay_s=0, agents=3,
                         call_length=exponential(0.5)), calling(journey(HASTY), 0.7), 600,
              attack=Attack(500.0, 0.2, 1.5, ("open_site", "register", "submit_identity"), 20)),
    Situation("mail gets lost", deployment=Deployment(mail_loss=0.3)),
    Situation("mail is slower than patience",
              deployment=Deployment(mail_delay=lognormal(20, 120), mail_connections=1)),
    Situation("nobody waits for mail", walk=journey(mail=False, polls=6)),
    Situation("one shared core", deployment=Deployment(shared_core=True)),
    Situation("a generator in between", deployment=Deployment(generator=True)),
    Situation("one shared core and a generator", rate=400,
              deployment=Deployment(shared_core=True, generator=True)),
    Situation("four workers on two cores", deployment=Deployment(workers=4, cores=2), rate=3_000),
    Situation("three replicas", deployment=Deployment(replicas=3, database_cores=2), rate=3_000),
    Situation("a pool of one", rate=250,
              model=costs(lognormal(50e-6, 1e-4), exponential(5 * MS), registry=constant(1)),
              deployment=Deployment(pool=1)),
    Situation("one lane", deployment=Deployment(lanes=1), rate=1_000),
    Situation("batches of one row", deployment=Deployment(batch_rows=1), rate=1_000),
    Situation("batches of two rows", deployment=Deployment(batch_rows=2), rate=1_000),
    Situation("batches of three rows", deployment=Deployment(batch_rows=3, lanes=3), rate=1_000),
    Situation("batches of four rows", deployment=Deployment(batch_rows=4), rate=1_000),
    Situation("the registry's quota binds", deployment=Deployment(registry_quota_per_s=20)),
    Situation("checks inline", deployment=Deployment(identity_check="inline")),
    Situation("checks inline at a registry that is too small, shed", walk=journey(HASTY),
              deployment=Deployment(identity_check="inline", registry_slots=2, admission="shed",
                                    in_flight_cap=12)),
    Situation("checks inline by ticks, two workers, quota", TICKING,
              Deployment(identity_check="inline", registry_slots=3, registry_quota_per_s=250,
                         registry_latency=constant(12 * MS), workers=2, cores=2), TICKS, ties=True,
              arrivals_of=by_dozens),
    Situation("the registry goes out and comes back", deployment=Deployment(
        registry_latency=lognormal(0.05, 0.2),
        registry_windows=(RegistryWindow(2, 6), RegistryWindow(6, 8, 3, 2.5)))),
    Situation("the registry goes out by ticks, checks inline", TICKING, Deployment(
        identity_check="inline", workers=4, cores=4,
        registry_windows=(RegistryWindow(0.2, 0.3, 0), RegistryWindow(0.5, 0.6, 2, 3.0))),
        TICKS, ties=True, arrivals_of=by_dozens),
    Situation("the whole journey", walk=whole_journey()),
    Situation("seats are drawn while people still join",
              walk=replace(whole_journey(), draw=WaveDraw(8, 9.5, 100)), horizon_s=60),
    Situation("seats are drawn by ticks, and who looks comes at once", TICKING,
              Deployment(workers=4, cores=4), replace(whole_journey(pause=constant(20 * MS)),
                                                      draw=WaveDraw(1, 1.2, 100)),
              ties=True, arrivals_of=by_dozens),
    Situation("the record stops before the draw", walk=replace(whole_journey(),
              draw=WaveDraw(20, 90, 100)), horizon_s=60),
    Situation("photos through a narrow line and a generator", rate=60, walk=whole_journey(),
              deployment=Deployment(photo_mbit_per_s=100, generator=True)),
    Situation("photos that take too long", deployment=Deployment(photo_mbit_per_s=400),
              walk=whole_journey(replace(PATIENT, timeout_s=0.8))),
    Situation("photos by ticks", TICKING, Deployment(workers=4, cores=4, photo_mbit_per_s=1000),
              whole_journey(pause=constant(20 * MS)), ties=True, arrivals_of=by_dozens),
    Situation("a waiting room", rate=1_000,
              deployment=Deployment(admission="waiting_room", room_per_s=150)),
    Situation("a waiting room by ticks, left early by the record", TICKING,
              Deployment(admission="waiting_room", room_per_s=200, workers=2), TICKS,
              horizon_s=0.9, ties=True, arrivals_of=by_dozens),
    Situation("a call centre for those who fail", rate=1_500,
              walk=calling(journey(HASTY), 0.7, lognormal(1, 3), replace(PATIENT, attempts=2)),
              deployment=Deployment(speed=8, agents=4, call_length=exponential(0.5),
                                    call_patience=exponential(3))),
    Situation("callers of whom some outlast the record", rate=1_500, horizon_s=20,
              walk=calling(journey(HASTY), 0.7), deployment=Deployment(speed=8, agents=4,
                                    call_length=exponential(0.5), call_patience=exponential(9))),
    Situation("a call centre by shifts", walk=calling(journey(HASTY), 0.9), rate=1_500,
              clock_h=23.5, clock_speed=36_000,  # a day of 2.4 s
              deployment=Deployment(speed=8, agents=9, agent_shifts=((0, 2), (8, 9), (20, 0)),
                                    call_length=exponential(0.5), call_patience=exponential(3))),
    Situation("a call centre by shifts, by ticks", TICKING,
              Deployment(workers=3, agents=8, agent_shifts=((6, 1), (12, 8), (18, 3)),
                         call_length=constant(50 * MS), call_patience=constant(100 * MS)),
              calling(never_waits(6, 12, 12, 12, 12), 0.9), ties=True, arrivals_of=by_dozens,
              clock_h=9.0, clock_speed=864_000),  # a day of 100 ms
    Situation("a call centre by ticks", TICKING,
              Deployment(workers=3, agents=2, call_length=constant(50 * MS),
                         call_patience=constant(100 * MS)),
              calling(never_waits(6, 12, 12, 12, 12), 0.9), ties=True, arrivals_of=by_dozens),
    Situation("calls that are requests, to a service that is overloaded", rate=1_500,
              walk=calling(journey(HASTY), 0.8, lognormal(1, 3), HASTY),
              deployment=Deployment(speed=8, admission="shed", in_flight_cap=20, shed_delay_s=0)),
    Situation("calls that are requests by ticks, past a waiting room", TICKING,
              Deployment(workers=3, admission="waiting_room", room_per_s=400),
              calling(never_waits(6, 12, 12, 12, 12), 0.9), ties=True, arrivals_of=by_dozens),
    Situation("one registry slot, and the record stops early", horizon_s=30,
              deployment=Deployment(registry_slots=1)),
    Situation("checks are queued when the record begins", waiting=(700, 0, 0), waited_s=(25, 0)),
    Situation("mails are queued when the record begins", waiting=(0, 700, 0), waited_s=(0, 45),
              deployment=Deployment(mail_connections=1, mail_delay=lognormal(5, 20))),
    Situation("checks and mails are queued, by ticks, and nobody knows since when", TICKING,
              Deployment(registry_slots=9, mail_connections=2, mail_delay=constant(5 * MS),
                         mail_loss=0.1), TICKS, waiting=(300, 300, 0), ties=True,
              arrivals_of=by_dozens),
    Situation("every line is long, and those who fail call", rate=1_000,
              walk=calling(journey(HASTY), 0.7), waiting=(300, 200, 200), waited_s=(8, 31),
              attack=Attack(200.0, 0.0, 2.0, ("register",), 3, 0.02),
              deployment=Deployment(speed=8, agents=4, call_length=exponential(0.5),
                                    call_patience=exponential(30), registry_slots=3)),
    Situation("checks are queued whose waits are more than a cell holds", waiting=(300, 0, 0),
              waited_s=(9e8, 0)),
    Situation("checks are queued at a registry that is out, nobody waits for mail",
              walk=journey(mail=False, polls=6), waiting=(400, 0, 0), waited_s=(4, 0),
              deployment=Deployment(registry_windows=(RegistryWindow(0, 3),))),
)  # fmt: skip

#: Where free places lie, and how many, is the engine's own affair.
_PLACES: Final = (
    at.C_FREE_VISIT, at.C_FREE_JOB, at.C_ROOM_VISITS, at.C_ROOM_JOBS, at.C_HEARD,
    at.C_CHECK_HEAD, at.C_CHECK_TAIL, at.C_MAIL_HEAD, at.C_MAIL_TAIL, at.C_CALL_HEAD,
    at.C_CALL_TAIL, at.C_DECISION_HEAD, at.C_DECISION_TAIL,
)  # fmt: skip
COMPARED: Final = (
    "ends",
    "counts",
    "tallies",
    "offered",
    "achieved",
    "declined",
    "stations",
    "followed",
    "scaling",
    "lengths",
)


def remains(world: at.World) -> dict[str, NDArray[np.int64]]:
    """Everything that a run leaves behind, as arrays."""
    left = {name: np.asarray(getattr(world, name), dtype=np.int64) for name in COMPARED}
    cells = np.array(world.cells, dtype=np.int64)
    cells[list(_PLACES)] = 0
    left["cells"] = cells
    left["rows"] = np.asarray(world.rows[: int(cells[at.C_ROWS]) * at.ROW], dtype=np.int64)
    return left


def differences(one: at.World, other: at.World) -> list[str]:
    """Names of what is not bitwise equal in two worlds."""
    ours, theirs = remains(one), remains(other)
    return [name for name, left in ours.items() if not np.array_equal(left, theirs[name])]


def history_of(order: Order, world: at.World) -> History:
    """The traced attempts as a History."""
    table = remains(world)["rows"].reshape(-1, at.ROW)
    columns = {name: table[:, column].copy() for column, name in enumerate(NAMES)}
    return History(order.journey.names, columns)
