"""Scaling by plan and by load: who takes requests when, how many there are, and what that costs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from simpy.events import Event

from simulation import kernel
from simulation import layout as at
from simulation.compiled import CompiledEngine
from simulation.deployment import Deployment
from simulation.driver import Call, SimpyEngine
from simulation.replicas import (
    G_SLOTS,
    HEAD,
    P_INSIDE,
    P_READY_AT,
    P_STATE,
    READY,
    REPLICA,
    STARTING,
)
from simulation.scaled import Scaled, scaled_of
from simulation.scaling import Scaling, Wanted
from simulation.service import ServiceModel, StepCost
from simulation.world import Order
from tests.simulation.scaling_situations import SCALING
from tests.simulation.situations import Situation
from workload.arrivals import Arrivals, Constant, total_curve
from workload.durations import constant
from workload.journey import Journey, Patience
from workload.journey import Step as JourneyStep

WALK = Journey((JourneyStep("open_site", patience=Patience(timeout_s=1e5, attempts=1)),))


def a_service(slice_s: float) -> ServiceModel:
    """Each request is one slice of this length."""
    return ServiceModel({"open_site": StepCost("plain", constant(slice_s))})


def order(model: ServiceModel, deployment: Deployment, people: int, horizon_s: float) -> Order:
    return Order(WALK, WALK.itinerary(), model, deployment, 1, people, horizon_s=horizon_s)


def scaled(world: at.World, horizon_s: float) -> Scaled:
    found = scaled_of(world, horizon_s)
    assert found is not None
    return found


def at_seconds(*seconds: float) -> Arrivals:
    return Arrivals(np.arange(len(seconds)), np.asarray([round(s * 1e9) for s in seconds]))


class Watched(SimpyEngine):
    """Looks where each request goes, and counts what comes to the service and what leaves it."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self.strays = 0
        self.came = 0
        self.left = 0

    def _handler(self, when: int, code: int, ref: int) -> Call:
        happens = super()._handler(when, code, ref)
        kind = at.kind_of(code)

        def watch(event: Event) -> None:
            cells = self.world.scaling
            takes = [
                cells[HEAD + replica * REPLICA + P_STATE] == READY
                and cells[HEAD + replica * REPLICA + P_READY_AT] <= when
                for replica in range(cells[G_SLOTS])
            ]
            happens(event)
            if kind == at.SEND:
                replica = self.world.jobs[ref + at.J_LOOP] // at.LOOP % cells[G_SLOTS]
                self.came += 1
                self.strays += not takes[replica]
            self.left += kind == at.REPLY

        return watch


@pytest.mark.parametrize("situation", SCALING, ids=lambda one: one.name)
def test_no_request_starts_on_a_replica_that_is_not_ready(situation: Situation) -> None:
    """And none is lost: what comes to the service leaves it, and nothing is inside at the end."""
    watched = Watched(situation.order(250))
    world = watched.run(situation.arrivals(250))
    found = scaled(world, situation.horizon_s)
    assert any(change.ready < change.started for change in found.changes)  # some start
    counts = [change.ready for change in found.changes]
    assert min(counts[counts.index(max(counts)) :]) < max(counts)  # and some go
    assert watched.strays == 0
    assert watched.came == watched.left > 250
    inside = world.scaling[HEAD + P_INSIDE :: REPLICA][: world.scaling[G_SLOTS]]
    assert list(inside) == [0] * world.scaling[G_SLOTS]


