"""What broke first, in the order of time, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from harness.report import projected
from harness.report.dossier import Dossier, RunRecord
from harness.report.stations import (
    Bottleneck,
    bottleneck_of,
    first_saturated,
    queue_depths,
    stations_of,
)
from harness.report.trust import BANDS, held_out_rows
from harness.report.units import count, plural, seconds, signed, words
from workload.history import outcome_name
from workload.objective import Answer
from workload.visit import Outcome

CURES: Final = {
    "event_loop": "give the service another worker or a faster core, or make its requests cheaper",
    "connection_pool": "raise the pool of database connections (setting pool)",
    "database": "give PostgreSQL more cores, or batch more rows into a flush",
    "registry_client": (
        "the ministry's interface sets the pace, and more servers would not help: ask for more "
        "slots or quota, or keep people informed while they wait in the queue"
    ),
    "mail_sender": "open more connections to the mail server (setting mail_connections)",
    "system_core": "give service and database cores of their own",
}
#: A queue of so many is no news.
SHORT: Final = 10
FAILING: Final = tuple(
    outcome
    for outcome in Outcome
    if outcome not in (Outcome.ACCEPTED, Outcome.PENDING, Outcome.DECLINED)
)


@dataclass(frozen=True)
class Event:
    """Something that went wrong for the first time. ``at``: since the doors opened."""

    at: str
    what: str


def first_breaks(run: RunRecord) -> list[Event]:
    """First failures by step and kind, first full stations, the longest queue; earliest first."""
    found: list[tuple[float, str]] = [*_failures(run), *_full(run), *_queues(run)]
    return [Event(seconds(max(at, 0.0)), what) for at, what in sorted(found)]


def _failures(run: RunRecord) -> Iterator[tuple[float, str]]:
    if run.history is None:
        return
    history = run.history
    for number, step in enumerate(history.steps):
        for outcome in FAILING:
            mine = (history["step"] == number) & (history["outcome"] == outcome)
            total = int(mine.sum())
            if total:
                kind = words(outcome_name(outcome))
                at = float(history["ended"][mine].min()) / 1e9
                yield at, f"first {kind} at {words(step)} ({count(total)} in all)"


def _full(run: RunRecord) -> Iterator[tuple[float, str]]:
    for at, station, basis in first_saturated(run):
        yield at, f"{words(station)} full for the first time ({basis})"


def _queues(run: RunRecord) -> Iterator[tuple[float, str]]:
    at, queues = queue_depths(run)
    for name, depth in queues.items():
        if name == "requests in flight" or depth.max(initial=0) <= SHORT:
            continue
        peak = int(depth.argmax())
        empty = np.flatnonzero(depth[peak:] < 1)
        end = f"still held {count(depth[-1])} at the end"
        if len(empty):
            end = f"was empty again after {seconds(float(at[peak + empty[0]]))}"
        yield float(at[peak]), f"the {name} reached {count(depth.max())} and {end}"


def queue_title(run: RunRecord) -> str:
    """The answer of the plot of queues."""
    _at, queues = queue_depths(run)
    longest = max((float(depth.max(initial=0)) for depth in queues.values()), default=0.0)
    if longest <= SHORT:
        return f"Queues stayed short: never more than {count(longest)} waited"
    said = "; ".join(what for _at, what in _queues(run))
    return said[:1].upper() + said[1:] or f"At most {count(longest)} requests were in flight"


def next_steps(dossier: Dossier) -> list[str]:
    """What to do next, most urgent first."""
    found = [*_about_runs(dossier), *_about_bottleneck(dossier), *_about_model(dossier)]
    return found or ["Nothing is wanting: raise the load until something breaks, and look again."]


def _about_runs(dossier: Dossier) -> Iterator[str]:
    for run in dossier.meant:
        if run.status == "invalid":
            yield (
                f"Run {run.name} again, with more generator workers (--workers) or less load "
                "(--thin): as it is it says nothing about the service."
            )
        elif run.status == "interrupted":
            yield f"Run {run.name} again to its end: a fragment is not judged."
    judged = dossier.judged
    verdicts = judged.verdicts if judged is not None and judged.status == "complete" else ()
    for verdict in verdicts:
        if verdict.answer is Answer.UNKNOWN:
            yield f"Drive longer or more load to judge “{verdict.objective.text}”: {verdict.why}."


def _about_bottleneck(dossier: Dossier) -> Iterator[str]:
    bottleneck = limiting(dossier)
    if bottleneck and bottleneck.station in CURES:
        yield f"{bottleneck.sentence} ({bottleneck.reason}): {CURES[bottleneck.station]}."
    raw = dossier.projection
    if raw and raw.get("bottleneck") in CURES and int(raw["collapse"]["count"]):
        name = str(raw["bottleneck"])
        yield f"In the projection {words(name)} is the busiest station: {CURES[name]}."


def limiting(dossier: Dossier) -> Bottleneck | None:
    """The bottleneck at the hardest load that was driven."""
    run = dossier.hardest
    stations = stations_of(run) if run else []
    return bottleneck_of(stations, run) if run and stations else None


def _about_model(dossier: Dossier) -> Iterator[str]:
    raw = dossier.projection
    if raw is None:
        yield "Ask what a larger crowd would do: surge calibrate, then surge simulate."
        return
    if dossier.agreement is None or not held_out_rows(dossier.agreement):
        yield "Measure a load that the model has not seen (surge verify) before trusting it."
    else:
        outside = [
            row
            for row in held_out_rows(dossier.agreement)
            if abs(row.error) > (BANDS.get(row.metric) or float("inf"))
        ]
        if outside:
            worst = max(outside, key=lambda row: abs(row.error))
            yield (
                f"Find out why the model is off: {plural(len(outside), 'prediction')} outside of "
                f"the band, the worst {worst.metric.removesuffix('_s')} of {words(worst.step)} "
                f"({signed(worst.error)})."
            )
    weak = list(raw.get("uncalibrated", ()))
    if weak:
        yield (
            f"Calibrate {', '.join(words(step) for step in weak)}: drive longer, or with shorter "
            "pauses (--pauses), until each has 1,000 answers."
        )
    if any(verdict.answer is Answer.UNKNOWN for verdict in projected.verdicts(raw)):
        yield (
            "Ask for more replications: 59 without a collapse show that its chance is below 5 %, "
            "299 that it is below 1 % (one-sided, 95 %)."
        )
