"""Calls for help: who calls, how the visit ends, and that nobody else is counted differently."""

from collections.abc import Callable
from dataclasses import replace
from itertools import repeat
from typing import Any

import pytest

from workload.durations import constant
from workload.errors import ScenarioError
from workload.history import History, Observation
from workload.journey import SUPPORT_STEP, Itinerary, Journey, Patience, Step, Support
from workload.laws import broken
from workload.scenario import Scenario, scenario_from
from workload.summary import summarize
from workload.visit import Ending, Outcome

Log = Callable[..., list[Any]]
STEPS = ("open_site", "register", SUPPORT_STEP)


def calling(journey: Journey, share: float = 1.0, attempts: int = 1) -> Itinerary:
    """The journey, where a share of those who failed calls after 7 s; again after 1 s."""
    patience = Patience(attempts=attempts, backoff_s=1, jitter=0)
    call = Step(SUPPORT_STEP, constant(7), patience=patience)
    return replace(journey, support=Support(share, call)).itinerary()


@pytest.mark.parametrize(
    ("final", "ending"), [(Outcome.REFUSED, "TURNED_AWAY"), (Outcome.DECLINED, "TURNED_AWAY"),
                          (Outcome.NO_MAIL, "GAVE_UP")],
)  # fmt: skip
@pytest.mark.parametrize("call", [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.READ_TIMEOUT])
def test_who_failed_calls_once_and_ends_as_the_failed_step_says(
    log: Log, two_steps: Journey, final: Outcome, ending: str, call: Outcome
) -> None:
    """Whatever becomes of the call: an answered one mends nothing, a lost one spoils nothing."""
    assert log(calling(two_steps), [Outcome.ACCEPTED, final, call]) == [
        ("attempt", 0, 1, 0),
        ("pause", 5.0),
        ("attempt", 1, 1, 0),
        ("pause", 7.0),
        ("attempt", 2, 1, 0),
        ending,
    ]


def test_a_step_is_failed_for_good_before_anybody_calls(log: Log, two_steps: Journey) -> None:
    """Four attempts with their backoff, then two calls with theirs."""
    found = log(calling(two_steps, attempts=2), repeat(Outcome.FAULT))
    assert [line for line in found if line[0] == "attempt"] == [
        *[("attempt", 0, number, 0) for number in (1, 2, 3, 4)],
        *[("attempt", 2, number, 0) for number in (1, 2)],
    ]
    assert found[-3:] == [("pause", 1.0), ("attempt", 2, 2, 0), "GAVE_UP"]


def test_neither_who_finishes_nor_who_drops_out_calls(log: Log, two_steps: Journey) -> None:
    """Help is for those whose step failed."""
    leaving = replace(
        two_steps, steps=(two_steps.steps[0], replace(two_steps.steps[1], drop_out=1))
    )
    for journey, ending in ((two_steps, "FINISHED"), (leaving, "DROPPED_OUT")):
        found = log(calling(journey), repeat(Outcome.ACCEPTED))
        assert found[-1] == ending
        assert ("attempt", 2, 1, 0) not in found


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_that_calls_is_the_scenarios(log: Log, two_steps: Journey, share: float) -> None:
    """Of 5,000 people, within four standard deviations; nobody and everybody at the ends."""
    itinerary, people = calling(two_steps, share), 5_000
    answers = [Outcome.REFUSED, Outcome.ACCEPTED]
    calls = sum(
        ("attempt", 2, 1, 0) in log(itinerary, answers, visitor=who) for who in range(people)
    )
    assert abs(calls / people - share) <= 4 * (share * (1 - share) / people) ** 0.5


def row(step: int, number: int, at: int, outcome: Outcome, ending: int = 0) -> Observation:
    return Observation(7, step, number, 0, at, at + 1, at + 5, outcome, 200, ending)


def visit() -> list[Observation]:
    """Opens the site, can't register twice, calls twice, gives up."""
    return [
        row(0, 1, 0, Outcome.ACCEPTED),
        row(1, 1, 10, Outcome.OVERLOADED),
        row(1, 2, 20, Outcome.FAULT),
        row(2, 1, 30, Outcome.READ_TIMEOUT),
        row(2, 2, 40, Outcome.ACCEPTED, Ending.GAVE_UP),
    ]


def test_a_visit_with_calls_breaks_no_law() -> None:
    """Nor where the record stops on the way, nor one that ends without a call."""
    for length in range(6):
        assert broken(History.of(STEPS, visit()[:length])) == []
    silent = [*visit()[:2], row(1, 2, 20, Outcome.FAULT, Ending.GAVE_UP)]
    assert broken(History.of(STEPS, silent)) == []
    finished = [row(0, 1, 0, Outcome.ACCEPTED), row(1, 1, 10, Outcome.ACCEPTED, Ending.FINISHED)]
    assert broken(History.of(STEPS, finished)) == []


