"""Attackers in the model: they load the stations, and are nowhere among the people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulation.compiled import CompiledEngine
from simulation.deployment import Deployment
from simulation.driver import SimpyEngine
from simulation.replay import attempts_of, replay
from simulation.replication import Question, Replication, replicate
from tests.simulation.situations import LIVELY, SITUATIONS, history_of
from workload.manifest import Bending
from workload.scenario import Scenario, scenario_from

WHOLE = Bending((0.0, 20.0))


def scenario(attackers_per_s: float = 0.0) -> Scenario:
    table = {
        "schema": "surge/scenario/1",
        "name": "an attack",
        "checkpoints_h": [0.01],
        "arrivals": {"duration": 20, "parts": [{"shape": "constant", "per_s": 50}]},
        "patience": {"timeout_s": 1, "attempts": 2, "backoff_s": 0.1},
        "steps": [{"name": "open_site"}, {"name": "register", "pause": 1, "drop_out": 0.1}],
    }
    if attackers_per_s:
        steps = ["open_site", "register"]
        table["attack"] = {"per_s": attackers_per_s, "start": 5, "steps": steps, "timeout_s": 0.2}
    return scenario_from(table, "an attack")


def simulated(attackers_per_s: float, engine: str = "compiled", speed: float = 1.0) -> Replication:
    deployment = replace(Deployment(), speed=speed)
    asked = Question(scenario(attackers_per_s), LIVELY, deployment, WHOLE, engine, horizon_s=60.0)
    return replicate(asked, 3)


@pytest.fixture(scope="module")
def quiet() -> Replication:
    return simulated(0.0)


@pytest.fixture(scope="module")
def mild() -> Replication:
    """An attack that the service bears."""
    return simulated(60.0)


def test_an_attack_that_is_borne_changes_no_count_of_people(
    quiet: Replication, mild: Replication
) -> None:
    """Funnel, endings, checkpoints, the lost: the same; the stations have served more."""
    for count in ("people", "lost", "attempts"):
        assert getattr(mild, count) == getattr(quiet, count)
    assert mild.summary.visits == quiet.summary.visits
    assert mild.summary.endings == quiet.summary.endings
    assert mild.summary.checkpoints == quiet.summary.checkpoints
    for one, other in zip(quiet.summary.steps, mild.summary.steps, strict=True):
        assert (one.visits, one.accepted) == (other.visits, other.accepted)
        assert np.array_equal(one.offered, other.offered)
    assert mild.stations["event_loop"]["served"] > 1.5 * quiet.stations["event_loop"]["served"]


def test_attackers_have_rows_of_their_own(quiet: Replication, mild: Replication) -> None:
    """About 60 a second for 15 s, from the fifth second on, through both of their steps."""
    assert quiet.summary.attack == ()
    first, second = mild.summary.attack
    assert (first.name, second.name) == ("attack_open_site", "attack_register")
    assert first.visits == pytest.approx(900, rel=0.15)
    assert second.visits == first.accepted
    assert first.offered[:5].sum() == 0


def test_an_attack_beyond_capacity_harms_people() -> None:
    """What the class is for: the same people on a slow service, with and without."""
    alone, attacked = simulated(0.0, speed=10), simulated(2_000.0, speed=10)
    assert alone.lost == 0
    assert attacked.people == alone.people
    assert attacked.collapsed


def test_both_engines_fold_an_attack_alike() -> None:
    """Digest, people, lost, and every attacker's row."""
    ours, theirs = (simulated(300.0, engine, speed=6) for engine in ("compiled", "simpy"))
    assert ours.digest == theirs.digest
    assert (ours.people, ours.lost, ours.attempts) == (theirs.people, theirs.lost, theirs.attempts)
    assert ours.summary.to_json() == theirs.summary.to_json()


def test_a_record_of_an_attack_is_walked_again() -> None:
    """Attackers by their own steps."""
    situation = next(s for s in SITUATIONS if s.name == "attacked at the door")
    order, arrivals = situation.order(1_000), situation.arrivals(1_000)
    record = history_of(order, SimpyEngine(order).run(arrivals))
    again = replay(record, order.itinerary, order.seed)
    assert attempts_of(again) == attempts_of(record)


def test_an_attack_of_nobody_is_none() -> None:
    """A world that knows where attackers begin, and none come: the same world as without."""
    situation = next(s for s in SITUATIONS if s.name == "calm")
    order, arrivals = situation.order(300), situation.arrivals(300)
    one, other = (
        CompiledEngine(replace(order, first_attacker=first)).run(arrivals)
        for first in (order.people, 1 << 40)
    )
    assert np.array_equal(one.ends, other.ends)
