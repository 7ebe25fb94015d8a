"""A what-if on the same luck: exact where nothing changes, worth its seeds, never a false mean."""

from dataclasses import replace

import numpy as np
import pytest

from simulation.pairing import Pairing, changed, difference_of
from simulation.projection import project, replicate
from tests.simulation import upstream_bound
from workload.errors import InputError


def test_a_change_of_nothing_is_no_difference() -> None:
    """The same world twice: every difference is exactly zero."""
    question = upstream_bound.question(24, replications=3)
    found = Pairing(project(question), project(changed(question, ["registry_slots=24"])), ())
    assert found.differences()
    assert all(one.difference == 0 and one.low == one.high == 0 for one in found.differences())
    assert found.collapses() == {"both": 0, "only_first": 0, "only_second": 0, "neither": 3}


def test_pairing_saves_seeds() -> None:
    """22 slots against 24, far from the cliff: the median of what is saved is above 2."""
    question = upstream_bound.question(24, replications=10)
    settings = ("registry_slots=22",)
    found = Pairing(project(question), project(changed(question, settings)), settings)
    rows = {one.name: one for one in found.differences()}
    waits = rows["mean wait registry_client"]
    assert waits.low > 0
    assert waits.saved is not None
    saved = [one.saved for one in rows.values() if one.saved]
    assert np.median(saved) > 2


@pytest.mark.slow
def test_where_a_world_has_two_outcomes_collapses_are_counted_and_not_averaged() -> None:
    """14 slots against 24: seeds that collapse only as asked; figures only of clean pairs."""
    question = upstream_bound.question(14, replications=12)
    found = Pairing(project(question), project(changed(question, ["registry_slots=24"])), ())
    counts = found.collapses()
    assert counts["only_first"] == found.first.collapses > 0
    assert counts["both"] == counts["only_second"] == 0
    assert len(found.comparable) == counts["neither"] < 12
    lost = next((one for one in found.differences() if one.name == "lost"), None)
    assert lost is None or lost.first < 0.05


def test_settings_policy_and_demand_can_be_changed() -> None:
    """One of each, together; what nobody knows is refused with a remedy."""
    question = upstream_bound.question(14)
    found = changed(question, ["registry_slots=20", "attempts=2", "demand=1.5"])
    assert found.deployment.registry_slots == 20
    assert found.scenario.journey.steps[0].patience.attempts == 2
    assert found.bending.population == pytest.approx(21_600)
    with pytest.raises(InputError, match="did you mean `registry_slots`"):
        changed(question, ["registry_slot=20"])


def test_the_interval_and_the_saving_are_those_of_the_formula() -> None:
    """a = noise, b = a + 1 + a little noise: n = 400, Var a = 1, Var(b - a) = 0.01."""
    chance = np.random.default_rng(1)
    a = chance.normal(size=400)
    b = a + 1 + 0.1 * chance.normal(size=400)
    found = difference_of("x", a.tolist(), b.tolist())
    assert found.low < 1 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.966 * 0.1 / 20, rel=0.1)
    assert found.saved == pytest.approx((1 + 1.01) / 0.01, rel=0.3)


def test_one_pair_has_no_interval() -> None:
    """And no saving."""
    found = difference_of("x", [1.0], [3.0])
    assert found.difference == 2
    assert found.saved is None
    assert found.to_json()["low"] is None


def test_every_replication_must_have_its_partner() -> None:
    """Other seeds are another luck: a mistake, not a comparison."""
    question = upstream_bound.question(24, replications=2)
    fewer = replace(question, replications=1)
    with pytest.raises(ValueError, match="shorter"):
        Pairing(project(question), project(fewer), ()).collapses()


def test_an_opening_in_waves_is_the_same_people_on_the_same_luck() -> None:
    """Four waves five minutes apart: as many come, in fifteen minutes more, and back again."""
    question = upstream_bound.question(14)
    waves = changed(question, ["opening=waves"])
    assert waves.scenario.curve.duration_s == question.scenario.curve.duration_s + 900
    assert waves.horizon_s == (question.horizon_s or 0) + 900
    assert waves.bending.window_s == (0.0, waves.scenario.curve.duration_s)
    before, after = (replicate(one, 1) for one in (question, waves))
    assert after.people == before.people
    assert (
        after.stations["registry_client"]["peak_queue"]
        < (before.stations["registry_client"]["peak_queue"])
    )
    back = changed(waves, ["opening=everyone"])
    assert replicate(back, 1).digest == before.digest


@pytest.mark.parametrize("pair", ["opening=later", "opening=waves"])
def test_an_opening_that_can_not_be_is_refused(pair: str) -> None:
    """One that has no meaning; and any of a part of a wave."""
    question = upstream_bound.question(14)
    question = replace(question, bending=replace(question.bending, window_s=(0.0, 600.0)))
    with pytest.raises(InputError, match="--against"):
        changed(question, [pair])
