"""A scenario cut after a step, and readings that bring pauses of their own."""

from pathlib import Path
from typing import Any

import pytest

from workload.durations import constant, lognormal
from workload.errors import ScenarioError
from workload.scenario import Scenario, built_in, load_scenario, scenario_from

TABLE: dict[str, Any] = {
    "schema": "surge/scenario/1",
    "name": "two readings",
    "objectives": [
        "p(99) register < 1s",
        "success verify_email > 90%",
        "backlog identity < 2h",
        "p_collapse < 5%",
    ],
    "arrivals": {"duration": "60s", "parts": [{"shape": "constant", "per_s": 5}]},
    "steps": [
        {"name": "open_site"},
        {"name": "register", "pause": 2},
        {"name": "verify_email", "mail": "verify", "pause": 9},
    ],
    "readings": {
        "slow": {"drop_out": {"register": 0.1, "verify_email": 0.5}},
        "quick": {"pause": {"register": 1, "verify_email": {"median_s": 2, "p95_s": 3}}},
    },
}


def two_readings(reading: str = "slow") -> Scenario:
    return scenario_from(TABLE, "a test", reading)


@pytest.mark.parametrize("name", built_in())
def test_a_cut_scenario_survives_its_way_through_toml(name: str, tmp_path: Path) -> None:
    """A run directory reloads it whole, with the same fingerprint, whatever the last step is."""
    whole = load_scenario(name)
    for step in whole.journey.step_names:
        cut = whole.until(step)
        path = tmp_path / "scenario.toml"
        path.write_text(cut.to_toml(), encoding="utf-8")
        again = load_scenario(path)
        assert again == cut
        assert again.fingerprint == cut.fingerprint
        assert again.journey.step_names[-1] == step


def test_cut_after_its_last_step_a_scenario_is_the_same() -> None:
    whole = two_readings()
    assert whole.until("verify_email") == whole
    assert whole.until("register").fingerprint != whole.fingerprint


def test_what_judges_or_thins_later_steps_goes_with_them() -> None:
    """Queues and the collapse are judged on; the readings of earlier steps stay."""
    cut = two_readings().until("register")
    assert [one.text for one in cut.objectives] == [
        "p(99) register < 1s",
        "backlog identity < 2h",
        "p_collapse < 5%",
    ]
    assert cut.readings["slow"].drop_out == {"register": 0.1}
    assert cut.readings["quick"].pause == {"register": constant(1)}
    assert cut.journey.steps == two_readings().journey.steps[:2]


def test_a_step_that_is_not_walked_can_not_be_the_last() -> None:
    with pytest.raises(ScenarioError, match=r"until = 'join_wave': name a step of this journey"):
        two_readings().until("join_wave")


def test_a_reading_may_bring_pauses_of_its_own() -> None:
    """They replace the steps', and shape the fingerprint as those do."""
    slow, quick = two_readings("slow"), two_readings("quick")
    assert [step.pause for step in slow.journey.steps[1:]] == [constant(2), constant(9)]
    assert [step.pause for step in quick.journey.steps[1:]] == [constant(1), lognormal(2, 3)]
    assert slow.fingerprint != quick.fingerprint
    same = {**TABLE, "readings": {"other": {"pause": {"register": 2, "verify_email": 9}}}}
    plain = {key: value for key, value in TABLE.items() if key != "readings"}
    assert scenario_from(same, "a test").fingerprint == scenario_from(plain, "a test").fingerprint


def test_a_pause_of_a_step_that_nobody_walks_is_a_fault() -> None:
    faulty = {**TABLE, "readings": {"r": {"pause": {"join_wave": 5, "register": "soon"}}}}
    with pytest.raises(ScenarioError) as caught:
        scenario_from(faulty, "a test")
    assert {fault.key for fault in caught.value.faults} == {
        "readings.r.pause.join_wave",
        "readings.r.pause.register",
    }
