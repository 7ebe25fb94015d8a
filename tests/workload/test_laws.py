"""Laws of every history: each has a planted fault that it catches, and nobody else does."""

from collections.abc import Callable, Generator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.durations import constant
from workload.history import History, Observation
from workload.journey import Journey, Patience, Step
from workload.laws import LAWS, broken
from workload.visit import Attempt, Ending, Outcome, Pause, walk

STEPS = ("open_site", "register", "verify_email")


def attempt(step: int, number: int, at: int, outcome: Outcome, ending: int = 0) -> Observation:
    """Of visitor 7, who arrived at 0: intended at ``at``, started 1 ns and ended 5 ns later."""
    return Observation(7, step, number, 0, at, at + 1, at + 5, outcome, 200, ending)


def visit() -> list[Observation]:
    """Opens the site, is told to wait once, registers at the second try, verifies, finishes."""
    return [
        attempt(0, 1, 0, Outcome.ACCEPTED),
        attempt(1, 1, 10, Outcome.OVERLOADED),
        attempt(1, 2, 20, Outcome.ACCEPTED),
        attempt(2, 1, 30, Outcome.ACCEPTED, Ending.FINISHED),
    ]


Visit = Generator[Pause | Attempt, int, Ending]
Plant = Callable[[list[Observation]], list[Observation]]


def change(at: int, **fields: int) -> Plant:
    def plant(rows: list[Observation]) -> list[Observation]:
        return [replace(row, **fields) if n == at else row for n, row in enumerate(rows)]

    return plant


def keep(*kept: int) -> Plant:
    return lambda rows: [rows[n] for n in kept]


FAULTS: list[tuple[str, Plant]] = [
    ("time_runs_forward", change(1, started=9)),
    ("time_runs_forward", change(3, ended=29)),
    ("time_runs_forward", lambda rows: [replace(row, arrived=3) for row in rows]),
    ("attempts_are_counted_without_gaps", change(3, number=2)),
    ("attempts_are_counted_without_gaps", change(2, number=3)),
    ("attempts_are_counted_without_gaps", keep(0, 2, 3)),
    ("one_thing_at_a_time", change(1, ended=21)),
    ("one_thing_at_a_time", change(2, ended=31)),
    ("steps_follow_acceptance", change(2, outcome=Outcome.FAULT)),
    ("steps_follow_acceptance", change(1, outcome=Outcome.ACCEPTED)),
    ("steps_follow_acceptance", change(1, outcome=Outcome.REFUSED)),
    ("steps_follow_acceptance", keep(0, 3)),
    ("steps_follow_acceptance", keep(1, 2, 3)),
    ("a_visit_ends_once", change(1, ending=Ending.GAVE_UP)),
    ("a_visit_ends_once", change(2, ending=Ending.DROPPED_OUT)),
    ("an_ending_fits_its_outcome", change(3, outcome=Outcome.FAULT)),
    ("an_ending_fits_its_outcome", change(3, ending=Ending.GAVE_UP)),
    ("an_ending_fits_its_outcome", change(3, ending=Ending.TURNED_AWAY)),
    ("an_ending_fits_its_outcome", change(3, ending=Ending.DROPPED_OUT)),
    ("an_ending_fits_its_outcome", lambda rows: change(2, ending=Ending.FINISHED)(rows)[:3]),
    ("arrival_is_one_instant", change(2, arrived=1)),
    ("codes_are_words", change(1, outcome=77)),
    ("codes_are_words", change(3, ending=9)),
]


def test_a_visit_as_it_should_be_breaks_no_law() -> None:
    """Nor does an empty history, nor one whose visitor is still on the way."""
    assert broken(History.of(STEPS, visit())) == []
    assert broken(History.of(STEPS, [])) == []
    for length in range(4):
        assert broken(History.of(STEPS, visit()[:length])) == []


@pytest.mark.parametrize(("law", "plant"), FAULTS)
def test_a_planted_fault_is_caught_by_its_law_and_by_no_other(law: str, plant: Plant) -> None:
    """Beside a hundred visits without fault, which are not accused."""
    others = [replace(row, visitor=100 + n) for n in range(100) for row in visit()]
    found = broken(History.of(STEPS, [*others, *plant(visit())]))
    assert {sentence.partition(":")[0] for sentence in found} == {law}
    assert all("visitor 7" in sentence for sentence in found)


def test_every_law_has_a_planted_fault() -> None:
    """A law that nothing can break holds nothing."""
    assert {law for law, _ in FAULTS} == {law.__name__ for law in LAWS}


