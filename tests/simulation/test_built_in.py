"""What a built-in scenario says of itself is so, by the model."""

import tomllib
from dataclasses import replace

import pytest

from harness import CHECKOUT
from simulation.deployment import load_deployment, with_settings
from simulation.replication import Question, replicate
from tests.simulation.situations import LIVELY
from workload.durations import duration_from
from workload.manifest import Bending
from workload.scenario import scenario_from

STORM = tomllib.loads((CHECKOUT / "workload" / "scenarios" / "retry-storm.toml").read_text())
#: Checks of 10 to 120 ms, as the registry's twin makes them unless it is told otherwise.
CHECK = duration_from([0.010, 0.020, 0.030, 0.060, 0.120])


def given_up(*settings: str, **patience: float) -> float:
    """Share of the visits to submit_identity that gave up."""
    table = {**STORM, "patience": {**STORM["patience"], **patience}}
    scenario = scenario_from(table, "a test")
    model = replace(LIVELY, registry=CHECK, photo=LIVELY.delivery)
    deployment = with_settings(load_deployment("this-machine"), settings)
    bending = Bending((0.0, scenario.curve.duration_s))
    found = replicate(Question(scenario, model, deployment, bending), 1).summary
    step = found.step("submit_identity")
    assert step is not None
    return step.failed / step.visits


@pytest.mark.slow
def test_the_retry_storm_is_one_where_its_question_says() -> None:
    """It outlives the rush; one attempt or a longer timeout cures it, and so does another slot."""
    inline, slots = "identity_check=inline", "registry_slots=4"
    assert f"`--set {inline} --set {slots}`" in STORM["question"]
    assert given_up(inline, slots) > 0.5
    assert given_up(inline, slots, backoff_s=10.0, backoff_cap_s=60.0) > 0.5
    assert given_up(inline, slots, attempts=1) < 0.15
    assert given_up(inline, slots, timeout_s=10.0) < 0.01
    assert given_up(inline, "registry_slots=5") < 0.01
    assert given_up(slots) < 0.01