def test_requests_to_replicas_that_still_start_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: who starts counts as ready for a request, and the watch catches it."""

    def reach_any(w: at.World, job: int) -> None:
        records = range(HEAD, HEAD + w.scaling[G_SLOTS] * REPLICA, REPLICA)
        started = [mine for mine in records if w.scaling[mine + P_STATE] in (READY, STARTING)]
        mine = started[w.jobs[job + at.J_WHO] % len(started)]
        w.jobs[job + at.J_LOOP] = (mine - HEAD) // REPLICA * at.LOOP
        w.scaling[mine + P_INSIDE] += 1

    monkeypatch.setattr(kernel, "reach_replica", reach_any)
    situation = next(one for one in SCALING if "photos" in one.name)
    watched = Watched(situation.order(150))
    watched.run(situation.arrivals(150))
    assert watched.strays > 0


@pytest.mark.parametrize("situation", SCALING, ids=lambda one: one.name)
def test_replicas_that_never_change_are_those_of_a_service_that_does_not_scale(
    situation: Situation,
) -> None:
    """Of every visitor, by three ways: least = most, a plan that asks for what is there, and
    start-ups longer than the record, though many more could come.
    """
    replicas = 3
    still = (
        Scaling(0, least=replicas, most=replicas, every_s=1),
        Scaling(0, (Wanted(0.5, replicas),)),
        Scaling(1e6, least=replicas, most=9, target_busy=0.01, every_s=1, cooldown_s=1e6),
    )
    fixed = replace(situation, deployment=replace(situation.deployment, replicas=replicas))
    ends = []
    for scaling in (None, *still):
        asked = replace(fixed, deployment=replace(fixed.deployment, scaling=scaling)).order(200)
        ends.append(np.asarray(CompiledEngine(asked).run(fixed.arrivals(200)).ends))
    assert all(np.array_equal(ends[0], other) for other in ends[1:])


@pytest.mark.parametrize(
    ("rate", "slice_s", "target", "cores", "begins"),
    [
        (100, 0.021, 0.6, 1, 1),  # 2.1 cores of work: 3.5
        (100, 0.021, 0.6, 1, 9),
        (200, 0.01, 0.9, 1, 1),  # 2 cores: 2.22
        (300, 0.01, 0.55, 2, 1),  # 3 cores: 5.45 of them, 2.73 replicas
    ],
)
def test_a_step_of_load_ends_with_as_many_replicas_as_the_formula_says(
    rate: float, slice_s: float, target: float, cores: int, begins: int
) -> None:
    """ceil(arrivals a second x service / target / cores of a replica), from below and above."""
    scaling = Scaling(20, most=12, target_busy=target, every_s=15, cooldown_s=60)
    deployment = Deployment(replicas=begins, workers=cores, cores=cores, scaling=scaling)
    arrivals = total_curve([Constant(rate, 60, 960)], 960).arrivals(3)
    world = CompiledEngine(order(a_service(slice_s), deployment, len(arrivals), 960)).run(arrivals)
    held = [change for change in scaled(world, 960).changes if change.at_s <= 900]
    assert held[-1].ready == held[-1].started == math.ceil(rate * slice_s / target / cores)
    assert held[-1].at_s < 500


@pytest.mark.parametrize("startup_s", [0.0, 90.0])
def test_a_replica_that_is_wanted_is_ready_after_its_start_up(startup_s: float) -> None:
    """By plan at 100 s, by load at the first look after it grew; without one at once."""
    planned = Scaling(startup_s, (Wanted(100, 3),))
    nobody = order(a_service(1), Deployment(scaling=planned), 1, 300)
    found = scaled(CompiledEngine(nobody).run(at_seconds(0.0)), 300)
    assert [(one.at_s, one.ready) for one in found.changes if one.ready == 3] == [
        (100 + startup_s, 3)
    ]
    reactive = Scaling(startup_s, most=3, every_s=15, cooldown_s=1e6)
    busy = order(a_service(20), Deployment(scaling=reactive), 9, 300)
    found = scaled(CompiledEngine(busy).run(at_seconds(31, 32, 33, 34, 35, 36)), 300)
    # A slice counts when it begins: 20 s of work at 31 s are two replicas and more at 45 s.
    assert found.most.at_s == 45 + startup_s


def test_hours_are_paid_from_the_start_to_the_last_answer() -> None:
    """Starting and draining replicas cost as well; one that nobody is inside stops at once."""
    planned = Scaling(50, (Wanted(100, 4), Wanted(200, 2)))
    idle = order(a_service(1), Deployment(replicas=2, scaling=planned), 1, 300)
    assert scaled(CompiledEngine(idle).run(at_seconds(0.0)), 300).replica_s == 2 * 300 + 2 * 100
    # Two people at each of two replicas, for a minute each; the second replica goes at 10 s.
    drains = Deployment(replicas=2, scaling=Scaling(0, (Wanted(10, 1),)))
    asked = order(a_service(60), drains, 9, 600)
    world = CompiledEngine(asked).run(at_seconds(*np.arange(4.0)))
    assert world.loops[at.LOOP + at.L_WAKEUPS] > 0
    finished = np.asarray(world.ends).reshape(-1, at.END)[:4, at.E_FINISH] / 1e9
    assert (finished >= 60).all()
    assert scaled(world, 600).replica_s - 600 in set(finished)


def test_a_start_that_is_cancelled_never_takes_a_request() -> None:
    """Wanted at 10 s, not wanted at 20 s, ready at 40 s: it never was."""
    plan = Scaling(30, (Wanted(10, 2), Wanted(20, 1)))
    world = CompiledEngine(order(a_service(1), Deployment(scaling=plan), 99, 100)).run(
        at_seconds(*np.arange(30.0, 60.0))
    )
    found = scaled(world, 100)
    assert found.most.ready == 1
    assert found.replica_s == 100 + 10
    assert world.loops[at.LOOP + at.L_WAKEUPS] == 0


def test_a_plan_keeps_the_clock_of_the_scenario() -> None:
    """A window that begins at 30 minutes, twice as fast: what is planned for 40 comes after 5; what
    was planned for 29 still starts, what was planned for 10 is there.
    """
    plan = Scaling(120, (Wanted(600, 3), Wanted(1740, 4), Wanted(2400, 1)))
    asked = order(a_service(1), Deployment(scaling=plan), 1, 1000)
    world = CompiledEngine(replace(asked, from_s=1800, speed=2)).run(at_seconds(0.0))
    changes = [(one.at_s, one.ready, one.started) for one in scaled(world, 1000).changes]
    assert changes == [(0, 3, 4), (90, 4, 4), (300, 1, 1)]
