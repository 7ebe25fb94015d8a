"""What holds of every history, measured or simulated. A broken law means a broken recorder.

Each law is a function of a History that returns the sentences of what it found broken; nothing
found is an empty list. `broken` applies all of them.

Who arrived before time 0 was carried over: their record begins in the middle of a visit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from workload.history import History
from workload.journey import SUPPORT_STEP, peoples
from workload.visit import Ending, Outcome

Law = Callable[[History], list[str]]


def time_runs_forward(history: History) -> list[str]:
    """An attempt starts at or after it was intended, and ends at or after it started."""
    early = history["started"] < history["intended"]
    backward = history["ended"] < history["started"]
    before = history["intended"] < history["arrived"]
    return (
        _found("started before it was intended", history, early)
        + _found("ended before it started", history, backward)
        + _found("was intended before its visitor arrived", history, before)
    )


def attempts_are_counted_without_gaps(history: History) -> list[str]:
    """Within a visitor's step, numbers run 1, 2, 3, …; each attempt exists once.

    The first row of who was carried over may have any number.
    """
    ordered = history.ordered()
    same = _same_step(ordered)
    number = ordered["number"]
    wrong_first = np.ones(len(ordered), dtype=bool)
    wrong_first[1:] = ~same
    first = wrong_first & (number != 1) & ~_carried_over(ordered)
    gap = np.zeros(len(ordered), dtype=bool)
    gap[1:] = same & (number[1:] != number[:-1] + 1)
    return _found("started a step with a number other than 1", ordered, first) + _found(
        "did not follow its predecessor's number", ordered, gap
    )


def one_thing_at_a_time(history: History) -> list[str]:
    """A visitor intends the next attempt no earlier than the previous one ended."""
    ordered = history.ordered()
    overlap = np.zeros(len(ordered), dtype=bool)
    same_visitor = ordered["visitor"][1:] == ordered["visitor"][:-1]
    overlap[1:] = same_visitor & (ordered["intended"][1:] < ordered["ended"][:-1])
    return _found("was intended before the previous attempt ended", ordered, overlap)


def steps_follow_acceptance(history: History) -> list[str]:
    """A visitor comes to a step only after the step before it was accepted; nobody skips one.

    To a call for help, only after a step that was not.
    """
    ordered = history.ordered()
    if not len(ordered):
        return []
    same_visitor = ordered["visitor"][1:] == ordered["visitor"][:-1]
    moved = same_visitor & ~_same_step(ordered)
    wrong = np.zeros(len(ordered), dtype=bool)
    was_accepted = ordered["outcome"][:-1] == Outcome.ACCEPTED
    calls = _calls(ordered)[1:]
    follows = (ordered["step"][1:] == ordered["step"][:-1] + 1) & was_accepted
    wrong[1:] = moved & ~np.where(calls, ~was_accepted, follows)
    repeated = np.zeros(len(ordered), dtype=bool)
    repeated[1:] = _same_step(ordered) & np.isin(
        ordered["outcome"][:-1], (Outcome.ACCEPTED, Outcome.REFUSED, Outcome.DECLINED)
    )
    starts = np.ones(len(ordered), dtype=bool)
    starts[1:] = ~same_visitor
    late = starts & ~np.isin(ordered["step"], (0, peoples(history.steps)))
    late &= ~_carried_over(ordered)
    return (
        _found(
            "came to a step without acceptance of the one before", ordered, wrong & ~_calls(ordered)
        )
        + _found("called for help without a failure", ordered, wrong & _calls(ordered))
        + _found("was repeated after a final answer", ordered, repeated)
        + _found("came first of its visitor, but not to the first step", ordered, late)
    )


def a_visit_ends_once(history: History) -> list[str]:
    """An ending stands on a visitor's last attempt, and nowhere else."""
    ordered = history.ordered()
    last = np.ones(len(ordered), dtype=bool)
    last[:-1] = ordered["visitor"][1:] != ordered["visitor"][:-1]
    early = ~last & (ordered["ending"] != Ending.OPEN)
    return _found("ended a visit that went on", ordered, early)


