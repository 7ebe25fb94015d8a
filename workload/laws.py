"""What holds of every history, measured or simulated. A broken law means a broken recorder.

Each law is a function of a History that returns the sentences of what it found broken; nothing
found is an empty list. `broken` applies all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from workload.history import History
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
    """Within a visitor's step, numbers run 1, 2, 3, …; each attempt exists once."""
    ordered = history.ordered()
    same = _same_step(ordered)
    number = ordered["number"]
    wrong_first = np.ones(len(ordered), dtype=bool)
    wrong_first[1:] = ~same
    first = wrong_first & (number != 1)
    gap = np.zeros(len(ordered), dtype=bool)
    gap[1:] = same & (number[1:] != number[:-1] + 1)
    return _found("starts a step with a number other than 1", ordered, first) + _found(
        "does not follow its predecessor's number", ordered, gap
    )


def one_thing_at_a_time(history: History) -> list[str]:
    """A visitor intends the next attempt no earlier than the previous one ended."""
    ordered = history.ordered()
    overlap = np.zeros(len(ordered), dtype=bool)
    same_visitor = ordered["visitor"][1:] == ordered["visitor"][:-1]
    overlap[1:] = same_visitor & (ordered["intended"][1:] < ordered["ended"][:-1])
    return _found("was intended before the previous attempt ended", ordered, overlap)


def steps_follow_acceptance(history: History) -> list[str]:
    """A visitor comes to a step only after the step before it was accepted; nobody skips one."""
    ordered = history.ordered()
    if not len(ordered):
        return []
    same_visitor = ordered["visitor"][1:] == ordered["visitor"][:-1]
    moved = same_visitor & ~_same_step(ordered)
    wrong = np.zeros(len(ordered), dtype=bool)
    wrong[1:] = moved & (
        (ordered["step"][1:] != ordered["step"][:-1] + 1)
        | (ordered["outcome"][:-1] != Outcome.ACCEPTED)
    )
    repeated = np.zeros(len(ordered), dtype=bool)
    repeated[1:] = _same_step(ordered) & np.isin(
        ordered["outcome"][:-1], (Outcome.ACCEPTED, Outcome.REFUSED, Outcome.DECLINED)
    )
    starts = np.ones(len(ordered), dtype=bool)
    starts[1:] = ~same_visitor
    late = starts & (ordered["step"] != 0)
    return (
        _found("came to a step without acceptance of the one before", ordered, wrong)
        + _found("was repeated after a final answer", ordered, repeated)
        + _found("is a visitor's first, but not of the first step", ordered, late)
    )


def a_visit_ends_once(history: History) -> list[str]:
    """An ending stands on a visitor's last attempt, and nowhere else; it fits the outcome."""
    ordered = history.ordered()
    ended = ordered["ending"] != Ending.OPEN
    last = np.ones(len(ordered), dtype=bool)
    last[:-1] = ordered["visitor"][1:] != ordered["visitor"][:-1]
    finished = (ordered["ending"] == Ending.FINISHED) & (ordered["outcome"] != Outcome.ACCEPTED)
    return _found("comes after its visit's end", ordered, ended & ~last) + _found(
        "finished a visit without being accepted", ordered, finished
    )


def arrival_is_one_instant(history: History) -> list[str]:
    """All attempts of a visitor name the same arrival."""
    ordered = history.ordered()
    differs = np.zeros(len(ordered), dtype=bool)
    same_visitor = ordered["visitor"][1:] == ordered["visitor"][:-1]
    differs[1:] = same_visitor & (ordered["arrived"][1:] != ordered["arrived"][:-1])
    return _found("names another arrival than its visitor's first", ordered, differs)


def little(history: History) -> list[str]:
    """Mean number in flight = rate x mean time in flight, counted in two independent ways.

    One way adds durations; the other integrates the step function of how many are in flight over
    the sorted starts and ends. They agree to the nanosecond or rows are missing or damaged.
    """
    if not len(history):
        return []
    by_duration = int((history["ended"] - history["started"]).sum())
    edges = np.concatenate([history["started"], history["ended"]])
    change = np.concatenate([np.ones(len(history), np.int64), -np.ones(len(history), np.int64)])
    order = np.lexsort((-change, edges))
    edges, in_flight = edges[order], np.cumsum(change[order])
    by_area = int((in_flight[:-1] * np.diff(edges)).sum())
    broken_ = [] if by_area == by_duration else [f"area {by_area} ns != durations {by_duration} ns"]
    if in_flight.min() < 0:
        broken_.append("fewer than nobody in flight")
    return broken_


LAWS: Final[tuple[Law, ...]] = (
    time_runs_forward,
    attempts_are_counted_without_gaps,
    one_thing_at_a_time,
    steps_follow_acceptance,
    a_visit_ends_once,
    arrival_is_one_instant,
    little,
)


def broken(history: History) -> list[str]:
    """Every law that this history breaks, as `law: what was found`."""
    return [f"{law.__name__}: {finding}" for law in LAWS for finding in law(history)]


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
