"""Agents by the hour of the day: who is on the phones when, and what callers make of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation import layout as at
from simulation.compiled import CompiledEngine
from simulation.deployment import Deployment, RegistryWindow, load_deployment, with_settings
from simulation.driver import SimpyEngine
from simulation.replication import Question, replicate
from simulation.service import ServiceModel, StepCost
from simulation.shifts import Shifts, mean_agents
from simulation.world import Order
from tests.simulation.situations import LIVELY
from tests.simulation.test_outside_the_service import erlang_a
from workload.arrivals import Arrivals, Constant, total_curve
from workload.durations import Duration, constant, exponential
from workload.errors import InputError
from workload.journey import SUPPORT_STEP, Journey, Patience, Step, Support
from workload.manifest import Bending
from workload.scenario import scenario_from

ONCE = Patience(timeout_s=1e6, attempts=1)
CALL = Support(1.0, Step(SUPPORT_STEP, patience=ONCE))
WALK = Journey((Step("submit_identity", patience=ONCE),), CALL)
MODEL = ServiceModel(
    dict.fromkeys(("submit_identity", SUPPORT_STEP), StepCost("write", constant(0)))
)
DAY = ((0.0, 10), (8.0, 60), (20.0, 20))

hours_of_day = st.integers(0, 2399).map(lambda hundredths: hundredths / 100)
shifts = st.dictionaries(hours_of_day, st.integers(0, 50), min_size=1, max_size=5).map(
    lambda found: tuple(sorted(found.items()))
)


def everybody_calls(plan: Shifts, talk: Duration, patience: Duration) -> Deployment:
    """The registry is down, so each visit fails at once and its visitor calls."""
    return Deployment(
        identity_check="inline", registry_windows=(RegistryWindow(0, 1e7),),
        agents=max(agents for _, agents in plan), agent_shifts=plan, call_length=talk,
        call_patience=patience,
    )  # fmt: skip


def order(deployment: Deployment, people: int, horizon_s: float, clock_h: float = 0.0) -> Order:
    return Order(WALK, WALK.itinerary(), MODEL, deployment, 1, people, horizon_s=horizon_s,
                 cell_s=60.0, clock_h=clock_h)  # fmt: skip


def figure(world: at.World, field: int) -> int:
    return int(world.stations[at.CALL_CENTRE * at.STATION + field])


def on_duty(plan: Shifts, hour: float) -> int:
    """Who is there at an hour of the day: of the last shift that has begun, or of yesterday's."""
    begun = [agents for since, agents in plan if since <= hour]
    return begun[-1] if begun else plan[-1][1]


def at_seconds(*seconds: float) -> Arrivals:
    return Arrivals(np.arange(len(seconds)), np.asarray([round(s * 1e9) for s in seconds]))


@given(shifts, hours_of_day, st.floats(1, 200_000), st.sampled_from([1.0, 4.0]))
def test_the_mean_of_agents_is_that_of_the_minutes(
    plan: Shifts, clock_h: float, seconds: float, speed: float
) -> None:
    """Against who is there at two thousand instants, evenly spread."""
    hours = clock_h + (np.arange(2_000) + 0.5) / 2_000 * seconds * speed / 3600
    counted = np.mean([on_duty(plan, float(hour) % 24) for hour in hours])
    changes = len(plan) * (2 + seconds * speed / 86_400)
    assert mean_agents(plan, clock_h, speed, seconds) == pytest.approx(
        counted, abs=50 * changes / 2_000
    )


@pytest.mark.parametrize("hours", [0.5, 7.99, 8.01, 19.9, 20.1, 30.0, 50.0])
@pytest.mark.parametrize("clock_h", [0.0, 5.0, 8.0, 23.0])
def test_who_is_on_duty_when_the_record_stops(hours: float, clock_h: float) -> None:
    """After as many changes as there were, over midnights too; both engines, and all idle."""
    deployment = everybody_calls(DAY, constant(1), constant(1))
    asked = order(deployment, 1, hours * 3600, clock_h)
    for engine in (CompiledEngine(asked), SimpyEngine(asked)):
        world = engine.run(at_seconds(0.0))
        assert world.cells[at.C_AGENTS] == on_duty(DAY, (clock_h + hours) % 24)
        assert world.cells[at.C_AGENTS_FREE] == world.cells[at.C_AGENTS]


def test_an_agent_who_leaves_finishes_the_call() -> None:
    """One agent until one o'clock: the call of 0:50 is finished, the next caller waits in vain."""
    plan = ((0.0, 1), (1.0, 0), (2.0, 1))
    deployment = everybody_calls(plan, constant(1800), constant(1200))
    world = CompiledEngine(order(deployment, 9, 5400)).run(at_seconds(3000, 3300, 3700))
    assert figure(world, at.S_SERVED) == 1
    assert figure(world, at.S_BUSY) == 1800 * 10**9
    assert figure(world, at.S_LEFT) == 2
    assert world.cells[at.C_AGENTS_FREE] == 0


def test_an_agent_who_comes_answers_at_once_who_waits() -> None:
    """Three callers at ten to eight; two agents come at eight, and the third has hung up."""
    plan = ((0.0, 0), (8.0, 2))
    deployment = everybody_calls(plan, constant(300), constant(900))
    asked = order(deployment, 9, 3600, clock_h=7.5)
    world = CompiledEngine(asked).run(at_seconds(880, 1200, 1300))
    assert figure(world, at.S_LEFT) == 1
    assert figure(world, at.S_SERVED) == 2
    assert figure(world, at.S_WAITED) == pytest.approx((600 + 500) * 1e9, abs=1e9)