def an_ending_fits_its_outcome(history: History) -> list[str]:
    """Finished and dropped out: accepted. Turned away: a final no. Gave up: any other failure.

    Who called for help ends as the step that failed says, whatever became of the call.
    """
    history = history.ordered()
    ending, step, calls = history["ending"], history["step"], _calls(history)
    since_before = calls & _carried_over(history)  # what failed is not in the record
    aside = calls & ~since_before
    decisive = np.maximum.accumulate(np.where(aside, 0, np.arange(len(history))))
    outcome = history["outcome"][decisive]
    accepted = outcome == Outcome.ACCEPTED
    final_no = np.isin(outcome, (Outcome.REFUSED, Outcome.DECLINED))
    last_of_people = peoples(history.steps) - 1 - (SUPPORT_STEP in history.steps)
    last = np.isin(step, (last_of_people, len(history.steps) - 1)) & ~calls
    fits = {
        Ending.FINISHED: accepted & last,
        Ending.DROPPED_OUT: accepted & ~last & ~calls,
        Ending.GAVE_UP: ~accepted & ~final_no,
        Ending.TURNED_AWAY: final_no,
    }
    return [
        sentence
        for kind, right in fits.items()
        for sentence in _found(f"{_said(kind)} against its outcome", history,
                               (ending == kind) & ~right & ~since_before)
    ]  # fmt: skip


def codes_are_words(history: History) -> list[str]:
    """Every step, outcome and ending is one that has a name; numbers count from 1."""
    known = (
        np.isin(history["outcome"], list(Outcome))
        & np.isin(history["ending"], list(Ending))
        & (history["step"] >= 0)
        & (history["step"] < len(history.steps))
        & (history["number"] >= 1)
    )
    return _found("had a code without a name", history, ~known)


def arrival_is_one_instant(history: History) -> list[str]:
    """All attempts of a visitor name the same arrival."""
    ordered = history.ordered()
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = ordered["visitor"][1:] != ordered["visitor"][:-1]
    first = np.maximum.accumulate(np.where(fresh, np.arange(len(ordered)), 0))
    differs = ordered["arrived"] != ordered["arrived"][first]
    return _found("named another arrival than its visitor's first", ordered, differs)


LAWS: Final[tuple[Law, ...]] = (
    time_runs_forward,
    attempts_are_counted_without_gaps,
    one_thing_at_a_time,
    steps_follow_acceptance,
    a_visit_ends_once,
    an_ending_fits_its_outcome,
    arrival_is_one_instant,
    codes_are_words,
)


def broken(history: History) -> list[str]:
    """Every law that this history breaks, as `law: what was found`."""
    return [f"{law.__name__}: {finding}" for law in LAWS for finding in law(history)]


def _said(ending: Ending) -> str:
    return ending.name.lower().replace("_", " ")


def _calls(history: History) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which attempts are calls for help."""
    names = history.steps
    row = names.index(SUPPORT_STEP) if SUPPORT_STEP in names else -1
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = history["step"] == row
    return found


def _carried_over(ordered: History) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """First rows of visitors who were there before time 0."""
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered["visitor"][1:] != ordered["visitor"][:-1]
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = first & (ordered["arrived"] < 0)
    return found


def _same_step(ordered: History) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    same: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        ordered["visitor"][1:] == ordered["visitor"][:-1]
    ) & (ordered["step"][1:] == ordered["step"][:-1])
    return same


def _found(
    what: str, history: History, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> list[str]:
    count = int(mask.sum())
    if not count:
        return []
    at = int(np.flatnonzero(mask)[0])
    visitor, step, number = (int(history[name][at]) for name in ("visitor", "step", "number"))
    who = f"visitor {visitor}, step {step}, number {number}"
    return [f"{count} attempt{'s' if count > 1 else ''} {what}; first: {who}"]
