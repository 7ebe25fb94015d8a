"""A projection: for people as tables, for programs as `surge/projection/1`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from harness.from_state import show_lines
from harness.projecting import Asked
from harness.scaling_tables import show_scaling
from harness.tables import Column, count, say, share, show, show_verdicts, span
from harness.trust_tables import show_trust
from harness.walk import by_reading
from simulation.bounds import bounds_of
from simulation.projection import Projection
from simulation.trust import trust_of
from workload.objective import Verdict
from workload.scenario_parts import COUNTS, Reading

DAY_H = 24.0


def projection_json(
    asked: Asked, projection: Projection, verdicts: Sequence[Verdict]
) -> dict[str, Any]:
    """`surge/projection/1`, with how the scenario was bent and its objectives judged."""
    return {
        **projection.to_json(),
        "bending": asdict(asked.question.bending),
        "model": {
            "file": str(asked.model_file),
            "calibrated_on": asked.question.model.fitted.get("runs", []),
            "commit": asked.question.model.fitted.get("commit", ""),
        },
        "objectives": [verdict.to_json() for verdict in verdicts],
        "trust": trust_of(asked.question, projection.replications).to_json(),
    }


def show_projection(asked: Asked, projection: Projection, verdicts: Sequence[Verdict]) -> None:
    """Steps, stations, checkpoints, and last what matters: the verdicts and the collapse.

    From a state on, before all: when the lines are drained that people stood in.
    """
    found = projection.to_json()
    show_lines(found)
    show_steps(found)
    show_stations(found)
    show_scaling(found)
    show_checkpoints(asked, found)
    show_verdicts(verdicts)
    show_collapse(asked, found)
    show_unstable(asked)
    show_trust(trust_of(asked.question, projection.replications), verdicts)
    show_origin(asked, found)


def show_steps(found: dict[str, Any]) -> None:
    names = ("visits", "accepted", "declined", "gave_up", "attempts")
    columns = [Column("step", figure=False), *(Column(name.replace("_", " ")) for name in names),
               Column("p50"), Column("p95"), Column("p99")]  # fmt: skip
    caption = "Latency from the intended start to the answer, retries included."
    if found["two_peaked"]:
        caption = "No percentiles: some replications collapse and some do not; see below."
    elif found["replications"] > 1:
        caption += f" Counts are sums over {found['replications']} replications."
    peaks = found["two_peaked"]
    rows = (
        [name, *(count(row[key]) for key in names), *map(span, _percentiles(row, two_peaked=peaks))]
        for name, row in {**found["steps"], **found.get("attack", {})}.items()
    )
    show("Steps", columns, rows, caption)


def _percentiles(row: dict[str, Any], *, two_peaked: bool) -> Iterator[float | None]:
    """Null in JSON is infinity where more gave up than the percentile leaves out."""
    for p in (50, 95, 99):
        beyond = not two_peaked and row["gave_up"] > (1 - p / 100) * row["visits"]
        yield math.inf if row[f"p{p}_s"] is None and beyond else row[f"p{p}_s"]


def show_stations(found: dict[str, Any]) -> None:
    columns = [Column("station", figure=False), Column("utilisation"), Column("peak queue"),
               Column("mean wait"), Column("longest wait"), Column("empty at")]  # fmt: skip
    rows = (
        [name, share(row["utilisation"]), count(row["peak_queue"]), span(row["mean_wait_s"]),
         span(row["longest_wait_s"]), _hour(row["drained_at_h"])]
        for name, row in found["stations"].items()
    )  # fmt: skip
    show("Stations", columns, rows, f"busiest: {found['bottleneck']}")


def _hour(hours: float | None) -> str:
    return "not yet" if hours is None else f"{hours:.2f} h"


def show_checkpoints(asked: Asked, found: dict[str, Any]) -> None:
    """Cumulative counts beside the published ones, which are only comparable when unbent."""
    if not found["checkpoints"]:
        return
    scenario, bent = asked.question.scenario, asked.walk.is_bent
    present = [name for name in COUNTS if name in found["checkpoints"][0]]
    columns = [Column("hours"), *(Column(name.replace("_", " ")) for name in present)]
    reading = scenario.readings.get(scenario.reading)
    caption = ""
    if bent:
        caption = "This run is bent (window, thin, speed …): nothing published compares with it."
    elif reading:
        caption = in_brackets(reading, present)
    rows = (_checkpoint_row(row, present, bent=bent) for row in found["checkpoints"])
    show("Checkpoints", columns, rows, caption)


def in_brackets(reading: Reading, present: Sequence[str]) -> str:
    """What the published counts are, and which of them were put in or fitted."""
    told = (
        f"In brackets: published, by the reading `{reading.name}` ({reading.why}). Published "
        "ratios are inputs of this scenario (its drop-outs): meeting them is no agreement."
    )
    fitted = ", ".join(name.replace("_", " ") for name in present if name in reading.fitted)
    return f"{told} Nor is meeting what was *fitted*: {fitted}." if fitted else told


def _checkpoint_row(row: dict[str, Any], names: Sequence[str], *, bent: bool) -> list[str]:
    cells = [f"{row['hours']:g}"]
    for name in names:
        published = None if bent else row["published"].get(name)
        cells.append(count(row[name]) + (f" ({count(published)})" if published else ""))
    return cells


def show_collapse(asked: Asked, found: dict[str, Any]) -> None:
    """The probability that more than 5 % are lost; never a mean across both peaks."""
    collapse, runs = found["collapse"], found["replications"]
    say(
        "",
        f"Collapse (more than 5 % lost): {collapse['count']} of {runs} replications; probability "
        f"between {share(collapse['low'])} and {share(collapse['high'])} (95 %).",
    )
    if asked.question.horizon_s is not None:
        say("  Who was still inside at the horizon that you chose counts as lost.")
    if found["two_peaked"]:
        say("  The outcome has two peaks: no figure here is averaged across both.")
        show_modes(found)


def show_unstable(asked: Asked) -> None:
    """Stations that are offered more than they can do, by the bounds: which, and by how much.

    The call centre too, though it holds nobody up; and the rush after a draw beyond the record.
    """
    found = bounds_of(asked.question)
    for row in (*found.unstable, *(one for one in found.beside if one.is_unstable)):
        say(f"Unstable, by the bound: {row.sentence}.")
    if found.looks and not found.looks.recorded:
        say(f"Not simulated: {found.looks.sentence}.")


def show_modes(found: dict[str, Any]) -> None:
    """What the replications lose that collapse, and those that do not."""
    for name, words in (("collapsed", "that collapse"), ("clean", "that do not")):
        mode = found["modes"][name]
        lost = mode["lost"]
        say(
            f"  {mode['replications']} {words} lose {share(lost['least'])} to "
            f"{share(lost['most'])} of the people."
        )


def show_origin(asked: Asked, found: dict[str, Any]) -> None:
    """Where the answer comes from, so that a reader can doubt it."""
    say(*_origin(asked, found))


def _origin(asked: Asked, found: dict[str, Any]) -> Iterator[str]:
    question = asked.question
    yield (
        f"{count(found['population'])} people, {count(found['attempts'])} attempts in "
        f"{span(found['wall_s'])} of the {found['engine']} engine; seed {found['seed']}, "
        f"{by_reading(question.scenario)}deployment {question.deployment.name}, "
        f"model {asked.model_file}"
    )
    if found["uncalibrated"]:
        steps = ", ".join(found["uncalibrated"])
        yield f"uncalibrated (their objectives are unknown): {steps}"
    if not question.model.fitted.get("runs"):
        yield "the model names no run that it was calibrated on"
    yield f"history sha256 {found['history_sha256']}"
