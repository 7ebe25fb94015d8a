"""What matters most around a deployment: what must, and what can't."""

import math
from dataclasses import replace

import pytest

from simulation.deployment import Deployment
from simulation.replication import Question
from simulation.screen import Clock, Screen
from simulation.search import settings_to_search
from simulation.sensitivity import Factor, Sensitivity, factors_of, sensitivity_of, strain
from tests.simulation import upstream_bound

OBJECTIVE = "backlog identity < 2min"


def queued() -> Question:
    """The wave of `upstream_bound`, its checks in a durable queue of nine slots."""
    asked = upstream_bound.question(9, objectives=(OBJECTIVE,))
    return replace(asked, deployment=Deployment(registry_slots=9))


def unwatched(share: float) -> None:
    """Nobody watches."""
    assert 0 <= share <= 1


def screened(question: Question, count: int, *, whole: bool, clock: float = 60) -> Sensitivity:
    found = sensitivity_of(
        Screen(question, Clock(clock), whole=whole),
        question.deployment,
        settings_to_search(question.deployment, frozenset()),
        unwatched,
        count,
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    "whole", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["fluid", "simulated"]
)
def test_slots_and_demand_move_the_backlog_and_patience_does_not(*, whole: bool) -> None:
    """Nine slots for what needs nine: more of them relieve, more people strain; of people's
    attempts and timeouts a durable queue hears nothing.
    """
    found = screened(queued(), 6, whole=whole)
    effects = {one.factor.name: one.effects[OBJECTIVE] for one in found.influences}
    assert {one.factor.name for one in found.influences[:2]} == {"registry_slots", "demand"}
    assert effects["registry_slots"].mean < -0.2
    assert effects["demand"].mean > 0.2
    for name in ("attempts", "timeout_s", "backoff_s", "replicas"):
        assert effects[name].strength < 0.02
    assert found.answers == 6 * (len(effects) + 1)
    assert found.to_json()["world"] == ("simulated" if whole else "fluid")


def test_the_same_seed_finds_the_same_effects() -> None:
    """Addressed draws: nothing depends on which thread answers first."""
    first, second = (screened(queued(), 3, whole=False).to_json() for _ in range(2))
    assert first == second


def test_without_time_there_is_no_screening() -> None:
    """None, not an error: the plan stands without it."""
    question = queued()
    searched = settings_to_search(question.deployment, frozenset())
    screen = Screen(question, Clock(0))
    assert sensitivity_of(screen, question.deployment, searched, unwatched) is None


def test_factors_span_half_to_twice_and_counts_stay_whole() -> None:
    """Of a single replica there is no half."""
    question = queued()
    factors = {
        one.name: one
        for one in factors_of(question, settings_to_search(question.deployment, frozenset()))
    }
    assert [factors["registry_slots"].at(place) for place in (0, 1)] == [4, 18]
    assert [factors["replicas"].at(place) for place in (0, 1)] == [1, 2]
    assert [factors["timeout_s"].at(place) for place in (0, 0.5, 1)] == pytest.approx(
        [0.75, 1.5, 3]
    )
    assert [factors["attempts"].at(place) for place in (0, 1)] == [2, 8]
    assert Factor("demand", 2 / 3, 1.5, whole=False).at(0.5) == pytest.approx(1)
    assert (
        factors["attempts"].applied(question, 1.0).scenario.journey.steps[0].patience.attempts == 8
    )
    assert factors["registry_slots"].applied(question, 0.0).deployment.registry_slots == 4


def test_strain_is_a_half_at_the_limit_and_finite_where_waits_are_not() -> None:
    """So that effects of a collapse can be compared with those of a wait."""
    assert strain(120, 120) == 0.5
    assert strain(0, 120) == 0.0
    assert strain(math.inf, 120) == strain(math.nan, 120) == 1.0
