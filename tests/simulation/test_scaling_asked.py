"""Scaling as it is asked for and answered: profiles, settings, what-ifs, hours and sentences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulation.bounds import bounds_of
from simulation.deployment import Deployment, load_deployment, with_settings
from simulation.fluid import fluid_of
from simulation.pairing import Pairing, changed
from simulation.plan import cost_of
from simulation.projection import Projection, Question, project
from simulation.scaled import Change, Scaled, busiest_minute_s
from simulation.scaled_answer import told
from simulation.scaling import Scaling, Wanted
from simulation.search import settings_to_search
from simulation.service import ServiceModel, StepCost
from simulation.world import build_world
from tests.simulation.situations import Situation
from workload.durations import lognormal
from workload.errors import InputError
from workload.manifest import Bending
from workload.scenario import scenario_from

PROFILE = """
schema = "surge/deployment/1"
replicas = 2

[scaling]
startup = "90s"
min = 2
max = 12
target_busy = 0.7
every = "30s"
cooldown = "10m"

[[scaling.planned]]
at = "30m"
replicas = 6

[[scaling.planned]]
at = "2h"
replicas = 2
"""
WHOLE = Scaling(90, (Wanted(1800, 6), Wanted(7200, 2)), 2, 12, 0.7, 30, 600)


def test_a_profile_says_how_its_service_scales(tmp_path: Path) -> None:
    """By plan and by load; its JSON says so in the same words; what is not written is as usual."""
    path = tmp_path / "scales.toml"
    path.write_text(PROFILE)
    found = load_deployment(path)
    assert found.scaling == WHOLE
    assert found.most_replicas == 12
    assert found.to_json()["scaling"] == {
        "startup_s": 90, "planned": [{"at_s": 1800, "replicas": 6}, {"at_s": 7200, "replicas": 2}],
        "min": 2, "max": 12, "target_busy": 0.7, "every_s": 30, "cooldown_s": 600,
    }  # fmt: skip
    assert load_deployment("national").scaling is None


def test_settings_change_a_part_of_the_scaling_or_all_of_it() -> None:
    """Each key on its own, the plan as a whole, and none; with a scaling there or not."""
    base = Deployment(replicas=2, scaling=WHOLE)
    assert with_settings(base, ["scaling.max=9"]).scaling == replace(WHOLE, most=9)
    assert with_settings(base, ["scaling.startup=0s"]).scaling == replace(WHOLE, startup_s=0)
    plan = 'scaling.planned=[{at="5m", replicas=4}]'
    assert with_settings(base, [plan]).scaling == replace(WHOLE, planned=(Wanted(300, 4),))
    assert with_settings(base, ["scaling=none"]).scaling is None
    assert with_settings(Deployment(), [plan]).scaling == Scaling(planned=(Wanted(300, 4),))
    reactive = with_settings(Deployment(), ["scaling.max=5", "scaling.every=5s"])
    assert reactive.scaling == Scaling(most=5, every_s=5)
    assert with_settings(base, ["pool=3"]).scaling == WHOLE
    priced = with_settings(replace(base, prices={"replica": 1, "mail": 2}), ["prices.replica=3"])
    assert priced.prices == {"replica": 3, "mail": 2}


@pytest.mark.parametrize(
    ("settings", "faults"),
    [
        (["scaling.target_busy=1.5"], [r"--set\.scaling\.target_busy", "max.*missing"]),
        (["scaling.max=0"], ["whole number from 1 to 10000"]),
        (["scaling.max=3", "scaling.every=10ms"], ["a span of at least 1s"]),
        (["scaling.max=3", "scaling.min=4"], ["at most scaling.max, 3"]),
        (["scaling.max=3", "replicas=4"], ["replicas.*4.*from scaling.min to scaling.max, 1 to 3"]),
        (["scaling.max=3", "shared_core=true"], ["scaling.*shared_core.*brings cores of its own"]),
        (["scaling.startup=90s"], ["planned.*when to scale"]),
        (["scaling.nax=3"], ["did you mean `max`"]),
        (["scaling=fast"], [r"write a table: \[--set\.scaling\]"]),
        (["scaling=none", "scaling.max=3"], ["set scaling once"]),
        (["scaling.planned=3"], ["write an array of tables"]),
        (['scaling.planned=[{at="5m"}]'], [r"planned\[0\]\.replicas.*missing"]),
        (['scaling.planned=[{at="5m", replicas=0}]'], ["whole number from 1"]),
        (
            ['scaling.planned=[{at="5m", replicas=2}, {at="5m", replicas=3}]'],
            ["in order of time"],
        ),
        (
            ["scaling.max=3", 'scaling.planned=[{at="5m", replicas=4}]'],
            [r"planned\[0\]\.replicas.*4.*at most scaling.max, 3"],
        ),
        (
            ["scaling.max=x", "scaling.cooldown=-1", "pool=0"],
            ["scaling.max", "scaling.cooldown", "pool"],
        ),
    ],
)
def test_a_fault_of_a_scaling_names_the_remedy(settings: list[str], faults: list[str]) -> None:
    """Every one of them at once."""
    for fault in faults:
        with pytest.raises(InputError, match=f"(?s){fault}"):
            with_settings(Deployment(), settings)


def test_a_scaling_that_can_not_be_is_refused_however_it_was_made() -> None:
    """A world of a shared core with replicas that come and go is not built."""
    deployment = Deployment(shared_core=True, scaling=Scaling(planned=(Wanted(1, 2),)))
    with pytest.raises(InputError, match="brings cores of its own"):
        build_world(Situation("", deployment=deployment).order(1))


def test_bounds_and_flows_hold_against_the_most_that_may_be_ready() -> None:
    """Their no stays a no; how many there are is no setting that a plan looks for."""
    asked = wave(Deployment(replicas=2, scaling=Scaling(most=12)))
    most = replace(asked, deployment=Deployment(replicas=12))
    assert bounds_of(asked) == bounds_of(most)
    assert fluid_of(asked).load == fluid_of(most).load
    names = [one.name for one in settings_to_search(asked.deployment, frozenset())]
    assert "replicas" not in names
    assert "replicas" in [one.name for one in settings_to_search(most.deployment, frozenset())]


def test_replicas_are_priced_by_the_hours_that_they_were_paid() -> None:
    """2.5 on average at 100 a month, however many there were at most; the rest as ever."""
    deployment = Deployment(replicas=2, database_cores=4,
                            prices={"replica": 100, "database_core": 10})  # fmt: skip
    assert cost_of(deployment) == 240
    assert cost_of(deployment, 2.5) == 290


SERIES = (Change(0, 2, 2), Change(100, 2, 7), Change(160, 7, 7), Change(400, 1, 1))


def test_a_step_series_has_means_and_a_first_maximum() -> None:
    """Of its ready ones; a series ends where it is asked to."""
    found = Scaled(SERIES, 3600, 7200)
    assert (found.first, found.most, found.most_started) == (2, SERIES[2], 7)
    assert (found.replica_hours, found.mean_replicas) == (1, 0.5)
    assert found.mean_ready(100) == 2
    assert found.mean_ready(200) == pytest.approx((160 * 2 + 40 * 7) / 200)
    assert found.mean_ready(800) == pytest.approx((160 * 2 + 240 * 7 + 400) / 800)


@pytest.mark.parametrize(
    ("changes", "peak_s", "sentence"),
    [
        (SERIES, -80.0, "scaled from 2 to 7 replicas, 4 min after the peak"),
        (SERIES, 250.0, "scaled from 2 to 7 replicas, 90 s before the peak"),
        (SERIES, 150.0, "scaled from 2 to 7 replicas, at the peak"),
        (SERIES, -10_640.0, "scaled from 2 to 7 replicas, 3 h after the peak"),
        ((SERIES[2], SERIES[3]), 0.0, "scaled from 7 down to 1 replica"),
        (SERIES[:1], 0.0, "stayed at 2 replicas"),
    ],
)
def test_one_sentence_says_how_late_the_replicas_were(
    changes: tuple[Change, ...], peak_s: float, sentence: str
) -> None:
    """Ready ones, beside the busiest minute."""
    assert told(Scaled(changes, 1.0, 1.0), peak_s) == sentence


def test_the_busiest_minute_is_found_in_seconds_and_in_minutes() -> None:
    """Its middle."""
    counts = np.zeros(600, dtype=np.int64)
    counts[240:300] = 5
    counts[100] = 9
    assert busiest_minute_s(counts, 1.0) == 270
    assert busiest_minute_s(np.asarray([1, 5, 2]), 120.0) == 180


def wave(deployment: Deployment, bending: Bending | None = None, **others: Any) -> Question:
    """Ten minutes with a peak from the third to the sixth: more than two replicas can do."""
    table: dict[str, Any] = {
        "schema": "surge/scenario/1",
        "name": "a peak",
        "arrivals": {"duration": "10m", "parts": [
            {"shape": "constant", "per_s": 20},
            {"shape": "constant", "per_s": 80, "start": "3m", "end": "6m"},
        ]},
        "steps": [{"name": "open_site", "patience": {"timeout_s": 60, "attempts": 1}}],
    }  # fmt: skip
    model = ServiceModel({"open_site": StepCost("plain", lognormal(0.03, 0.06))},
                         calibrated={"open_site": 9999})  # fmt: skip
    return Question(scenario_from(table, "peak"), model, deployment,
                    bending or Bending((0.0, 600.0)), horizon_s=900.0, **others)  # fmt: skip


def pairing(first: Question, *settings: str) -> Pairing:
    return Pairing(project(first), project(changed(first, settings)), settings)


def difference(found: Pairing, name: str) -> tuple[float, float]:
    row = next(one for one in found.differences() if one.name == name)
    return row.low, row.high


def test_replicas_before_the_peak_wait_less_than_replicas_after_it() -> None:
    """Paired on the same luck: planned a minute before the peak against a minute after it began."""
    late = Deployment(replicas=2, scaling=Scaling(60, (Wanted(240, 6),)))
    found = pairing(wave(late, replications=3), 'scaling.planned=[{at="2m", replicas=6}]')
    assert difference(found, "mean wait event_loop")[1] < -1.0
    assert difference(found, "longest wait event_loop")[1] < -1.0
    assert found.first.to_json()["scaling"]["told"].startswith("scaled from 2 to 6 replicas, ")


def test_a_reactive_service_pays_less_than_the_most_and_waits_more() -> None:
    """Against six replicas all the time; without any start-up it waits less than with one."""
    reactive = Scaling(60, least=2, most=6, every_s=15, cooldown_s=60)
    asked = wave(Deployment(replicas=2, prices={"replica": 730.5}, scaling=reactive),
                 replications=3)  # fmt: skip
    fixed = pairing(asked, "scaling=none", "replicas=6")
    assert difference(fixed, "mean wait event_loop")[1] < 0
    at_once = pairing(asked, "scaling.startup=0s")
    assert difference(at_once, "mean wait event_loop")[1] < 0
    assert difference(at_once, "replica-hours")[0] > -1.0
    said = fixed.first.to_json()["scaling"]
    assert said["cost"] == pytest.approx(said["replica_hours"])  # 730.5 a month is 1 an hour
    assert said["most_started"] == 6
    assert 2 * 900 / 3600 < said["replica_hours"] < 6 * 900 / 3600 == said["cost_of_most"]
    assert fixed.second.to_json()["scaling"] is None


def test_the_share_of_time_that_loops_are_busy_is_of_those_that_are_ready() -> None:
    """The same work on twice the replicas from the middle on: busy to 2/3 of what one would be."""
    half = wave(Deployment(replicas=2, scaling=Scaling(0, (Wanted(450, 4),))))
    one = wave(Deployment(replicas=2))
    shares = []
    for question in (half, one):
        found: Projection = project(question)
        row = found.replications[0].stations["event_loop"]
        shares.append(row["utilisation"] * row["drained_at_h"] * 3600)
    until_s = found.replications[0].stations["event_loop"]["drained_at_h"] * 3600
    assert until_s > 450
    assert shares[0] < shares[1]


def test_a_window_begins_with_what_was_planned_before_it() -> None:
    """The last seven minutes of the wave: six replicas that were planned for the second."""
    planned = Deployment(replicas=2, scaling=Scaling(60, (Wanted(120, 6),)))
    found = project(wave(planned, Bending((200.0, 600.0)))).to_json()["scaling"]
    assert found["series"] == [{"at_s": 0, "ready": 6, "started": 6}]
    assert found["told"] == "stayed at 6 replicas"
