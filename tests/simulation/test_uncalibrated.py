"""A model that was taught part of a journey projects all of it, and says what it was not told."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulation.deployment import Deployment
from simulation.fates import finishes_ideally
from simulation.projection import project
from simulation.replication import Question, replicate
from simulation.service import read_model
from simulation.world import Order
from tests.simulation.situations import LIVELY
from workload.arrivals import Arrivals
from workload.errors import InputError
from workload.manifest import Bending
from workload.scenario import Scenario, scenario_from

TAUGHT = ("open_site", "register", "verify_email", "submit_identity", "await_identity")
PARTLY = replace(
    LIVELY,
    steps={name: LIVELY.steps[name] for name in TAUGHT},
    calibrated=dict.fromkeys(TAUGHT, 5000),
)


def wave(*names: str, journey: str = "reference", pause: float = 1) -> Scenario:
    table: dict[str, Any] = {
        "schema": "surge/scenario/1",
        "name": "wave",
        "journey": journey,
        "objectives": [f"p(99) {names[-1]} < 2s"],
        "arrivals": {"duration": "20s", "parts": [{"shape": "constant", "per_s": 20}]},
        "steps": [{"name": name, "pause": pause} for name in names],
    }
    return scenario_from(table, "a test")


def asked(scenario: Scenario) -> Question:
    return Question(scenario, PARTLY, Deployment(), Bending((0.0, 20.0)))


def test_steps_that_were_never_measured_cost_what_their_like_costs() -> None:
    """Joining writes a row as registering does, looking for a result is a read."""
    known = PARTLY.reaching([*TAUGHT, "upload_photo", "join_wave", "check_result"])
    assert known.steps["join_wave"] == PARTLY.steps["register"]
    assert known.steps["check_result"] == PARTLY.steps["await_identity"]
    upload = known.steps["upload_photo"]
    assert (upload.kind, upload.before) == ("upload", PARTLY.steps["register"].before)
    assert upload.query == PARTLY.steps["await_identity"].query


def test_by_analogy_is_not_calibrated() -> None:
    """No answer to them was counted, so objectives about them are unknown."""
    question = asked(wave(*TAUGHT, "upload_photo", "join_wave"))
    assert question.model.uncalibrated() == ("upload_photo", "join_wave")
    assert question.model.calibrated == PARTLY.calibrated
    assert replicate(question, 1).summary.step("join_wave").accepted > 300  # type: ignore[union-attr]


def test_how_many_succeed_at_what_was_never_measured_is_unknown() -> None:
    """All of them do in the simulator, by another step's costs: no evidence of their own."""
    found = project(asked(wave(*TAUGHT, "join_wave")))
    assert math.isnan(found.success("join_wave"))
    assert found.latency("join_wave") is None
    assert found.success("register") == 1.0


def test_a_model_that_knows_every_step_is_left_as_it_is() -> None:
    assert PARTLY.reaching(TAUGHT) is PARTLY


def test_a_measured_step_is_never_replaced_by_its_like() -> None:
    assert asked(wave("open_site", "join_wave")).model.steps["register"] == LIVELY.steps["register"]
    assert LIVELY.reaching(["upload_photo"]).steps["upload_photo"] == LIVELY.steps["upload_photo"]


def test_a_step_that_is_like_none_can_not_be_projected() -> None:
    """A stranger's step, and the like of a step that is missing itself."""
    with pytest.raises(InputError, match="steps = 'pay': calibrate on runs that reach this step"):
        asked(wave("open_site", "pay", journey="own"))
    without = replace(PARTLY, steps={"open_site": PARTLY.steps["open_site"]})
    with pytest.raises(InputError, match="steps = 'join_wave'"):
        Question(wave("open_site", "join_wave"), without, Deployment(), Bending((0.0, 20.0)))


def test_the_file_of_a_model_holds_only_what_was_measured(tmp_path: Path) -> None:
    """The analogy is drawn when a question is asked, not when a model is written."""
    path = PARTLY.write(tmp_path / "model.json")
    assert set(read_model(path).steps) == set(TAUGHT)


def test_who_comes_too_late_to_finish_in_time_is_nobodys_loss() -> None:
    """Two pauses of 10 s after the first step, and a record of 25 s: 5 s is the last to make it."""
    scenario = wave("open_site", "register", "verify_email", pause=10)
    at_s = np.asarray([0.0, 4.9, 5.0, 5.1, 19.0])
    people = Arrivals(np.arange(5), np.rint((at_s - 10.0) * 1e9).astype(np.int64))
    order = Order(
        journey=scenario.journey,
        itinerary=scenario.journey.itinerary(),
        model=LIVELY,
        deployment=Deployment(),
        seed=1,
        people=5,
        horizon_s=25.0,
    )
    assert finishes_ideally(scenario, order, people).tolist() == [True, True, True, False, False]


def test_long_pauses_alone_are_no_collapse() -> None:
    """An hour of pause, and a horizon of half an hour after the last arrival: nobody is lost."""
    scenario = wave("open_site", "register", pause=3600)
    question = Question(scenario, LIVELY, Deployment(), Bending((0.0, 20.0)), horizon_s=1800.0)
    found = replicate(question, 1)
    assert found.summary.endings["open"] == found.people
    assert found.lost == 0
