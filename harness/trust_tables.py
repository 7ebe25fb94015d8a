"""How far an answer may be trusted, for people: what it rests on, its intervals, where it ends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from harness.agreement_tables import signed
from harness.tables import Column, say, show, span, three_digits
from simulation.intervals import CONFIDENCE, Interval
from simulation.trust import NEVER, Beyond, Trust
from workload.agreement import Basis
from workload.objective import Objective, Verdict

#: How the intervals are made, in one line.
RULE = (
    f"{CONFIDENCE:.0%} of measured runs are expected inside: spread of the replications, error and "
    "noise of the check, in quadrature on a log scale (docs/accuracy.md)."
)


def show_trust(trust: Trust, verdicts: Sequence[Verdict] = ()) -> None:
    """The intervals, and last the lines."""
    if trust.intervals:
        show_intervals(trust.intervals)
    say("", *trust_lines(trust, verdicts))


def show_intervals(intervals: Sequence[Interval]) -> None:
    columns = [Column("step", figure=False), Column("", figure=False), Column("projected"),
               Column("from"), Column("to"), Column("error when checked"),
               Column("noise")]  # fmt: skip
    rows = (
        [one.step, one.metric.removesuffix("_s"), span(one.value), span(one.low), _to(one),
         errors_text(one), f"±{math.expm1(one.noise.of_log):.0%}" if one.noise.of_log else "–"]
        for one in intervals
    )  # fmt: skip
    show("Latencies, with what the model got wrong before", columns, rows, RULE)


def _to(one: Interval) -> str:
    return "unknown" if math.isinf(one.high) else span(one.high)


def errors_text(one: Interval) -> str:
    """The signed errors of a step's percentile: each where they are few, else the two ends."""
    errors = sorted(one.errors)
    if len(errors) > 3:
        return f"{signed(errors[0])} to {signed(errors[-1])} ({len(errors)} levels)"
    return ", ".join(map(signed, errors)) or "never compared"


def trust_lines(trust: Trust, verdicts: Sequence[Verdict] = ()) -> Iterator[str]:
    """On what it rests, how far that reaches, whether it is extrapolated and why."""
    agreement = trust.agreement
    if agreement is None:
        yield f"How far to trust it: {NEVER}."
        return
    saturation = "saturation was not measured"
    if math.isfinite(agreement.saturation_error):
        saturation = f"saturation was off by {agreement.saturation_error:+.1%}"
    yield f"Rests on {basis_text(agreement.basis)}; {saturation}."
    if trust.checked:
        said = (f"{name} {low:.0%} to {high:.0%}" for name, (low, high) in trust.checked.items())
        yield f"Checked while busy: {', '.join(said)}."
    if trust.extrapolated:
        yield "Extrapolated:"
        yield from (f"  {sentence}" for sentence in reasons(trust.beyond))
    else:
        yield "Not extrapolated: everything that it needs was there when it was checked."
    yield from limits_inside(trust, verdicts)


def reasons(beyond: Sequence[Beyond]) -> list[str]:
    """Why, in sentences; names of the same reason together."""
    names: dict[str, list[str]] = {}
    for one in beyond:
        why = one.sentence.removeprefix(f"{one.name}:") if one.kind == "step" else one.sentence
        names.setdefault(why, []).append(one.name if one.kind == "step" else "")
    return [f"{', '.join(held)}:{why}".strip(": ") for why, held in names.items()]


def basis_text(basis: Basis) -> str:
    """Which check, when, and where."""
    which = f"the check {basis.record}" if basis.record else "a check"
    when = "at a time that was not noted"
    if basis.began_unix:
        at = datetime.fromtimestamp(basis.began_unix, UTC)
        when = f"of {at:%Y-%m-%d %H:%M} UTC"
    return f"{which} {when}, on {machine_text(basis.machine)}" + (
        f", commit {basis.commit}" if basis.commit else ""
    )


def machine_text(machine: Any) -> str:
    """A machine as a manifest has it, in a few words."""
    if not machine:
        return "a machine that was not noted"
    return f"{machine.get('processor', 'a machine')}, {machine.get('cores', '?')} cores"


def limits_inside(trust: Trust, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Objectives whose limit lies inside the interval: the verdict may come out the other way."""
    for verdict in verdicts:
        found = _interval_for(trust, verdict.objective)
        if found and found.low < verdict.objective.limit < found.high:
            yield (
                f"  {verdict.objective.text}: {verdict.answer.value}, but the limit lies inside "
                f"the interval, {span(found.low)} to {_to(found)}."
            )


def _interval_for(trust: Trust, objective: Objective) -> Interval | None:
    if objective.kind != "latency":
        return None
    return trust.interval(objective.subject, f"p{objective.quantile * 100:g}_s")


def widened_text(trust: Trust, words: str, low: float, high: float, unit: str = "") -> str:
    """A rate or capacity with the model's error: ``words`` between … and …; why where it can't."""
    least, most = trust.widened(low, high)
    if math.isfinite(most) and least > 0:
        middle = f"between {three_digits(least)} and {three_digits(most)}{unit}"
        return f"{words} {middle} ({CONFIDENCE:.0%}, one measured saturation)."
    why = NEVER if trust.agreement is None else "saturation was not measured when it was checked"
    return f"{words} nobody knows where: {why}."
