"""A knee: for people in a few lines, for programs as `surge/knee/1`."""

import math
from dataclasses import asdict
from typing import Any

import psutil

from harness.knee import SCHEMA_NAME, Knee, find_knee
from harness.progress import progress
from harness.projecting import Asked, bytes_needed, fits_at_once, workers
from harness.tables import Column, say, share, show, three_digits
from harness.trust_tables import show_trust, widened_text
from harness.walk import MOST_PEOPLE, by_reading, named
from simulation.projection import Question
from simulation.screen import Clock
from simulation.trust import Trust, at_demand, trust_of

#: A search doubles the demand at most so often.
HIGHEST = 2.0**12


def knee_with_progress(question: Question, executor: str) -> Knee:
    """Bisect every seed; how many are done is shown."""
    at_once = min(fits_at_once(question), question.replications)
    people = question.bending.population or question.scenario.curve.population
    room = psutil.virtual_memory().available / bytes_needed(question) / (at_once + 1)
    highest = max(1.0, min(HIGHEST, MOST_PEOPLE / people, room))
    clock = Clock(math.inf)
    with (
        progress(f"looking for the knee of {question.scenario.name}") as report,
        workers(executor, question, question.replications, clock) as pool,
    ):
        return find_knee(question, highest, lambda done: report(done, ""), pool, clock)


def exit_code_of(found: Knee) -> int:
    """Whether the scenario's own demand lies below (0), above (1) or within (3) the interval."""
    if found.low >= 1:
        return 0
    return 1 if found.high < 1 else 3


def own_rate(asked: Asked) -> float:
    """The scenario's own visitors a second, over the window."""
    question = asked.question
    scenario, bending = question.scenario, question.bending
    if bending.population is not None:
        scenario = scenario.with_population(bending.population)
    people = float(scenario.curve.expected(*bending.window_s)) * bending.thin
    return people / question.window_length_s


def trust_of_knee(asked: Asked, found: Knee) -> Trust:
    """At the demand of the knee; of the scenario's own where the search met no end."""
    factor = found.median if 0 < found.median < math.inf else 1.0
    return trust_of(at_demand(asked.question, factor))


def knee_json(asked: Asked, found: Knee) -> dict[str, Any]:
    """`surge/knee/1`; null where the search met no end."""
    rate = own_rate(asked)
    trust = trust_of_knee(asked, found)
    low, high = trust.widened(found.low * rate, found.high * rate)

    def plain(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "schema": SCHEMA_NAME,
        "scenario": named(asked.question.scenario),
        "engine": asked.question.engine,
        "deployment": asked.question.deployment.to_json(),
        "bending": asdict(asked.question.bending),
        "model": str(asked.model_file),
        "offered_per_s": rate,
        "knee_per_s": plain(found.median * rate),
        "low_per_s": plain(found.low * rate),
        "high_per_s": plain(found.high * rate),
        "widened": {"low_per_s": plain(low), "high_per_s": plain(high)},
        "trust": trust.to_json(),
        "confidence": found.confidence,
        "limiting": list(found.limiting),
        "seeds": [
            {"seed": one.seed, "factor": plain(one.factor), "limiting": list(one.limiting)}
            for one in found.seeds
        ],
    }


def show_knee(asked: Asked, found: Knee) -> None:
    """One line a seed, and last the answer."""
    rate = own_rate(asked)
    columns = [Column("seed"), Column("visitors a second"), Column("of the scenario's demand"),
               Column("breaks first", figure=False)]  # fmt: skip
    rows = (
        [str(one.seed), _rate(one.factor * rate), _times(one.factor), "; ".join(one.limiting)]
        for one in found.seeds
    )
    read = by_reading(asked.question.scenario)
    caption = f"Visitors a second: {read}mean over the window. The shape of the curve stays."
    show("The knee, seed by seed", columns, rows, caption)
    say(
        "",
        f"Objectives are met up to {_rate(found.median * rate)} visitors a second "
        f"(between {_rate(found.low * rate)} and {_rate(found.high * rate)}, "
        f"{share(found.confidence)}); the scenario brings {_rate(rate)}.",
        f"Breaks first: {'; '.join(found.limiting) or 'nothing, as far as was looked'}.",
    )
    trust = trust_of_knee(asked, found)
    words = "The model's error widens that to"
    say(widened_text(trust, words, found.low * rate, found.high * rate, " visitors a second"))
    show_trust(trust)


def _rate(value: float) -> str:
    return three_digits(value) if math.isfinite(value) else "more than was tried"


def _times(factor: float) -> str:
    return f"×{three_digits(factor)}" if math.isfinite(factor) else "–"