def test_a_shift_that_never_changes_is_a_number_of_agents() -> None:
    """Visitor by visitor, and at every station."""
    one = everybody_calls(((5.0, 4),), exponential(10), exponential(20))
    other = replace(one, agent_shifts=())
    arrivals = total_curve([Constant(1.0, 0, 500)], 500).arrivals(2)
    worlds = [
        CompiledEngine(order(deployment, 2_000, 4_000)).run(arrivals) for deployment in (one, other)
    ]
    ends, stations = (
        [np.asarray(getattr(w, name)) for w in worlds] for name in ("ends", "stations")
    )
    assert np.array_equal(ends[0], ends[1])
    assert np.array_equal(stations[0], stations[1])


@pytest.mark.slow
def test_callers_hang_up_as_often_as_erlang_a_says_of_each_shift() -> None:
    """Sixteen hours in one run: eight with too few agents, eight with enough; within 3 %."""
    plan, rate, talk_s, patience_s = ((0.0, 9), (8.0, 12)), 1.0, 10.0, 20.0
    deployment = everybody_calls(plan, exponential(talk_s), exponential(patience_s))
    halves: list[list[float]] = [[], []]
    for seed in range(1, 13):
        arrivals = total_curve([Constant(rate, 0, 57_600)], 57_600).arrivals(seed)
        left = []
        for horizon_s in (28_800.0, 59_000.0):
            asked = replace(order(deployment, len(arrivals), horizon_s), seed=seed)
            left.append(figure(CompiledEngine(asked).run(arrivals), at.S_LEFT))
        halves[0].append(left[0] / 28_800 / rate)
        halves[1].append((left[1] - left[0]) / 28_800 / rate)
    for found, (_, agents) in zip(halves, plan, strict=True):
        assert np.mean(found) == pytest.approx(
            erlang_a(agents, rate, talk_s, patience_s)[0], rel=0.03
        )


def asked_of(bending: Bending, opens_at: str) -> Question:
    table: dict[str, Any] = {
        "schema": "surge/scenario/1",
        "name": "nobody is known",
        "arrivals": {
            "duration": "4h", "opens_at": opens_at, "parts": [{"shape": "constant", "per_s": 0.1}]
        },
        "people": {"mistyped": 1},
        "steps": [{"name": "submit_identity"}],
        "support": {"share": 1, "patience": {"attempts": 1}},
    }  # fmt: skip
    plan = ((0.0, 0), (8.0, 500))
    deployment = replace(everybody_calls(plan, constant(10), constant(10)), identity_check="inline")
    model = replace(LIVELY, steps={n: LIVELY.steps[n] for n in ("submit_identity", SUPPORT_STEP)})
    return Question(scenario_from(table, "nobody"), model, deployment, bending, horizon_s=14_500.0)


def test_shifts_keep_the_clock_of_the_scenario() -> None:
    """Doors that open at six meet nobody for two hours; a window that begins at eight meets all."""
    early = replicate(asked_of(Bending((0.0, 14_400.0)), "06:00"), 1).stations["call_centre"]
    late = replicate(asked_of(Bending((7_200.0, 14_400.0)), "06:00"), 1).stations["call_centre"]
    open_ = replicate(asked_of(Bending((0.0, 14_400.0)), "08:00"), 1).stations["call_centre"]
    assert early["served"] == pytest.approx(720, rel=0.15)
    assert late["served"] == pytest.approx(720, rel=0.15)
    assert open_["served"] == pytest.approx(1440, rel=0.15)


def test_agents_are_written_as_a_number_or_by_shift(tmp_path: Path) -> None:
    """In a profile, and by --set, which replaces whatever was there."""
    path = tmp_path / "centre.toml"
    path.write_text('schema = "surge/deployment/1"\nagents = [[0, 10], [8, 60], [20.5, 20]]\n')
    found = load_deployment(path)
    assert (found.agents, found.agent_shifts) == (60, ((0.0, 10), (8.0, 60), (20.5, 20)))
    assert with_settings(found, ["replicas=2"]).agent_shifts == found.agent_shifts
    assert with_settings(found, ["agents=5"]).agent_shifts == ()
    assert with_settings(Deployment(), ["agents=[[9, 3]]"]).agents == 3


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("[]", "write \\[hour, agents\\]"),
        ("[[8]]", "write \\[hour, agents\\]"),
        ("[[24, 5]]", "from 0 to below 24"),
        ("[[8, 5], [8, 6]]", "in order of their hours"),
        ("[[9, 5], [8, 6]]", "in order of their hours"),
        ("[[8, -1]]", "whole numbers of agents"),
        ("[[8, 1.5]]", "whole numbers of agents"),
        ("[[8, true]]", "whole numbers of agents"),
        ("-1", "whole number from 0"),
        ('"many"', "whole number from 0"),
    ],
)
def test_a_fault_of_a_shift_names_the_remedy(written: str, remedy: str) -> None:
    """As all of a deployment's."""
    with pytest.raises(InputError, match=remedy):
        with_settings(Deployment(), [f"agents={written}"])
