"""A visit: what comes after each outcome, as logs of tiny visits."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.draws import ONE, threshold
from workload.durations import Duration, constant
from workload.journey import (
    ATTEMPTS,
    POLLS,
    SUPPORT_STEP,
    WIDTH,
    Itinerary,
    Journey,
    Patience,
    Step,
    Support,
)
from workload.visit import (
    GOES_ON,
    Attempt,
    Ending,
    Outcome,
    Pause,
    advance,
    backoff,
    begin,
    failure,
    mail_needed,
    poll_pause,
    walk,
)

Log = Callable[[Itinerary, Iterable[Outcome]], list[object]]
Visit = Generator[Pause | Attempt, int, Ending]
FAILURES = (
    Outcome.OVERLOADED,
    Outcome.FAULT,
    Outcome.CONNECT_TIMEOUT,
    Outcome.READ_TIMEOUT,
    Outcome.RESET,
)


def test_an_accepted_visit_walks_every_step_once_and_finishes(log: Log, two_steps: Journey) -> None:
    """Accepted all along: each step once, its pause before it, finished at the end."""
    assert log(two_steps.itinerary(), repeat(Outcome.ACCEPTED)) == [
        ("attempt", 0, 1, 0),
        ("pause", 5.0),
        ("attempt", 1, 1, 0),
        "FINISHED",
    ]


def test_the_pause_of_the_first_step_comes_between_arrival_and_first_attempt(log: Log) -> None:
    """A visitor who arrives first reads: the first step's pause."""
    journey = Journey((Step("open_site", pause=constant(3)),))
    assert log(journey.itinerary(), [Outcome.ACCEPTED]) == [
        ("pause", 3.0),
        ("attempt", 0, 1, 0),
        "FINISHED",
    ]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_attempt_is_retried_after_a_doubling_backoff_up_to_its_cap(
    log: Log, two_steps: Journey, failure: Outcome
) -> None:
    """2 s, 4 s, 8 s; after the fourth failure the visitor gives up."""
    assert log(two_steps.itinerary(), repeat(failure)) == [
        ("attempt", 0, 1, 0),
        ("pause", 2.0),
        ("attempt", 0, 2, 0),
        ("pause", 4.0),
        ("attempt", 0, 3, 0),
        ("pause", 8.0),
        ("attempt", 0, 4, 0),
        "GAVE_UP",
    ]


def test_an_attempt_that_is_accepted_after_failures_goes_on_with_the_next_step(
    log: Log, two_steps: Journey
) -> None:
    """The next step counts its attempts from 1 again."""
    outcomes = [Outcome.RESET, Outcome.ACCEPTED, Outcome.FAULT, Outcome.ACCEPTED]
    assert log(two_steps.itinerary(), outcomes) == [
        ("attempt", 0, 1, 0),
        ("pause", 2.0),
        ("attempt", 0, 2, 0),
        ("pause", 5.0),
        ("attempt", 1, 1, 0),
        ("pause", 2.0),
        ("attempt", 1, 2, 0),
        "FINISHED",
    ]


@pytest.mark.parametrize("final", [Outcome.REFUSED, Outcome.DECLINED])
def test_a_final_no_turns_the_visitor_away_at_once(
    log: Log, two_steps: Journey, final: Outcome
) -> None:
    """Asking again would not help, so nobody asks again."""
    assert log(two_steps.itinerary(), [final]) == [("attempt", 0, 1, 0), "TURNED_AWAY"]


def test_polls_come_after_30_s_doubling_to_16_minutes_and_then_the_mail(
    log: Log, waiting: Journey
) -> None:
    """First after 30 s, then doubling up to 16 min, then back when the mail arrives."""
    answers = [*[Outcome.PENDING] * 6, Outcome.ACCEPTED]
    found = log(waiting.itinerary(), answers)
    pauses = [line[1] for line in found if isinstance(line, tuple) and line[0] == "pause"]
    attempts = [line for line in found if isinstance(line, tuple) and line[0] == "attempt"]
    assert pauses == [30, 60, 120, 240, 480, 960]
    assert attempts == [*[("attempt", 0, n, 0) for n in range(1, 7)], ("attempt", 0, 7, 2)]
    assert found[-1] == "FINISHED"


def test_polls_of_a_later_step_are_its_own(log: Log, two_steps: Journey, waiting: Journey) -> None:
    """Each step polls by its own policy."""
    quick = replace(waiting.steps[0], pause=constant(1), polls=2, poll_s=3.0, poll_cap_s=5.0)
    itinerary = Journey((*two_steps.steps[:1], quick, *waiting.steps)).itinerary()
    yes, later = Outcome.ACCEPTED, Outcome.PENDING
    found = log(itinerary, [yes, later, later, yes, later, yes])
    pauses = [line[1] for line in found if isinstance(line, tuple) and line[0] == "pause"]
    assert pauses == [1, 5, 30, 60]


