"""What the demo says of the whole nation: how often, how little that shows, how far the cliff."""

from dataclasses import replace

import pytest

from harness import demonstration
from harness.demonstration import nation, rests_on
from harness.flow_cliff import answer, flow_cliff_json
from simulation.cliff import Axis, Point
from simulation.cliff_flows import FlowCliff, FlowPoint
from simulation.deployment import load_deployment
from simulation.projection import Projection, Question, project
from simulation.service import ServiceModel
from workload.manifest import Bending
from workload.scenario import load_scenario


@pytest.fixture
def few(model: ServiceModel) -> Question:
    """Three seconds of the smoke scenario, three times."""
    return Question(
        load_scenario("smoke"), model, load_deployment("national"),
        Bending((0.0, 3.0)), engine="simpy", replications=3, horizon_s=20.0,
    )  # fmt: skip


def test_rounds_give_what_one_projection_would(few: Question) -> None:
    """The same seeds in the same order, however many go side by side."""
    found, took_s, round_s = nation(few, within_s=60.0)
    whole = project(few)
    digests = [one.digest for one in found.replications]
    assert digests == [one.digest for one in whole.replications]
    assert took_s >= round_s > 0


def test_on_a_slow_machine_there_are_fewer_and_it_says_so(
    few: Question, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One round is always made; no further one that would take too long."""
    monkeypatch.setattr(demonstration, "cores", lambda: 1)
    found, _, _ = nation(few, within_s=0.0)
    assert len(found.replications) == 1
    assert "3 were wanted" in capsys.readouterr().err


def test_a_verdict_says_how_little_it_rests_on(few: Question) -> None:
    """Three clean replications leave the probability anywhere up to 71 %."""
    runs = nation(few, within_s=60.0)[0].replications
    clean = Projection(few, tuple(replace(one, lost=0) for one in runs))
    said = rests_on(clean)
    assert "rests on 3 full-size replications: none collapsed" in said
    assert "at most 70.76%" in said
    assert "299 clean ones would show below 1 %" in said
    one_falls = (replace(runs[0], lost=runs[0].people), *clean.replications[1:])
    assert "1 of which collapsed" in rests_on(Projection(few, one_falls))


def cliff(*collapses: bool, chosen: float = 8.0) -> FlowCliff:
    """Quotas of 6 to 9 checks a second."""
    values = (6.0, 7.0, 8.0, 9.0)
    points = tuple(
        FlowPoint(x, 1.0, 0.2 if falls else 0.0, falls)
        for x, falls in zip(values, collapses, strict=True)
    )
    return FlowCliff(
        Axis("registry_quota_per_s", values), Axis("demand", (1.0,)), (chosen, 1.0), points
    )


def test_the_distance_is_told_in_units_and_per_cent() -> None:
    """And by whom it is known."""
    found = cliff(True, False, False, False)
    assert answer(found) == (
        "registry quota per s 8 is 2 (25.00%) on the safe side of the cliff: 6 collapses, "
        "7 does not (by flows alone)"
    )
    half = found.with_full_size([Point(6, None, (0.3,), 1)])
    assert "(one side by flows alone)" in answer(half)
    both = half.with_full_size([Point(7, None, (0.0,), 0)])
    assert "(full-size runs on both sides)" in answer(both)
    assert flow_cliff_json(both)["answer"] == answer(both)


def test_a_deployment_on_or_beyond_the_edge_is_told_so() -> None:
    """Eight collapses and nine does not: on the edge; seven is one beyond."""
    assert "8 is 0 (0.00%) on the edge" in answer(cliff(True, True, True, False))
    assert "7 is 1 (14.29%) beyond the edge" in answer(cliff(True, True, True, False, chosen=7.0))


def test_a_map_without_an_edge_says_what_happens_everywhere() -> None:
    """Served, or not."""
    assert answer(cliff(False, False, False, False)).endswith("from 6 to 9: no collapse")
    assert answer(cliff(True, True, True, True)).endswith("from 6 to 9: it collapses")
