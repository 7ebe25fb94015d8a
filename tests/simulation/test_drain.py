"""From a state: when its lines are drained, by theory, and who is counted as what."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulation.deployment import Deployment
from simulation.projection import Projection, project
from simulation.replication import Question, Replication, replicate
from simulation.state import State, age_by_curve
from tests.simulation.situations import INSTANT, LIVELY
from workload.durations import constant, exponential
from workload.manifest import Bending
from workload.scenario import Scenario, scenario_from

#: One second a check, ten at once: ten a second.
TEN_A_SECOND = replace(INSTANT, registry=constant(1.0))
NAMES = ("open_site", "register", "submit_identity", "await_identity")
PATIENT = {"polls": 3, "poll_s": 1_000, "poll_cap_s": 4_000, "patience": {"attempts": 900}}
MAIL = {"mail": "verify", "pause": 0.1, "patience": {"mail_s": 120}}


def scenario(per_s: float, lasts_s: float = 900, **more: Any) -> Scenario:
    """People who come at a rate and submit at once; nobody drops out or mistypes."""
    steps = [{"name": name, **(PATIENT if name == "await_identity" else {})} for name in NAMES]
    if more.pop("verified", False):
        steps.insert(2, {"name": "verify_email", **MAIL})
    duration = {"duration": f"{lasts_s}s", "opens_at": "19:00"}
    table = {"schema": "surge/scenario/1", "name": "queued", "people": {"mistyped": 0.0},
             "arrivals": {**duration, "parts": [{"shape": "constant", "per_s": per_s}]},
             "steps": steps, **more}  # fmt: skip
    return scenario_from(table, "queued")


def asked(
    per_s: float, state: State, deployment: Deployment | None = None, **rest: Any
) -> Question:
    """From the state's instant to the end of the curve."""
    found = scenario(per_s, **rest.pop("scenario", {}))
    window = Bending((state.at_s, max(state.at_s, found.curve.duration_s)))
    model = rest.pop("model", TEN_A_SECOND)
    return Question(
        found, model, deployment or Deployment(registry_slots=10), window, state=state, **rest
    )


def identity(found: Projection) -> dict[str, Any]:
    """What `surge/projection/1` says of the registry's line."""
    lines: dict[str, Any] = found.to_json()["state"]["lines"]
    one: dict[str, Any] = lines["identity"]
    return one


@pytest.mark.parametrize(
    ("per_s", "slots"),
    [(6.0, 10), pytest.param(8.0, 10, marks=pytest.mark.slow), (0.5, 2)],
    ids=["6 of 10", "8 of 10", "0.5 of 2"],
)
def test_a_backlog_is_drained_when_theory_says(per_s: float, slots: int) -> None:
    """b / (c mu - lambda), to one service more or less, inside Student's interval of 20 seeds."""
    state, seconds = State(100.0, (800, 0, 0)), 1_200.0
    question = asked(per_s, state, Deployment(registry_slots=slots), replications=20,
                     horizon_s=seconds, scenario={"lasts_s": seconds})  # fmt: skip
    found = identity(project(question))
    theory_h = (100 + 800 / (slots - per_s)) / 3600
    at_h = found["drained_at_h"]
    assert found["drained"] == 20
    slack_h = slots / (slots - per_s) / 3600
    assert at_h["low"] - slack_h <= theory_h <= at_h["high"] + slack_h
    assert at_h["high"] - at_h["low"] < 0.15 * (theory_h - 100 / 3600)


def test_a_registry_that_is_saturated_does_not_drain_and_says_what_it_would_take() -> None:
    """Eleven come a second and ten are done: needed is the inflow and the backlog's share."""
    question = asked(11.0, State(0.0, (500, 0, 0)), replications=3, horizon_s=800.0)
    found = identity(project(question))
    assert (found["drained"], found["drained_at_h"]) == (0, None)
    assert found["left"] == pytest.approx(500 + 800, rel=0.2)
    assert found["per_s"] == pytest.approx(10, rel=0.01)
    assert found["needed_per_s"] == pytest.approx(11 + 500 / 800, rel=0.03)
    enough = Deployment(registry_slots=math.ceil(found["needed_per_s"]) + 1)
    assert identity(project(replace(question, deployment=enough)))["drained"] == 3