def test_a_mail_that_does_not_come_ends_the_visit(log: Log, waiting: Journey) -> None:
    """The patience for a mail is spent once, never once an attempt."""
    answers = [*[Outcome.PENDING] * 6, Outcome.NO_MAIL]
    assert log(waiting.itinerary(), answers)[-2:] == [("attempt", 0, 7, 2), "GAVE_UP"]


def test_an_answer_that_stays_pending_after_the_mail_is_asked_for_a_bounded_number_of_times(
    log: Log, waiting: Journey
) -> None:
    """Beyond the polls there are `attempts` more, the longest poll pause apart; then no more."""
    found = log(waiting.itinerary(), repeat(Outcome.PENDING))
    assert found[-4:] == [("attempt", 0, 7, 2), ("pause", 960.0), ("attempt", 0, 8, 2), "GAVE_UP"]


def test_a_poll_without_a_mail_to_wait_for_never_asks_twice_at_the_same_instant(log: Log) -> None:
    """Every pending answer is followed by a pause, also where no mail will ever come."""
    step = Step("check", polls=2, poll_s=1.0, poll_cap_s=4.0, patience=Patience(attempts=2))
    found = log(Journey((step,)).itinerary(), repeat(Outcome.PENDING))
    assert found == [
        ("attempt", 0, 1, 0),
        ("pause", 2.0),
        ("attempt", 0, 2, 0),
        ("pause", 4.0),
        ("attempt", 0, 3, 0),
        ("pause", 4.0),
        ("attempt", 0, 4, 0),
        "GAVE_UP",
    ]


def test_a_step_without_polls_waits_for_its_mail_before_every_attempt(log: Log) -> None:
    """verify_email: the link is in the mail, so no attempt can be made without it."""
    patience = Patience(attempts=2, backoff_s=1, jitter=0)
    journey = Journey((Step("verify_email", mail="verify", patience=patience),))
    assert log(journey.itinerary(), [Outcome.FAULT, Outcome.ACCEPTED]) == [
        ("attempt", 0, 1, 1),
        ("pause", 1.0),
        ("attempt", 0, 2, 1),
        "FINISHED",
    ]


def test_the_share_that_drops_out_is_the_drop_out_of_the_step(two_steps: Journey) -> None:
    """A quarter of 20,000 visitors leaves before register, within 4 standard deviations."""
    leaving = replace(two_steps.steps[1], drop_out=0.25)
    plan, pauses, steps = Journey((two_steps.steps[0], leaving)).itinerary()
    people = 20_000
    endings = [
        advance(plan, pauses, steps, 7, person, 0, 1, Outcome.ACCEPTED, GOES_ON)[3]
        for person in range(people)
    ]
    share = endings.count(Ending.DROPPED_OUT) / people
    assert abs(share - 0.25) < 4 * (0.25 * 0.75 / people) ** 0.5
    assert set(endings) == {GOES_ON, Ending.DROPPED_OUT}


@pytest.mark.parametrize(("drop_out", "ending"), [(0.0, "FINISHED"), (1.0, "DROPPED_OUT")])
def test_nobody_or_everybody_drops_out_at_the_ends_of_the_scale(
    log: Log, two_steps: Journey, drop_out: float, ending: str
) -> None:
    """0 keeps everybody, 1 keeps nobody; neither depends on luck."""
    leaving = replace(two_steps.steps[1], drop_out=drop_out)
    itinerary = Journey((two_steps.steps[0], leaving)).itinerary()
    assert log(itinerary, repeat(Outcome.ACCEPTED))[-1] == ending


def test_luck_does_not_depend_on_what_the_service_did(two_steps: Journey) -> None:
    """A visitor who needed three attempts pauses as long and drops out as before."""
    step = replace(two_steps.steps[1], pause=Duration((1.0, 9.0)), drop_out=0.5)
    plan, pauses, steps = Journey((two_steps.steps[0], step)).itinerary()
    for person in range(200):
        smooth = advance(plan, pauses, steps, 3, person, 0, 1, Outcome.ACCEPTED, GOES_ON)
        rough = advance(plan, pauses, steps, 3, person, 0, 3, Outcome.ACCEPTED, GOES_ON)
        assert smooth[2:] == rough[2:]


def journeys() -> st.SearchStrategy[Journey]:
    patience = st.builds(
        Patience,
        attempts=st.integers(1, 5),
        backoff_s=st.floats(0, 5),
        backoff_cap_s=st.floats(0, 20),
        jitter=st.floats(0, 1),
    )
    step = st.builds(
        Step,
        name=st.sampled_from(["a", "b", "c"]),
        pause=st.floats(0, 10).map(constant),
        drop_out=st.sampled_from([0.0, 0.3]),
        patience=patience,
        mail=st.sampled_from(["none", "verify", "result"]),
        polls=st.integers(0, 4),
        poll_s=st.floats(0.1, 5),
        poll_cap_s=st.floats(0.1, 9),
    )
    call = st.builds(Step, name=st.just(SUPPORT_STEP), patience=patience)
    support = st.none() | st.builds(Support, share=st.floats(0, 1), call=call)
    return st.builds(Journey, st.lists(step, min_size=1, max_size=4).map(tuple), support)


