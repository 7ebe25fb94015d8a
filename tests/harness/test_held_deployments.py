"""Deployments that are held out: one change, to the system and to what the model is asked."""

from dataclasses import asdict, replace

import pytest

from benchmarks.costs import OURS
from harness.experiment_design import DEPLOYMENTS, QUICK
from harness.held_deployments import (
    System,
    binding_slots,
    busy_levels,
    changed_deployments,
    rate_at,
)
from harness.measuring import measured_part, own_settings
from simulation.deployment import Deployment
from simulation.projection import Question
from workload.scenario import load_scenario

SYSTEM = System(
    measured_part(load_scenario("prakerja-2020")),
    OURS,
    own_settings([]),
    Deployment("measured", shared_core=True, generator=True, registry_slots=128),
    replace(QUICK, level_s=4.0),
)
CHANGED = changed_deployments(SYSTEM, core_per_s=500.0)
#: Setting of the system -> of the model's deployment.
ALIKE = ("workers", "lanes", "pool", "batch_rows", "registry_slots", "identity_check")


def test_every_name_that_may_be_asked_for_is_a_change() -> None:
    """And no other."""
    assert tuple(CHANGED) == DEPLOYMENTS


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_one_thing_is_changed_in_both_worlds(name: str) -> None:
    """The system is started with what the model is asked about."""
    changed = CHANGED[name]
    before, after = asdict(SYSTEM.settings), asdict(changed.settings)
    differs = {key for key in before if before[key] != after[key]}
    journeys = changed.scenario.journey.names == SYSTEM.scenario.journey.names
    assert (differs != set()) == journeys  # the other mix alone changes who comes
    assert differs <= {*ALIKE, "registry_twin_slots", "registry_twin_latency_s"}
    deployment = changed.deployment(SYSTEM)
    for setting in ALIKE:
        assert getattr(deployment, setting) == after[setting], setting


def test_a_registry_twice_as_slow_is_so_for_the_model_too() -> None:
    """Its measured latency, stretched; the twin's, stretched by the same."""
    slow = CHANGED["registry-slow"]
    latency = slow.deployment(SYSTEM).registry_latency
    assert latency is not None
    assert latency.mean_s == pytest.approx(2 * OURS.registry.mean_s)
    twin = SYSTEM.settings.registry_twin_latency_s
    assert slow.settings.registry_twin_latency_s == tuple(2 * knot for knot in twin)


def test_slots_are_halved_until_they_hold_the_visitors_up() -> None:
    """16 slots of 40 ms do 400 checks a second; 500 visitors a second need 20 of them."""
    assert binding_slots(128, 0.04, 500.0) == 16
    assert binding_slots(16, 0.04, 500.0) == 8
    assert binding_slots(1, 0.04, 500.0) == 1


@pytest.mark.slow
def test_a_level_is_found_at_which_the_busiest_station_is_as_busy_as_asked() -> None:
    """Though the search begins far above it."""

    def ask(per_s: float) -> Question:
        return CHANGED["pool-halved"].question(SYSTEM, per_s, seed=7)

    per_s = rate_at(0.5, ask, 900.0)
    assert per_s < 900.0
    busy = CHANGED["pool-halved"].busy(SYSTEM, per_s, seed=7)
    assert max(busy.values()) == pytest.approx(0.5, abs=0.02)


def test_levels_are_chosen_by_how_busy_the_model_expects_the_core_to_be() -> None:
    """True utilisation: the rates rise with it, but not in proportion."""
    slow, fast = busy_levels(replace(SYSTEM, design=replace(SYSTEM.design, busy=(0.3, 0.6))), 600.0)
    seed = SYSTEM.scenario.seed + 1
    quiet, busy = (max(SYSTEM.unchanged.busy(SYSTEM, at, seed).values()) for at in (slow, fast))
    assert quiet == pytest.approx(0.3, abs=0.02)
    assert busy == pytest.approx(0.6, abs=0.02)
    assert fast > 2 * slow
