"""Summaries: folds of hand-made histories, worked out by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.history import History, Observation
from workload.summary import CELLS, StepSummary, Summary, finite, summarize
from workload.visit import Ending, Outcome

STEPS = ("open_site", "register", "verify_email", "await_identity")
S = 1_000_000_000


def row(
    visitor: int,
    step: int,
    number: int,
    times_s: tuple[float, float, float],
    outcome: Outcome,
    ending: Ending = Ending.OPEN,
) -> Observation:
    """``times_s``: intended, started, ended."""
    intended, started, ended = (round(t * S) for t in times_s)
    return Observation(visitor, step, number, 0, intended, started, ended, outcome, 0, ending)


def summary(*rows: Observation, duration_s: float = 60.0, **more: object) -> Summary:
    return summarize(History.of(STEPS, rows), duration_s, **more)  # type: ignore[arg-type]


def step(found: Summary, name: str) -> StepSummary:
    at = found.step(name)
    assert at is not None
    return at


def test_a_steps_latency_runs_from_its_first_intended_start_to_its_acceptance() -> None:
    """Retries and backoff included: intended at 1 s, accepted at 8 s, is 7 s."""
    found = summary(
        row(1, 0, 1, (1.0, 1.5, 2.0), Outcome.OVERLOADED),
        row(1, 0, 2, (4.0, 4.0, 5.0), Outcome.READ_TIMEOUT),
        row(1, 0, 3, (7.0, 7.0, 8.0), Outcome.ACCEPTED),
    )
    site = step(found, "open_site")
    assert site.latency.quantile(0.5) == pytest.approx(7.0, rel=0.01)
    assert (site.visits, site.attempts, site.accepted, site.failed, site.open) == (1, 3, 1, 0, 0)
    assert site.outcomes == {"accepted": 1, "overloaded": 1, "read_timeout": 1}


def test_attempts_keep_response_from_intended_and_service_from_sent_start() -> None:
    """Intended at 1 s, sent at 3 s, answered at 4 s: 3 s of response, 1 s of service."""
    site = step(summary(row(1, 0, 1, (1.0, 3.0, 4.0), Outcome.ACCEPTED)), "open_site")
    assert site.response_ok.quantile(0.5) == pytest.approx(3.0, rel=0.01)
    assert site.service_ok.quantile(0.5) == pytest.approx(1.0, rel=0.01)


def test_failures_are_kept_apart_from_successes() -> None:
    """A fast 503 must not lower the percentile of the answers."""
    found = summary(
        row(1, 0, 1, (1.0, 1.0, 1.001), Outcome.OVERLOADED),
        row(1, 0, 2, (2.0, 2.0, 3.0), Outcome.ACCEPTED),
    )
    site = step(found, "open_site")
    assert (site.response_ok.total, site.response_failed.total) == (1, 1)
    assert site.response_ok.quantile(0.01) == pytest.approx(1.0, rel=0.01)
    assert site.response_failed.quantile(0.99) == pytest.approx(0.001, rel=0.01)


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [(Outcome.RESET, Ending.GAVE_UP), (Outcome.REFUSED, Ending.TURNED_AWAY),
     (Outcome.NO_MAIL, Ending.GAVE_UP)],
)  # fmt: skip
def test_a_step_that_failed_is_infinite(outcome: Outcome, ending: Ending) -> None:
    """And counts against success."""
    found = summary(
        row(1, 0, 1, (0, 0, 1), Outcome.ACCEPTED, Ending.FINISHED),
        row(2, 0, 1, (0, 0, 1), outcome, ending),
    )
    site = step(found, "open_site")
    assert site.latency.quantile(0.5) == pytest.approx(1.0, rel=0.01)
    assert site.latency.quantile(0.51) == math.inf
    assert (site.accepted, site.failed, site.success) == (1, 1, 0.5)


@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.FAULT])
def test_a_step_that_was_open_when_the_record_stopped_is_judged_by_nobody(
    outcome: Outcome,
) -> None:
    """Neither success nor failure; it has no latency."""
    found = summary(row(1, 0, 1, (0, 0, 1), Outcome.ACCEPTED), row(1, 1, 1, (5, 5, 59.9), outcome))
    register = step(found, "register")
    assert (register.visits, register.open, register.failed) == (1, 1, 0)
    assert register.latency.total == 0
    assert math.isnan(register.success)
    assert found.endings["open"] == 1


def test_a_declined_identity_was_answered() -> None:
    """A correct no is a success of the service, although it ends the visit."""
    found = summary(
        row(1, 0, 1, (0, 0, 1), Outcome.ACCEPTED),
        row(1, 1, 1, (1, 1, 3), Outcome.DECLINED, Ending.TURNED_AWAY),
    )
    register = step(found, "register")
    assert (register.accepted, register.declined, register.success) == (0, 1, 1.0)
    assert register.latency.quantile(0.5) == pytest.approx(2.0, rel=0.01)
    assert found.endings["turned_away"] == 1


def test_polls_count_as_answered_attempts_and_the_step_ends_with_the_last() -> None:
    """Two times "not yet", then yes."""
    found = summary(
        row(1, 0, 1, (0, 0, 1), Outcome.PENDING),
        row(1, 0, 2, (10, 10, 11), Outcome.PENDING),
        row(1, 0, 3, (30, 30, 31), Outcome.ACCEPTED),
    )
    site = step(found, "open_site")
    assert site.latency.quantile(1.0) == pytest.approx(31.0, rel=0.01)
    assert (site.response_ok.total, site.response_failed.total) == (3, 0)


def test_a_history_without_rows_is_a_summary_of_nothing() -> None:
    """Every step is there, at zero; nothing is known; it is still JSON."""
    found = summary(duration_s=3600.0, checkpoints_h=(1.0,))
    assert [one.name for one in found.steps] == list(STEPS)
    assert all(one.visits == one.attempts == one.latency.total == 0 for one in found.steps)
    assert found.visits == 0
    assert set(found.endings.values()) == {0}
    assert found.checkpoints == {
        1.0: {"registered": 0, "email_verified": 0, "identity_verified": 0}
    }
    assert found.throughput_per_s == 0.0
    json.dumps(found.to_json(), allow_nan=False)


def test_a_record_of_no_length_has_no_throughput() -> None:
    """A run that was interrupted at once: unknown, never a division by zero."""
    found = summary(duration_s=0.0)
    assert math.isnan(found.throughput_per_s)
    assert found.to_json()["throughput_per_s"] is None


def test_a_step_that_the_journey_lacks_is_none() -> None:
    """And so is unknown to an objective."""
    assert summary().step("join_wave") is None


def test_visits_are_counted_by_how_they_ended() -> None:
    """One each; who has no ending is open."""
    yes, no = Outcome.ACCEPTED, Outcome.FAULT
    found = summary(
        row(1, 0, 1, (0, 0, 1), yes, Ending.FINISHED),
        row(2, 0, 1, (0, 0, 1), yes, Ending.DROPPED_OUT),
        row(3, 0, 1, (0, 0, 1), no, Ending.GAVE_UP),
        row(4, 0, 1, (0, 0, 1), Outcome.REFUSED, Ending.TURNED_AWAY),
        row(5, 0, 1, (0, 0, 1), no),
    )
    assert found.visits == 5
    assert found.endings == {
        "finished": 1,
        "dropped_out": 1,
        "gave_up": 1,
        "turned_away": 1,
        "open": 1,
    }


def test_checkpoints_count_who_was_accepted_by_then() -> None:
    """Cumulative, at the end of the acceptance, by hours of the run, as far as the record goes."""
    h = 3600.0
    found = summary(
        row(1, 1, 1, (0, 0, 1 * h), Outcome.ACCEPTED),
        row(1, 2, 1, (1 * h, 1 * h, 2 * h), Outcome.ACCEPTED),
        row(2, 1, 1, (0, 0, 1 * h + 1), Outcome.ACCEPTED),
        row(3, 1, 1, (0, 0, 0.5 * h), Outcome.REFUSED, Ending.TURNED_AWAY),
        row(2, 3, 1, (2 * h, 2 * h, 2.5 * h), Outcome.DECLINED, Ending.TURNED_AWAY),
        duration_s=3 * h,
        checkpoints_h=(1.0, 2.0, 3.0, 4.0),
    )
    assert found.checkpoints == {
        1.0: {"registered": 1, "email_verified": 0, "identity_verified": 0},
        2.0: {"registered": 2, "email_verified": 1, "identity_verified": 0},
        3.0: {"registered": 2, "email_verified": 1, "identity_verified": 0},
    }


def test_offered_and_achieved_are_counted_by_second() -> None:
    """Offered where the step was intended first, achieved where it was answered."""
    found = summary(
        row(1, 0, 1, (10.2, 10.2, 10.4), Outcome.FAULT),
        row(1, 0, 2, (11.9, 11.9, 12.1), Outcome.ACCEPTED),
        row(2, 0, 1, (10.9, 10.9, 13.0), Outcome.REFUSED, Ending.TURNED_AWAY),
        duration_s=5.0,
        start_s=10.0,
    )
    site = step(found, "open_site")
    assert site.offered.tolist() == [2, 0, 0, 0, 0]
    assert site.achieved.tolist() == [0, 0, 1, 0, 0]


def test_what_lies_outside_the_record_is_in_no_cell() -> None:
    """Before its start, or after its end: a warm-up, or answers that came late."""
    found = summary(
        row(1, 0, 1, (9.5, 9.5, 12.0), Outcome.ACCEPTED),
        row(2, 0, 1, (11.0, 11.0, 15.0), Outcome.ACCEPTED),
        duration_s=5.0,
        start_s=10.0,
    )
    site = step(found, "open_site")
    assert site.offered.tolist() == [0, 1, 0, 0, 0]
    assert site.achieved.tolist() == [0, 0, 1, 0, 0]


def test_a_long_record_has_wider_cells() -> None:
    """65 hours in at most CELLS cells of whole seconds; the second cell begins at 65 s."""
    rows = [row(v, 0, 1, (at, at, at), Outcome.ACCEPTED) for v, at in ((1, 64.9), (2, 65.1))]
    found = summary(*rows, duration_s=65 * 3600.0)
    site = step(found, "open_site")
    assert found.cell_s == 65.0
    assert len(site.offered) == CELLS
    assert site.offered[:3].tolist() == [1, 1, 0]


def test_throughput_is_accepted_steps_a_second() -> None:
    """Two accepted in ten seconds; the failed one is no throughput."""
    found = summary(
        row(1, 0, 1, (0, 0, 1), Outcome.ACCEPTED),
        row(1, 1, 1, (1, 1, 2), Outcome.ACCEPTED),
        row(2, 0, 1, (0, 0, 1), Outcome.RESET, Ending.GAVE_UP),
        duration_s=10.0,
    )
    assert found.throughput_per_s == pytest.approx(0.2)


def test_the_json_form_has_null_where_there_is_no_number() -> None:
    """surge/summary/1; percentiles in seconds; a failed step's percentile is infinite: null."""
    found = summary(
        row(1, 0, 1, (0, 0, 1), Outcome.ACCEPTED),
        row(1, 1, 1, (1, 1, 2), Outcome.FAULT, Ending.GAVE_UP),
    ).to_json()
    text = json.dumps(found, allow_nan=False)
    assert found["schema"] == "surge/summary/1"
    steps = json.loads(text)["steps"]
    assert steps["open_site"]["p99_s"] == pytest.approx(1.0, rel=0.01)
    assert steps["register"]["p50_s"] is None
    assert steps["verify_email"]["p50_s"] is None


def test_finite_numbers_stay_and_the_others_are_null() -> None:
    """JSON has no infinity and no NaN."""
    assert [finite(value) for value in (1.5, math.inf, -math.inf, math.nan)] == [
        1.5,
        None,
        None,
        None,
    ]


outcomes = st.sampled_from(list(Outcome))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), outcomes, st.sampled_from(Ending)),
                max_size=40, unique_by=lambda one: one[:2]))  # fmt: skip
def test_visits_to_a_step_are_accepted_declined_failed_or_open(
    drawn: list[tuple[int, int, Outcome, Ending]],
) -> None:
    """Nobody is lost or counted twice, whatever the rows are; the order of rows is no matter."""
    rows = [row(v, s, 1, (s, s, s + 1), outcome, ending) for v, s, outcome, ending in drawn]
    found = summary(*rows)
    for one in found.steps:
        assert one.visits == one.accepted + one.declined + one.failed + one.open
        assert one.attempts == sum(one.outcomes.values())
        assert one.latency.total == one.visits - one.open
    again = summary(*reversed(rows))
    assert again.to_json() == found.to_json()
    assert np.isfinite(found.throughput_per_s)
