"""Photo store, waiting room and call centre: what each promises, and Erlang-A."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulation import layout as at
from simulation.compiled import CompiledEngine
from simulation.deployment import Deployment, RegistryWindow
from simulation.service import ServiceModel, StepCost
from tests.simulation.queues import FOREVER, Queue
from tests.simulation.situations import (
    LIVELY,
    Situation,
    calling,
    differences,
    history_of,
    journey,
    whole_journey,
)
from tests.simulation.test_registry import STEADY
from workload.durations import constant, exponential
from workload.history import History
from workload.journey import SUPPORT_STEP, Step, Support
from workload.laws import broken
from workload.visit import Ending, Outcome

UPLOAD = 5
CALL_ONCE = Step(SUPPORT_STEP, patience=FOREVER)


def walked(situation: Situation, people: int = 500) -> tuple[at.World, History]:
    order = situation.order(people)
    world = CompiledEngine(order).run(situation.arrivals(people))
    history = history_of(order, world)
    assert broken(history) == []
    return world, history


def figure(world: at.World, station: int, field: int) -> int:
    return int(world.stations[station * at.STATION + field])


def test_a_photo_takes_the_visitors_line_or_the_stores_whichever_is_slower() -> None:
    """300 kB take 50 ms of a line of 48 Mbit/s; alone on it, the visitor's own decides."""
    walk = whole_journey(STEADY, constant(0.01))
    model = replace(LIVELY, photo=constant(0.5), photo_kb=300)
    ample = Situation("", model, Deployment(), walk, rate=20)
    narrow = replace(ample, deployment=Deployment(photo_mbit_per_s=48))  # 50 ms a photo
    for situation, shortest, longest in ((ample, 0.5, 0.6), (narrow, 0.5, 60.0)):
        _, rows = walked(situation, 400)
        mine = rows.where((rows["step"] == UPLOAD) & (rows["outcome"] == Outcome.ACCEPTED))
        took = (mine["ended"] - mine["intended"]) / 1e9
        assert len(mine) > 300
        assert shortest < took.min() < shortest + 0.1
        assert took.max() < longest
    world, _ = walked(narrow, 400)
    assert figure(world, at.PHOTO_STORE, at.S_BUSY) == 50_000_000 * len(mine)


def test_an_upload_is_a_read_and_a_write() -> None:
    """Two requests to the service: each upload reads once, and is one row of a flush."""
    walk = whole_journey(STEADY, constant(0.01))
    world, rows = walked(Situation("", walk=walk, rate=50))
    uploads = int((rows["step"] == UPLOAD).sum())
    reads = int(np.isin(rows["step"], (4, 7)).sum())
    writes = int(np.isin(rows["step"], (1, 2, 3, 6)).sum())
    assert figure(world, at.CONNECTION_POOL, at.S_SERVED) == reads + uploads
    assert figure(world, at.WRITE_BATCHER, at.S_SERVED) == writes + uploads
    assert figure(world, at.PHOTO_STORE, at.S_SERVED) == uploads


def test_who_has_left_uploads_nothing_more() -> None:
    """A client that gave up while its photo was on the way never confirms it."""
    hasty = replace(STEADY, timeout_s=0.4)
    model = replace(LIVELY, photo=constant(0.5))
    world, rows = walked(Situation("", model, Deployment(), whole_journey(hasty, constant(0.01))))
    mine = rows.where(rows["step"] == UPLOAD)
    assert set(mine["outcome"].tolist()) == {Outcome.READ_TIMEOUT}
    assert figure(world, at.PHOTO_STORE, at.S_SERVED) == len(mine)
    assert world.tallies[UPLOAD * at.TALLY + at.T_ACCEPTED] == 0


def test_the_waiting_room_lets_people_in_one_by_one() -> None:
    """In the order in which they came, at its rate; the wait counts from their arrival."""
    room = Deployment(admission="waiting_room", room_per_s=50)
    world, rows = walked(Situation("", deployment=room, rate=500))
    first = rows.where((rows["step"] == 0) & (rows["number"] == 1)).ordered()
    assert (np.diff(first["started"]) >= 20_000_000).all()
    assert (first["intended"] == first["arrived"]).all()
    assert (first["ended"] - first["intended"]).max() / 1e9 == pytest.approx(9, abs=1)
    assert figure(world, at.WAITING_ROOM, at.S_PEAK) > 400
    assert figure(world, at.WAITING_ROOM, at.S_LENGTH) == 0


