"""Bounds and flows know the call for help and the rush after the draw, as the simulator does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulation.bounds import bounds_of
from simulation.demand import demand_of
from simulation.deployment import Deployment
from simulation.fluid import fluid_of
from simulation.replication import Question, Replication, replicate
from tests.simulation.situations import LIVELY
from workload.durations import constant
from workload.manifest import Bending
from workload.scenario import scenario_from
from workload.visit import Outcome

NAMES = ("open_site", "register", "submit_identity", "await_identity", "join_wave", "check_result")
LOOK, CALL = NAMES.index("check_result"), len(NAMES)
ROOMY = Deployment(registry_slots=200, mail_connections=50)
TALK_S, PATIENCE_S = 60.0, 120.0


def asked(drawn_s: float = 900.0, share: float = 0.0, **settings: Any) -> Question:
    """Ten people a second for ten minutes, recorded for 3,000 s.

    A tenth mistyped and is declined; the rest joins and looks for the result after the draw.
    """
    pauses: dict[str, Any] = {"join_wave": 10, "check_result": {"median_s": 20, "p95_s": 60}}
    polls = {"await_identity": {"polls": 50, "poll_s": 0.1, "poll_cap_s": 1}}
    table = {
        "schema": "surge/scenario/1",
        "name": "calls and draw",
        "arrivals": {"duration": "600s", "parts": [{"shape": "constant", "per_s": 10}]},
        "people": {"mistyped": 0.1},
        "steps": [{"name": n, "pause": pauses.get(n, 0.1), **polls.get(n, {})} for n in NAMES],
        "draw": {"closes": 300, "drawn": drawn_s, "seats": 50},
    }
    if share:
        patience = {"attempts": 2, "backoff_s": 30.0}
        table["support"] = {"share": share, "pause": 5, "patience": patience}
    phones: dict[str, Any] = {
        "call_length": constant(TALK_S),
        "call_patience": constant(PATIENCE_S),
    }
    deployment = replace(ROOMY, **phones, **settings)
    scenario = scenario_from(table, "calls and draw")
    return Question(scenario, LIVELY, deployment, Bending((0.0, 600.0)), trace=True, horizon_s=3e3)


def rows(found: Replication, step: int) -> Any:
    assert found.history is not None
    return found.history.where(found.history["step"] == step)


def busiest_minute(at_s: np.ndarray) -> tuple[float, float]:
    """(a second, where it begins)."""
    at_s = np.sort(at_s)
    inside = np.searchsorted(at_s, at_s + 60) - np.arange(len(at_s))
    return float(inside.max()) / 60, float(at_s[inside.argmax()])


def test_the_rush_after_the_draw_is_the_simulated_one() -> None:
    """How many look for their result, in the busiest minute too, and when that is."""
    question = asked()
    looks = bounds_of(question).looks
    assert looks is not None
    per_s, at_s = busiest_minute(rows(replicate(question, 3), LOOK)["started"] / 1e9)
    assert looks.people == pytest.approx(5400)
    assert looks.per_s == pytest.approx(per_s, rel=0.05)
    assert looks.peak_at_s == pytest.approx(at_s, abs=5)
    assert looks.recorded
    assert "5,400 people look for their result" in looks.sentence
    # Without the draw they look whenever they have joined: never more than ten a second.
    free = replace(question.scenario, journey=replace(question.scenario.journey, draw=None))
    assert bounds_of(replace(question, scenario=free)).looks is None
    before, after = (demand_of(replace(question, scenario=s)) for s in (free, question.scenario))
    assert before.first[LOOK].sum() == pytest.approx(after.first[LOOK].sum())
    assert before.first[LOOK].max() / before.cell_s < 10 < after.first[LOOK].max() / after.cell_s


def test_a_draw_beyond_the_record_has_a_rush_all_the_same_and_loses_nobody() -> None:
    """In the record nobody looks; the bound still says what will come."""
    question = asked(drawn_s=5000)
    looks, demand, flows = bounds_of(question).looks, demand_of(question), fluid_of(question)
    assert looks is not None
    assert not looks.recorded
    assert looks.sentence.endswith("the record ends before it")
    assert looks.per_s == pytest.approx(bounds_of(asked()).looks.per_s)  # type: ignore[union-attr]
    assert demand.first[LOOK].sum() == 0
    assert flows.finish == pytest.approx(5400)
    assert flows.lost == pytest.approx(0, abs=1e-6 * flows.people)
    assert replicate(question, 3).lost == 0


def test_flows_wait_for_the_draw() -> None:
    """All of them are through in the end, as many as in the simulation within its luck."""
    question = asked()
    flows, one = fluid_of(question), replicate(question, 3)
    assert flows.lost == pytest.approx(0, abs=1e-6 * flows.people)
    assert flows.finished == pytest.approx(one.summary.endings["finished"], abs=4 * 5400**0.5)
    waits, looked = flows.answered["check_result"]
    assert looked[: len(looked) * 9 // 30].sum() == 0
    assert len(waits) == len(looked)


def test_who_was_declined_calls_and_a_service_without_agents_takes_it() -> None:
    """Half of 600: simulated within luck; a call is one more request of the service."""
    question = asked(share=0.5)
    demand, flows = demand_of(question), fluid_of(question)
    calls = rows(replicate(question, 3), CALL)
    simulated = int((calls["number"] == 1).sum())
    assert demand.calls.sum() == pytest.approx(300)
    assert simulated == pytest.approx(300, abs=4 * 300**0.5)
    assert flows.calls == pytest.approx(300)
    assert flows.unanswered == 0
    assert bounds_of(question).beside == ()
    loop, quiet = (bounds_of(q).of("event_loop") for q in (question, asked()))
    assert loop is not None
    assert quiet is not None
    assert loop.mean_load > quiet.mean_load


def test_agents_are_offered_calls_times_their_length() -> None:
    """U = X D / c: half a call a second of a minute each, for 60 agents: half of their time.

    No bottleneck of the journey, however few they are; the longest wait is no longer than patience.
    """
    centre = bounds_of(asked(share=0.5, agents=60)).of("call_centre")
    assert centre is not None
    assert centre.peak_load == pytest.approx(0.5, rel=1e-3)
    few = bounds_of(asked(share=0.5, agents=10))
    assert [row.station for row in few.beside if row.is_unstable] == ["call_centre"]
    assert few.beside[0].backlog_s == PATIENCE_S
    assert few.bottleneck.station != "call_centre"
    assert few.people_per_s == pytest.approx(bounds_of(asked()).people_per_s, rel=1e-3)
    shifts = bounds_of(asked(share=0.5, agents=60, agent_shifts=((0.0, 30), (12.0, 60))))
    assert shifts.beside[0].servers == pytest.approx(30)  # the run begins at midnight


@pytest.mark.parametrize("agents", [5, 20, 60])
def test_who_is_never_answered_is_as_many_as_simulated(agents: int) -> None:
    """Who hangs up calls once more after half a minute: within luck and a tenth of the calls."""
    question = asked(share=0.5, agents=agents)
    calls = rows(replicate(question, 3), CALL)
    answered = int((calls["outcome"] == Outcome.ACCEPTED).sum())
    callers = int((calls["number"] == 1).sum())
    flows = fluid_of(question)
    simulated = (callers - answered) / callers
    assert flows.unanswered / flows.calls == pytest.approx(simulated, abs=0.1)
    longest = replicate(question, 3).stations["call_centre"]["longest_wait_s"]
    assert flows.longest_wait_s["call_centre"] == pytest.approx(longest, abs=15)
