"""The draw: fair, exact, repeatable, and waited for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.durations import constant
from workload.errors import ScenarioError
from workload.journey import Journey, Step
from workload.scenario import Scenario, scenario_from
from workload.visit import Attempt, Ending, Outcome, Pause, walk
from workload.wave_draw import WaveDraw, drawn

people = st.lists(st.integers(0, 2**40), unique=True, max_size=60).map(
    lambda found: np.asarray(found, dtype=np.int64)
)


@given(st.integers(0, 2**63 - 1), people, st.integers(0, 80))
def test_exactly_as_many_are_drawn_as_there_are_seats_or_people(
    seed: int, joined: np.ndarray, seats: int
) -> None:
    """Each of them once, and all of them had joined."""
    found = drawn(seed, joined, seats).tolist()
    assert len(found) == len(set(found)) == min(seats, len(joined))
    assert set(found) <= set(joined.tolist())


@given(st.integers(0, 2**63 - 1), people, st.integers(0, 80))
def test_the_order_of_joining_does_not_matter(seed: int, joined: np.ndarray, seats: int) -> None:
    """Nor does one seat more take a seat from anybody."""
    found = drawn(seed, joined, seats)
    assert np.array_equal(found, drawn(seed, joined[::-1], seats))
    assert set(found.tolist()) <= set(drawn(seed, joined, seats + 1).tolist())


def test_everybody_has_the_same_chance() -> None:
    """Over 2,000 seeds, 30 seats of 100: nobody's share is off by more than five deviations."""
    joined, runs = np.arange(500, 600), 2_000
    won = np.zeros(100)
    for seed in range(runs):
        won[drawn(seed, joined, 30) - 500] += 1
    assert np.abs(won / runs - 0.3).max() < 5 * (0.3 * 0.7 / runs) ** 0.5


def waiting(pauses: float = 1.0, speed: float = 1.0, since_s: float = 0.0) -> list[object]:
    """What a visitor does who joins and looks 60 s after the draw at 1,000 s; all is accepted."""
    steps = (Step("join_wave", constant(5)), Step("check_result", constant(60)))
    itinerary = Journey(steps, draw=WaveDraw(900, 1_000, 5)).itinerary(pauses, speed, since_s)
    visit = walk(itinerary, 1, 0)
    said: list[object] = [next(visit)]
    try:
        while True:
            answer = Outcome.ACCEPTED if isinstance(said[-1], Attempt) else None
            said.append(next(visit) if answer is None else visit.send(answer))
    except StopIteration as end:
        return [*said, end.value]


def test_the_pause_before_looking_begins_at_the_draw() -> None:
    """An instant of the run, and then the pause of the step; looked up once."""
    assert waiting() == [
        Pause(5 * 10**9),
        Attempt(0, 1, 0),
        Pause(60 * 10**9, 1_000 * 10**9),
        Attempt(1, 1, 0),
        Ending.FINISHED,
    ]


@pytest.mark.parametrize(
    ("bent", "instant_s"),
    [({"speed": 4.0}, 250), ({"pauses": 4.0}, 1_000), ({"since_s": 400.0, "speed": 2.0}, 300),
     ({"since_s": 2_000.0}, 0)],
)  # fmt: skip
def test_the_draw_is_moved_as_arrivals_are(bent: dict[str, float], instant_s: int) -> None:
    """By the window and by speed, never by the factor of the pauses; a past one is no wait."""
    (pause,) = [move for move in waiting(**bent) if isinstance(move, Pause)][1:]
    assert pause.after == instant_s * 10**9


def scenario(**draw: object) -> Scenario:
    names = ("open_site", "join_wave", "check_result")
    table = {
        "schema": "surge/scenario/1",
        "name": "short",
        "arrivals": {"duration": "1s", "parts": [{"shape": "constant", "per_s": 1}]},
        "steps": [{"name": name} for name in names],
        **({"draw": draw} if draw else {}),
    }
    return scenario_from(table, "a test")


def test_a_scenario_says_when_its_wave_is_drawn() -> None:
    """In its journey, its fingerprint and its file; without a time of its own, when it closes."""
    found = scenario(closes="1h", drawn="2h", seats=7)
    assert found.journey.draw == WaveDraw(3_600, 7_200, 7)
    assert scenario(closes="1h", seats=7).journey.draw == WaveDraw(3_600, 3_600, 7)
    assert found.fingerprint != scenario().fingerprint
    again = scenario_from(found.table, "as written")
    assert (again.journey, again.fingerprint) == (found.journey, found.fingerprint)


def test_a_journey_cut_before_joining_has_no_draw() -> None:
    """One cut behind it has."""
    found = scenario(closes="1h", seats=7)
    assert found.until("join_wave").journey.draw == found.journey.draw
    cut = found.until("open_site")
    assert cut.journey.draw is None
    assert scenario_from(cut.table, "cut").journey == cut.journey


def test_a_draw_that_cannot_be_is_refused() -> None:
    """Before the wave closes, and of people who can't join: each with its remedy."""
    with pytest.raises(ScenarioError, match="the wave closes before its seats are drawn"):
        scenario(closes="2h", drawn="1h", seats=7)
    table = {**scenario(closes="1h", seats=7).table, "steps": [{"name": "open_site"}]}
    with pytest.raises(ScenarioError, match="add a step join_wave"):
        scenario_from(table, "a test")