@pytest.mark.parametrize(
    ("law", "at", "fields"),
    [
        ("an_ending_fits_its_outcome", 4, {"ending": Ending.FINISHED}),
        ("an_ending_fits_its_outcome", 4, {"ending": Ending.DROPPED_OUT}),
        ("an_ending_fits_its_outcome", 4, {"ending": Ending.TURNED_AWAY}),
        ("a_visit_ends_once", 2, {"ending": Ending.GAVE_UP}),
        ("steps_follow_acceptance", 3, {"outcome": Outcome.ACCEPTED}),
    ],
)
def test_a_planted_fault_beside_a_call_is_caught(law: str, at: int, fields: dict[str, int]) -> None:
    """By its law and by no other."""
    rows = [replace(one, **fields) if n == at else one for n, one in enumerate(visit())]
    found = broken(History.of(STEPS, rows))
    assert {sentence.partition(":")[0] for sentence in found} == {law}


def test_a_call_without_a_failure_is_caught() -> None:
    """After an accepted step, or before any."""
    before = row(0, 1, 0, Outcome.ACCEPTED)
    (finding,) = broken(History.of(STEPS, [before, row(2, 1, 10, Outcome.ACCEPTED)]))
    assert finding.startswith(
        "steps_follow_acceptance: 1 attempt called for help without a failure"
    )
    (finding,) = broken(History.of(STEPS, [row(2, 1, 10, Outcome.ACCEPTED)]))
    assert finding.startswith("steps_follow_acceptance: 1 attempt came first of its visitor")


def test_a_call_does_not_change_the_counts_of_the_step_that_failed() -> None:
    """The same funnel as without it, and the calls beside it."""
    quiet = [*visit()[:2], replace(visit()[2], ending=Ending.GAVE_UP)]
    without = summarize(History.of(STEPS, quiet), 10.0)
    found = summarize(History.of(STEPS, visit()), 10.0)
    assert found.endings == without.endings
    for name in STEPS[:2]:
        one, other = found.step(name), without.step(name)
        assert one is not None
        assert other is not None
        for count in ("visits", "attempts", "accepted", "declined", "failed", "open"):
            assert getattr(one, count) == getattr(other, count), (name, count)
        assert one.latency.counts.tolist() == other.latency.counts.tolist()
    calls = found.step(SUPPORT_STEP)
    assert calls is not None
    assert (calls.visits, calls.attempts, calls.accepted, calls.failed) == (1, 2, 1, 0)


def test_a_failure_on_the_way_to_its_call_is_a_failure_at_the_next_attempt() -> None:
    """While nothing more was recorded of the visitor, the step is open: they might try again."""
    found = summarize(History.of(STEPS, visit()[:3]), 10.0).step("register")
    assert found is not None
    assert (found.failed, found.open) == (0, 1)


def scenario(journey: str = "reference", **more: object) -> Scenario:
    names = ("open_site", "register") if journey == "reference" else ("look", "buy")
    table = {
        "schema": "surge/scenario/1",
        "name": "short",
        "journey": journey,
        "arrivals": {"duration": "1s", "parts": [{"shape": "constant", "per_s": 1}]},
        "steps": [{"name": name} for name in names],
        **more,
    }
    return scenario_from(table, "a test")


@pytest.mark.parametrize("journey", ["reference", "own"])
def test_a_scenario_says_who_calls(journey: str) -> None:
    """In its journey, its fingerprint and its file; the steps that are walked stay as they were."""
    silent, calls = scenario(journey), scenario(journey, support={"share": 0.25})
    assert silent.journey.support is None
    assert silent.journey.names == silent.journey.step_names == calls.journey.step_names
    assert calls.journey.names == (*silent.journey.names, SUPPORT_STEP)
    assert calls.journey.support is not None
    assert calls.journey.support.share == 0.25
    assert calls.fingerprint != silent.fingerprint
    again = scenario_from(calls.table, "as written")
    assert again.journey == calls.journey
    assert again.fingerprint == calls.fingerprint


def test_a_journey_cut_short_still_calls() -> None:
    """Cutting at the call itself is refused: nobody walks to it."""
    calls = scenario(support={"share": 0.25})
    assert calls.until("open_site").journey.names == ("open_site", SUPPORT_STEP)
    with pytest.raises(ScenarioError, match="name a step of this journey: open_site, register"):
        calls.until(SUPPORT_STEP)


def test_a_scenario_without_its_calls_is_the_silent_one() -> None:
    """In its journey, its fingerprint and its file."""
    quiet = scenario(support={"share": 0.25}).without_calls()
    assert quiet.journey == scenario().journey
    assert quiet.fingerprint == scenario().fingerprint
    assert scenario_from(quiet.table, "as written").journey == quiet.journey


def test_a_step_of_ones_own_may_not_have_the_name_of_the_call() -> None:
    """Its counts would be mixed with those of the calls."""
    with pytest.raises(ScenarioError, match=r"write \[support\] share = 0.1"):
        scenario("own", steps=[{"name": "look"}, {"name": SUPPORT_STEP}])
