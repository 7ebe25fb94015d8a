"""A cliff by flows: where its edge is, and that what was simulated counts for more."""

from dataclasses import replace

from simulation.cliff import Axis, Point
from simulation.cliff_flows import FlowCliff, FlowPoint, flow_cliff
from simulation.deployment import Deployment
from simulation.projection import Question
from tests.simulation.situations import LIVELY
from workload.manifest import Bending
from workload.scenario import load_scenario

OVER, BESIDE = Axis("registry_quota_per_s", (6, 7, 8, 9)), Axis("demand", (1.0,))


def hand_made(*collapses: bool) -> FlowCliff:
    """Quotas of 6 to 9, of which 8 is chosen."""
    points = tuple(
        FlowPoint(x, 1.0, 0.2 if falls else 0.0, falls)
        for x, falls in zip(OVER.values, collapses, strict=True)
    )
    return FlowCliff(OVER, BESIDE, (8.0, 1.0), points)


def test_the_distance_to_the_edge_is_in_units_and_as_a_share() -> None:
    """From the chosen 8 to the highest value that collapses, 6: two units, a quarter."""
    edge = hand_made(True, False, False, False).edge.to_json()
    assert (edge["at"], edge["safe"], edge["units"], edge["share"]) == (6, 7, 2.0, 0.25)


def test_beyond_the_edge_the_distance_is_negative() -> None:
    """The chosen 8 collapses, and 9 does not."""
    assert hand_made(True, True, True, False).edge.units == 0.0
    beyond = replace(hand_made(True, True, True, False), chosen=(7.0, 1.0))
    assert beyond.edge.units == -1.0


def test_what_was_simulated_moves_the_edge() -> None:
    """The flows see 7 served; a full-size run of it collapses: the edge is there."""
    found = hand_made(True, False, False, False)
    assert not found.confirmed
    moved = found.with_full_size([Point(7, None, (0.4,), 1), Point(8, None, (0.0,), 0)])
    assert (moved.edge.at, moved.edge.safe) == (7, 8)
    assert moved.confirmed
    agreed = found.with_full_size([Point(6, None, (0.4,), 1), Point(7, None, (0.0,), 0)])
    assert (agreed.edge.at, agreed.edge.safe, agreed.confirmed) == (6, 7, True)


def test_without_an_edge_there_is_no_distance() -> None:
    """Served everywhere: nothing to be far from, and nothing confirmed."""
    found = hand_made(False, False, False, False)
    assert found.edge.units is None
    assert not found.confirmed


def test_fewer_checks_a_second_lose_the_wave() -> None:
    """By flows over a real question: its own values are on the map, and less never loses less."""
    scenario = load_scenario("prakerja-2020")
    deployment = Deployment(registry_quota_per_s=8.4)
    question = Question(scenario, LIVELY, deployment, Bending((0.0, scenario.curve.duration_s)))
    found = flow_cliff(question, Axis("registry_quota_per_s", (4, 40)), Axis("demand", (1.0, 2.0)))
    assert found.chosen == (8.4, 1.0)
    assert found.over.values == (4, 8.4, 40)
    for y in found.beside.values:
        lost = [point.lost for point in found.points if point.y == y]
        assert lost == sorted(lost, reverse=True)
    assert found.points[0].collapses