def test_an_empty_waiting_room_costs_nobody_anything() -> None:
    """Who comes to a room that lets in faster than people come, is let in."""
    room = Deployment(admission="waiting_room", room_per_s=1e6)
    _, with_room = walked(Situation("", deployment=room, rate=50))
    _, without = walked(Situation("", rate=50))
    assert (with_room["ended"] == without["ended"]).mean() > 0.99


def callers(agents: int, talk_s: float, patience_s: float) -> Queue:
    """People who all fail at once, because the registry is down, and all call."""
    deployment = Deployment(
        identity_check="inline", registry_windows=(RegistryWindow(0, 1e7),),
        agents=agents, call_length=exponential(talk_s), call_patience=exponential(patience_s),
    )  # fmt: skip
    free = StepCost("write", constant(0))
    model = ServiceModel({"submit_identity": free, "call_support": free})
    return Queue("submit_identity", model, deployment, 1.0, FOREVER, Support(1.0, CALL_ONCE))


def erlang_a(agents: int, rate: float, talk_s: float, patience_s: float) -> tuple[float, float]:
    """P(abandon) and mean queue length of M/M/n+M (Palm 1957; Garnett, Mandelbaum, Reiman 2002).

    Birth and death: up at lambda, down at min(k, n) mu + max(k - n, 0) theta. Abandonments a second
    are theta E[queue].
    """
    weights = [1.0]
    for k in range(1, agents + 2000):
        down = min(k, agents) / talk_s + max(k - agents, 0) / patience_s
        weights.append(weights[-1] * rate / down)
    total = sum(weights)
    queue = sum(max(k - agents, 0) * weight for k, weight in enumerate(weights)) / total
    return queue / patience_s / rate, queue


@pytest.mark.slow
@pytest.mark.parametrize(("agents", "patience_s"), [(9, 20.0), (12, 5.0)])
def test_callers_hang_up_as_often_as_erlang_a_says(agents: int, patience_s: float) -> None:
    """Too few agents by a tenth, and enough: inside the interval of 99 %, 3 % to either side."""
    queue = callers(agents, 10.0, patience_s)
    abandoned, _ = erlang_a(agents, 1.0, 10.0, patience_s)

    def share(world: at.World) -> float:
        left, served = (figure(world, at.CALL_CENTRE, f) for f in (at.S_LEFT, at.S_SERVED))
        return left / (left + served)

    found = queue.interval(share, 60_000, range(1, 21))
    assert found.half <= 0.03 * abandoned
    assert found.holds(abandoned), f"{found.error(abandoned):+.2%} of {abandoned:.4f}"


def test_patience_that_outlasts_the_record_is_as_patience_that_outlasts_every_wait() -> None:
    """Nobody hangs up either way, and all have the same fate; only no event ends the patience."""
    timed, endless = (callers(9, 8.0, 1.0), callers(9, 8.0, 1.0))
    timed, endless = (
        replace(queue, deployment=replace(queue.deployment, call_patience=constant(patience_s)))
        for queue, patience_s in ((timed, 1500.0), (endless, 1e6))
    )
    (_, one), (_, other) = timed.run(5, 1000), endless.run(5, 1000)
    assert figure(one, at.CALL_CENTRE, at.S_LEFT) == 0
    assert figure(one, at.CALL_CENTRE, at.S_PEAK) > 10
    assert differences(one, other) == ["cells"]
    assert one.cells[at.C_EVENTS] > other.cells[at.C_EVENTS] > 2000
    assert other.cells[at.C_ROOM_JOBS] == len(other.jobs) // at.JOB


def test_only_those_who_failed_call() -> None:
    """Neither who finished nor who dropped out; with a share of one, everybody else."""
    centre = Deployment(mail_loss=0.2, agents=3)
    walk = calling(journey(), 1.0, patience=FOREVER)
    world, rows = walked(Situation("", deployment=centre, walk=walk, horizon_s=5_000))
    failed = np.isin(rows["ending"], (Ending.GAVE_UP, Ending.TURNED_AWAY)).sum()
    served, left = (figure(world, at.CALL_CENTRE, f) for f in (at.S_SERVED, at.S_LEFT))
    assert served > 0
    assert left > 0
    assert served + left + figure(world, at.CALL_CENTRE, at.S_LENGTH) == failed
