"""The cliff: two outcomes, told apart and never averaged; its edge, and the distance to it."""

import pytest

from simulation.cliff import Axis, CliffMap, Point, edge_of, find_cliff, read_axis
from simulation.projection import project
from simulation.screen import Clock
from tests.simulation import upstream_bound
from workload.errors import InputError, InvalidRunError


def quiet(done: float, words: str) -> None:
    """Nobody watches."""
    assert 0 <= done <= 1, words


@pytest.mark.slow
def test_at_the_cliff_some_lose_a_third_and_some_nobody() -> None:
    """14 slots, 71 % busy by first attempts: as in the measurement that the project began with."""
    projection = project(upstream_bound.question(14, replications=16))
    lost = [one.lost / one.people for one in projection.replications]
    assert projection.two_peaked
    assert sum(share < 0.001 for share in lost) >= 4
    assert sum(share > 0.2 for share in lost) >= 2
    assert not [share for share in lost if 0.01 < share < 0.1]


@pytest.mark.slow
def test_no_mean_of_two_outcomes_is_printed() -> None:
    """Merged means are null; each group of replications is folded for itself."""
    projection = project(upstream_bound.question(14, replications=16))
    found = projection.to_json()
    station = found["stations"]["registry_client"]
    assert station["utilisation"] is None
    assert station["mean_wait_s"] is None
    assert station["longest_wait_s"] > 1.5
    assert found["steps"][upstream_bound.STEP]["p50_s"] is None
    modes = found["modes"]
    assert modes["collapsed"]["replications"] + modes["clean"]["replications"] == 16
    assert modes["clean"]["lost"]["most"] <= 0.05 < modes["collapsed"]["lost"]["least"]
    assert modes["clean"]["stations"]["registry_client"]["utilisation"] < 0.8
    assert modes["clean"]["steps"][upstream_bound.STEP]["p50_s"] < 1.0


def test_one_outcome_has_no_modes_and_its_means() -> None:
    """24 slots: nobody is lost, whatever the luck."""
    found = project(upstream_bound.question(24, replications=2)).to_json()
    assert found["modes"] is None
    assert found["stations"]["registry_client"]["utilisation"] > 0


@pytest.mark.slow
def test_the_map_finds_the_edge_and_the_distance_to_it() -> None:
    """The deployment has 18 slots; the last that collapses is 14 to 16 of 12..20."""
    asked = upstream_bound.question(18, replications=8)
    over = read_axis("--over", "registry_slots=12..20:2")
    beside = read_axis("--and", "attempts=2,4")
    found = find_cliff(asked, over, beside, Clock(120), quiet)
    assert len(found.points) == 10
    for edge in found.edges:
        assert edge.at in (14, 16)
        assert edge.safe == edge.at + 2
        assert edge.units == 18 - edge.at
    rows = {(one["x"], one["y"]): one for one in found.to_json()["points"]}
    peaked = rows[14.0, 4.0]
    assert peaked["two_peaked"]
    assert peaked["lost"] is None
    assert peaked["lost_clean"] < 0.05 < peaked["lost_collapsed"]
    assert rows[12.0, 4.0]["lost"] > 0.5


@pytest.mark.parametrize(
    ("collapses", "chosen", "at", "safe", "units"),
    [
        ((3, 1, 0, 0), 13, 11, 12, 2),
        ((3, 1, 0, 0), 11, 11, 12, 0),
        ((3, 0, 1, 0), 13, 12, 13, 1),
        ((0, 0, 2, 3), 11, 12, 11, 1),
        ((0, 0, 0, 0), 13, None, None, None),
        ((3, 3, 3, 3), 13, None, None, None),
    ],
)
def test_the_edge_is_next_to_the_safe_end(
    collapses: tuple[int, ...], chosen: float, at: float, safe: float, units: float
) -> None:
    """Values 10 to 13; the safe end may be either; a collapse within the safe ones counts."""
    row = [Point(10.0 + n, None, (0.0, 0.0, 0.0), count) for n, count in enumerate(collapses)]
    edge = edge_of(row, None, chosen)
    assert (edge.at, edge.safe, edge.units) == (at, safe, units)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("registry_slots=10..13", (10, 11, 12, 13)),
        ("registry_slots=10..20:5", (10, 15, 20)),
        ("jitter=0..1:0.25", (0, 0.25, 0.5, 0.75, 1)),
        ("demand=2,0.5,1", (0.5, 1, 2)),
        ("attempts=4", (4,)),
    ],
)
def test_an_axis_is_read(text: str, values: tuple[float, ...]) -> None:
    """Ranges, steps and lists, ascending."""
    assert read_axis("--over", text) == Axis(text.partition("=")[0], values)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("registry_slot=1..3", "registry_slots"),
        ("registry_slots=16..10", "ascending"),
        ("registry_slots=1..9999", "at most 60"),
        ("registry_slots=0..3", "from 1 to"),
        ("registry_slots=1.5,2", "whole number"),
        ("attempts=0,1", "from 1 to"),
        ("attempts=1.5", "whole number"),
        ("jitter=0,2", "0"),
        ("demand=0,1", "above 0"),
        ("registry_slots=many", "write NAME=10..16"),
        ("registry_slots=", "write NAME=10..16"),
        ("registry_slots", "write NAME=10..16"),
        ("demand=nan", "at most"),
    ],
)
def test_a_faulty_axis_says_what_would_do(text: str, words: str) -> None:
    """Unknown names, values that no deployment and no patience can have, and other forms."""
    with pytest.raises(InputError, match=words):
        read_axis("--over", text)


def test_each_kind_of_axis_changes_what_it_names() -> None:
    """A setting, everybody's patience, the demand; and the own value of each."""
    asked = upstream_bound.question(16)
    slots, tries = read_axis("--over", "registry_slots=3"), read_axis("--over", "attempts=2")
    demand = read_axis("--over", "demand=2")
    assert (slots.of(asked), tries.of(asked), demand.of(asked)) == (16, 4, 1)
    assert slots.applied(asked, 3).deployment.registry_slots == 3
    patience = tries.applied(asked, 2).scenario.journey.steps[0].patience
    assert (patience.attempts, patience.timeout_s) == (2, 1.5)
    assert demand.applied(asked, 2).bending.population == pytest.approx(28_800)


def test_a_map_that_takes_too_long_stops() -> None:
    """No endless run."""
    axis = read_axis("--over", "registry_slots=12..14")
    with pytest.raises(InvalidRunError, match="--max-wall"):
        find_cliff(upstream_bound.question(14, replications=2), axis, None, Clock(0), quiet)


def test_a_point_is_found_by_its_values() -> None:
    """One axis, two points."""
    points = (Point(1.0, None, (0.0,), 0), Point(2.0, None, (0.9,), 1))
    found = CliffMap(Axis("registry_slots", (1.0, 2.0)), None, points, ())
    assert found.at(2.0, None).collapses == 1