def carried_over(rows: list[Observation]) -> list[Observation]:
    """The same rows, of somebody who was there before time 0."""
    return [replace(row, arrived=-1) for row in rows]


def test_who_was_carried_over_begins_in_the_middle_of_a_visit() -> None:
    """At any step and any number; by a call for help, whatever failed before it."""
    assert broken(History.of(STEPS, carried_over(keep(2, 3)(visit())))) == []
    call = [attempt(3, 1, 30, Outcome.READ_TIMEOUT), attempt(3, 2, 40, Outcome.ACCEPTED, 3)]
    assert broken(History.of((*STEPS, "call_support"), carried_over(call))) == []


@pytest.mark.parametrize(
    ("law", "plant"),
    [
        ("attempts_are_counted_without_gaps", keep(0, 2, 3)),
        ("steps_follow_acceptance", keep(0, 3)),
        ("an_ending_fits_its_outcome", change(3, ending=Ending.GAVE_UP)),
    ],
)
def test_who_was_carried_over_keeps_the_laws_from_then_on(law: str, plant: Plant) -> None:
    """A fault behind the first row is caught as everybody's is."""
    found = broken(History.of(STEPS, carried_over(plant(visit()))))
    assert {sentence.partition(":")[0] for sentence in found} == {law}


def test_an_attempt_may_take_no_time_at_all() -> None:
    """Simulated ones do: intended, started and ended at one instant."""
    rows = [replace(row, started=row.intended, ended=row.intended) for row in visit()]
    assert broken(History.of(STEPS, rows)) == []


def test_a_step_beyond_the_journey_is_caught() -> None:
    """The history names two steps, and a row is of a third."""
    rows = [replace(row, ending=Ending.OPEN) for row in visit()]
    (finding,) = broken(History.of(STEPS[:2], rows))
    assert finding.startswith("codes_are_words: 1 attempt had a code without a name")


def test_a_row_written_twice_is_caught() -> None:
    """By the counting of attempts at least."""
    rows = visit()
    found = broken(History.of(STEPS, [*rows, rows[1]]))
    assert "attempts_are_counted_without_gaps" in {line.partition(":")[0] for line in found}


def test_a_finding_counts_the_attempts_and_names_the_first() -> None:
    """So that it can be looked up in the history."""
    rows = [replace(row, visitor=v) for v in (3, 8) for row in change(2, arrived=1)(visit())]
    (finding,) = broken(History.of(STEPS, rows))
    assert finding == (
        "arrival_is_one_instant: 2 attempts named another arrival than its visitor's first; "
        "first: visitor 3, step 1, number 2"
    )


steps = st.builds(
    Step,
    name=st.sampled_from(STEPS),
    pause=st.floats(0, 3).map(constant),
    drop_out=st.sampled_from([0.0, 0.2]),
    patience=st.builds(Patience, attempts=st.integers(1, 3), backoff_s=st.floats(0, 2)),
    mail=st.sampled_from(["none", "result"]),
    polls=st.integers(0, 2),
    poll_s=st.floats(0.1, 2),
)


@given(
    st.lists(steps, min_size=1, max_size=3),
    st.lists(st.lists(st.sampled_from(list(Outcome)), min_size=20, max_size=20), max_size=6),
    st.integers(0, 20),
)
def test_whatever_a_service_answers_a_walked_visit_breaks_no_law(
    chosen: list[Step], answers: list[list[Outcome]], stop: int
) -> None:
    """Every outcome, at every step, also where the record stops in the middle."""
    itinerary = Journey(tuple(chosen)).itinerary()
    rows: list[Observation] = []
    for visitor, outcomes in enumerate(answers):
        rows += recorded(walk(itinerary, 5, visitor), visitor, outcomes[:stop])
    assert broken(History.of([step.name for step in chosen], rows)) == []


def recorded(visit: Visit, visitor: int, outcomes: list[Outcome]) -> list[Observation]:
    """The observations of a visit whose attempts each take 3 ns and get these outcomes."""
    rows: list[Observation] = []
    now = arrived = 1000 * visitor
    answers = iter(outcomes)
    word = next(visit)
    try:
        while True:
            if isinstance(word, Pause):
                now += word.ns
                word = next(visit)
            elif (outcome := next(answers, None)) is not None:
                times = (arrived, now, now, now + 3)
                rows.append(Observation(visitor, word.step, word.number, *times, outcome))
                now += 3
                word = visit.send(outcome)
            else:
                return rows
    except StopIteration as end:
        return [*rows[:-1], replace(rows[-1], ending=int(end.value))]
