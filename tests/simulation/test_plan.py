"""The plan: the least that does, proofs of what nothing can do, and no endless search."""

from dataclasses import replace

import pytest

from simulation.deployment import Deployment
from simulation.plan import Plan, cost_of, find_plan
from simulation.replication import Question
from simulation.screen import Clock, Screen, busiest_stretch
from simulation.search import ample_deployment, least_of, rounded_up, settings_to_search
from tests.simulation import upstream_bound
from workload.errors import InputError, InvalidRunError
from workload.manifest import Bending
from workload.objective import parse_objective

PRICES = {"replica": 100.0, "database_core": 50.0, "registry_slot": 10.0, "mail_connection": 1.0}


def quiet(done: float, words: str) -> None:
    """Nobody watches."""
    assert 0 <= done <= 1, words


def queued(*objectives: str, quota: float = 25.0) -> Question:
    """The wave of `upstream_bound`, its checks in a durable queue."""
    asked = upstream_bound.question(16, objectives=objectives or ("backlog identity < 2min",))
    deployment = Deployment(
        replicas=4, database_cores=4, registry_slots=16, registry_quota_per_s=quota, prices=PRICES
    )
    return replace(asked, deployment=deployment)


def planned(question: Question, *fixed: str, confirm: int = 3) -> Plan:
    return find_plan(question, frozenset(fixed), confirm, Clock(120), quiet)


@pytest.mark.slow
def test_the_cheapest_quota_is_the_one_that_theory_gives() -> None:
    """20 a second for 600 s, waits below 120 s: 600 (20 - q) < 120 q, so q = 16.7.

    Chance moves it: one standard deviation of 12,000 arrivals is 110, of q 0.15, and the worst of
    three seeds counts; slots that answer hardly quicker than the quota cost a little more.
    """
    found = planned(queued())
    assert found.cheapest.registry_quota_per_s == pytest.approx(16.9, abs=0.7)
    # c slots answer 2 c a second: 9 of them are as quick as that quota, 8 are not.
    assert found.cheapest.registry_slots in (9, 10, 11)
    assert found.cheapest.replicas == 1
    assert found.cheapest.database_cores == 1
    assert found.cheapest.mail_connections == 1
    assert found.cost == 100 + 50 + 10 * found.cheapest.registry_slots + 1
    assert found.bounds.bottleneck.station in ("registry_quota", "registry_client")
    assert len(found.confirmed.replications) == 3
    assert found.warnings == ()


@pytest.mark.slow
def test_nothing_cheaper_passes() -> None:
    """One notch less of any setting that is above the least thinkable breaks an objective."""
    question = queued()
    found = planned(question)
    screen = Screen(question, Clock(60))
    assert screen.broken(found.cheapest) == ()
    slots = replace(found.cheapest, registry_slots=found.cheapest.registry_slots - 2)
    quota = replace(found.cheapest, registry_quota_per_s=found.cheapest.registry_quota_per_s * 0.93)
    for less in (slots, quota):
        assert screen.broken(less) == ("backlog identity < 2min",)
        assert cost_of(less) <= found.cost


@pytest.mark.slow
def test_more_demand_breaks_what_is_tight_and_the_cliff_is_told() -> None:
    """At +10 % the backlog; the demand that breaks it is close above 1."""
    found = planned(queued())
    assert [one.demand for one in found.breaks_next] == [1.1, 1.25, 1.5]
    assert all(one.broken == ("backlog identity < 2min",) for one in found.breaks_next)
    assert found.breaks_next[0].load < found.breaks_next[2].load
    assert found.cliff.demand is not None
    assert 1.0 <= found.cliff.demand < 1.1


@pytest.mark.slow
def test_a_wave_with_a_cliff_is_planned_beyond_it() -> None:
    """Inline checks and retries: the fluid is content with 12 slots, the confirmation is not."""
    question = upstream_bound.question(16, objectives=("p_collapse < 5%",))
    found = planned(question, confirm=8)
    assert found.confirmed.collapses == 0
    assert 14 <= found.cheapest.registry_slots <= 18


def test_a_given_quota_that_is_too_small_is_refused_with_the_bound_that_proves_it() -> None:
    """8 a second for 12 a second on average: no replica and no core helps."""
    with pytest.raises(InputError) as caught:
        planned(queued("backlog identity < 2min", quota=8.0), "registry_quota_per_s")
    text = str(caught.value)
    assert "no deployment can meet" in text
    assert "registry_quota is offered 1.5" in text
    assert "times what it can do (8 a second) as long as people come" in text
    assert "who comes last waits at least" in text


def test_a_latency_below_what_an_attempt_takes_is_refused() -> None:
    """Half a millisecond of log flush alone is longer than 0.1 ms."""
    with pytest.raises(InputError, match="when nobody waits anywhere"):
        planned(queued(f"p(99) {upstream_bound.STEP} < 0.1ms"))


def test_objectives_that_nobody_could_judge_are_refused() -> None:
    """None at all; or of a step that the model has hardly seen."""
    question = queued()
    none = replace(question, scenario=replace(question.scenario, objectives=()))
    with pytest.raises(InputError, match="nothing to meet"):
        planned(none)
    unsure = queued(f"p(99) {upstream_bound.STEP} < 1s")
    with pytest.raises(InputError, match="uncalibrated"):
        planned(replace(unsure, model=replace(unsure.model, calibrated={})))


def test_no_search_is_endless() -> None:
    """Out of time: no answer, and what would help."""
    with pytest.raises(InvalidRunError, match="--max-wall"):
        find_plan(queued(), frozenset(), 3, Clock(0), quiet)


def test_what_is_given_or_means_nothing_is_not_searched() -> None:
    """Fixed; the database on the service's core; a quota where there is none."""
    names = [one.name for one in settings_to_search(Deployment(shared_core=True), frozenset())]
    assert names == ["replicas", "registry_slots", "mail_connections"]
    fixed = frozenset({"replicas"})
    deployment = Deployment(registry_quota_per_s=1.0)
    assert [one.name for one in settings_to_search(deployment, fixed)] == [
        "database_cores",
        "registry_slots",
        "registry_quota_per_s",
        "mail_connections",
    ]


def test_the_least_of_a_setting_is_exact() -> None:
    """Waits below 2 min with everything else ample: 600 (20 - 2 c) < 120 x 2 c, so c = 8.33."""
    question = queued(quota=0.0)
    ample = ample_deployment(question, settings_to_search(question.deployment, frozenset()))
    assert ample.registry_slots >= 40
    slots = settings_to_search(question.deployment, frozenset())[2]
    assert least_of(Screen(question, Clock(60)), ample, slots) in (9, 10)


def test_the_stretch_that_is_simulated_holds_the_busiest_minute() -> None:
    """A wave of 20 minutes that is busiest in the first ten; of a later window as well."""
    question = upstream_bound.question(16)
    found = busiest_stretch(question)
    assert found.bending.window_s[0] == 0
    assert 60 <= found.bending.window_s[1] <= 720
    late = replace(question, bending=Bending((300.0, 1200.0)))
    assert busiest_stretch(late).bending.window_s[0] == 300.0


def test_rounding_never_takes_away() -> None:
    """To three digits, upwards."""
    assert [rounded_up(v) for v in (16.71, 16.7, 0.012341, 1234.0)] == [16.8, 16.7, 0.0124, 1240.0]


def test_objectives_keep_their_words() -> None:
    """What `planned` asks for is what people write."""
    assert parse_objective("backlog identity < 2min").limit == 120