def test_nobody_who_was_carried_over_is_counted_as_coming() -> None:
    """People are those who came since; all of both are among the endings, and each ends once."""
    state = State(300.0, (400, 200, 0), (120.0, 30.0))
    one = replicate(asked(5.0, state, model=LIVELY, scenario={"verified": True}), 4)
    assert one.summary.step("open_site").visits == one.people  # type: ignore[union-attr]
    assert one.people == pytest.approx(5 * 600, rel=0.1)
    assert (one.carried, one.summary.visits) == (600, one.people + 600)
    assert sum(one.summary.endings.values()) == one.people + 600
    verified, decided = (one.summary.step(name) for name in ("verify_email", "await_identity"))
    assert verified is not None
    assert decided is not None
    assert verified.visits == one.people + 200
    assert decided.visits == one.people + 600
    assert [sum(line.endings.values()) for line in one.lines] == [400, 200]
    assert one.lost == 0


def both(question: Question) -> tuple[Replication, Replication]:
    """The same replication by either engine."""
    return replicate(question, 7), replicate(replace(question, engine="simpy"), 7)


def test_both_engines_say_the_same_of_every_line() -> None:
    """Instants to the nanosecond, lengths cell by cell, endings, and the digest."""
    state = State(600.0, (200, 150, 0), (120.0, 200.0))
    compiled, readable = both(asked(2.0, state, model=LIVELY, scenario={"verified": True}))
    assert compiled.digest == readable.digest
    assert len(compiled.lines) == 2
    for ours, theirs in zip(compiled.lines, readable.lines, strict=True):
        assert (ours.drained_s, ours.peak, ours.endings) == (
            theirs.drained_s, theirs.peak, theirs.endings)  # fmt: skip
        assert np.array_equal(ours.lengths, theirs.lengths)


def test_who_has_waited_longer_than_they_are_patient_gives_up_and_is_said() -> None:
    """Two minutes of patience for a mail: the first half of a line of four minutes has left."""
    state = State(300.0, (0, 400, 0), (0.0, 240.0))
    slow = replace(LIVELY, mail=constant(1.0))
    lonely = Deployment(mail_connections=4)
    (line,) = replicate(
        asked(0.01, state, lonely, model=slow, scenario={"verified": True}), 1
    ).lines
    assert line.drained_s > 400 / 4  # results of those who went on stand behind them
    # Place i has 120 s - 240 s (1 - i / 400) left, and its mail comes after i / 4 s.
    stays = sum(120 - 240 * (1 - i / 400) > i / 4 + 1 for i in range(400))
    assert line.endings["gave_up"] == pytest.approx(400 - stays, abs=12)
    assert line.endings["finished"] == 400 - line.endings["gave_up"]


def test_checkpoints_go_on_from_what_the_state_knows() -> None:
    """Counts since the opening, by the campaign's hour; a column that nobody knows is absent."""
    state = State(600.0, (50, 0, 0), done={"registered": 3_000, "identity_verified": 2_900})
    question = asked(5.0, state, scenario={"checkpoints_h": [0.1, 0.25]})
    (point,) = project(question).checkpoints()
    assert point["hours"] == 0.25
    assert point["registered"] == pytest.approx(3_000 + 5 * 300, rel=0.05)
    assert point["identity_verified"] >= 2_900
    assert "joined" not in point
    assert "email_verified" not in point


def test_a_backlog_may_be_all_that_there_is() -> None:
    """After the last arrival: no window is left, and the line is still drained."""
    (line,) = replicate(asked(5.0, State(2_000.0, (95, 0, 0))), 1).lines
    assert line.drained_s == pytest.approx(9.0, abs=1.01)


def test_callers_are_answered_or_hang_up() -> None:
    """They count as carried over, and end as those whose step has failed."""
    state = State(100.0, (0, 0, 40))
    agents = Deployment(agents=2, call_length=constant(10.0), call_patience=exponential(30.0))
    support = {"support": {"share": 1.0}}
    one = replicate(asked(1.0, state, agents, scenario=support), 2)
    (line,) = one.lines
    assert (line.name, line.carried, line.endings["gave_up"]) == ("calls", 40, 40)
    calls = one.summary.step("call_support")
    assert calls is not None
    assert 0 < calls.accepted < 40
    assert one.lost == 0


def test_an_age_that_is_left_out_follows_from_the_curve() -> None:
    """The last who came, drop-outs taken off; at most since the doors opened."""
    ten = scenario(10.0)
    assert age_by_curve(ten, 500.0, 1_000, "submit_identity") == pytest.approx(100.0)
    assert age_by_curve(ten, 500.0, 6_000, "submit_identity") == 500.0
    assert age_by_curve(ten, 500.0, 0, "submit_identity") == 0.0