def sent(visit: Visit, outcome: Outcome) -> Pause | Attempt | Ending:
    """What a visit says to an outcome: its next word, or its ending."""
    try:
        return visit.send(outcome)
    except StopIteration as end:
        return Ending(end.value)


@given(journeys(), st.lists(st.sampled_from(list(Outcome)), min_size=60, max_size=60),
       st.integers(0, 2**63 - 1), st.integers(0, 2**40))  # fmt: skip
def test_walk_says_what_advance_decides(
    journey: Journey, outcomes: list[Outcome], seed: int, visitor: int
) -> None:
    """The generator adds nothing: same steps, numbers, pauses, mails and ending; and it ends."""
    plan, pauses, steps = itinerary = journey.itinerary()
    visit = walk(itinerary, seed, visitor)
    step, number, ending, fate = 0, 1, GOES_ON, GOES_ON
    pause = begin(pauses, seed, visitor)
    word: Pause | Attempt | Ending = next(visit)
    for outcome in outcomes:
        if pause:
            assert word == Pause(pause)
            word = next(visit)
        assert word == Attempt(step, number, mail_needed(plan, step, number))
        fate = fate or failure(plan, step, number, outcome)
        step, number, pause, ending = advance(
            plan, pauses, steps, seed, visitor, step, number, outcome, fate
        )
        word = sent(visit, outcome)
        if ending != GOES_ON:
            assert word is Ending(ending)
            return
    raise AssertionError("60 outcomes end every visit of at most 4 steps of at most 9 attempts")


@given(journeys(), st.integers(1, 40), st.integers(0, ONE - 1))
def test_backoff_stays_between_the_unjittered_pause_and_its_fixed_share(
    journey: Journey, number: int, chance: int
) -> None:
    """min(cap, first x 2^(n-1)), minus at most the jitter's share of it."""
    plan, _, _ = journey.itinerary()
    patience = journey.steps[0].patience
    longest = min(patience.backoff_cap_s, patience.backoff_s * 2 ** (number - 1)) * 1e9
    pause = backoff(plan, 0, number, chance)
    assert pause <= longest + 2**number
    assert pause >= longest * (1 - patience.jitter - 0.0006) - 2**number


@given(journeys(), st.integers(1, 40))
def test_a_poll_pause_never_exceeds_its_cap(journey: Journey, number: int) -> None:
    """And is zero only for the visitor who leaves until the mail comes."""
    plan, _, _ = journey.itinerary()
    step = journey.steps[0]
    pause = poll_pause(plan, 0, number)
    assert pause <= step.poll_cap_s * 1e9 + 1
    assert (pause == 0) == (step.mail != "none" and number == step.polls)


def test_pauses_and_speed_scale_pauses_and_polls_and_nothing_else(waiting: Journey) -> None:
    """Speed divides pauses; timeouts, backoff and the patience for a mail never change."""
    plain, bent = waiting.itinerary(), waiting.itinerary(pauses=3.0, speed=1.5)
    halved = {6: 2, 7: 2}  # POLL_FIRST and POLL_CAP, times 3 / 1.5
    assert list(bent.plan) == [
        number * halved.get(at % WIDTH, 1) for at, number in enumerate(plain.plan)
    ]
    assert list(bent.pauses) == [pause * 2 for pause in plain.pauses]


def test_pauses_may_be_left_out_altogether(two_steps: Journey) -> None:
    """What a calibration run does, so that late steps are reached."""
    assert set(two_steps.itinerary(pauses=0).pauses) == {0}


@pytest.mark.parametrize(("pauses", "speed"), [(-1, 1), (1, 0), (1, -2), (float("nan"), 1)])
def test_a_journey_can_not_be_bent_by_impossible_factors(
    waiting: Journey, pauses: float, speed: float
) -> None:
    """Pauses from 0 up, speed above 0."""
    with pytest.raises(ValueError, match="give 0 or more, and above 0"):
        waiting.itinerary(pauses, speed)


def test_an_itinerary_is_one_row_of_integers_a_step(two_steps: Journey) -> None:
    """Flat integers that any engine reads."""
    plan, pauses, steps = two_steps.itinerary()
    assert (len(plan), steps) == (2 * WIDTH, 2)
    assert all(isinstance(number, int) for number in (*plan, *pauses))
    assert (plan[ATTEMPTS], plan[POLLS], plan[0]) == (4, 0, threshold(0.0))
