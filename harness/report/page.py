"""The page: everything that was found, put into the template and written as one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.report import (
    advice,
    assured,
    cliff,
    drained,
    environment,
    latency,
    limits,
    over_time,
    plots,
    projected,
    stations,
    trust,
    units,
    validity,
    verdict,
)
from harness.report.dossier import Dossier, RunRecord, read_dossier
from harness.report.plots import Plot
from harness.report.replicas import paid_sentence, replicas_plot
from workload.scenario import Reading

HERE: Final = Path(__file__).resolve().parent


@dataclass(frozen=True)
class RunSection:
    """What the page shows of one run."""

    record: RunRecord
    throughput: Plot | None
    latencies: list[latency.LatencyRow]
    attempts: list[latency.AttemptRow]
    percentiles: Plot | None
    bottleneck: stations.Bottleneck | None
    stations: list[stations.Station]
    queues: Plot | None


def write_report(paths: Sequence[Path], output: Path) -> Path:
    """Write the report of these run directories (or folders of them) to ``output``; its path.

    Raises RecordError for a path that is no run directory, and for a damaged file in one.
    """
    return write_page(read_dossier(paths), output)


def write_page(dossier: Dossier, output: Path) -> Path:
    """As `write_report`, of a dossier that was read already."""
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(f".{output.name}.part")
    beside.write_text(render(dossier), encoding="utf-8")
    beside.replace(output)
    return output


def render(dossier: Dossier) -> str:
    """The HTML: the same dossier gives the same bytes."""
    jinja = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters.update(
        count=units.count,
        digits=units.digits,
        rate=units.rate,
        seconds=units.seconds,
        share=units.share,
        signed=units.signed,
        visitors=units.visitors,
        words=units.words,
    )
    style = (HERE / "style.css").read_text(encoding="utf-8")
    page: str = jinja.get_template("template.html.j2").render(style=style, **context(dossier))
    return page


def context(dossier: Dossier) -> dict[str, Any]:
    """All that the template names."""
    judged = dossier.judged
    sections = [run_section(run, whole=run is judged) for run in dossier.runs]
    main = next((one for one in sections if one.record is judged), None)
    hardest = dossier.hardest
    return {
        "dossier": dossier,
        "title": _title(dossier),
        "question": judged.scenario.question if judged and judged.scenario else "",
        "banner": verdict.banner(dossier),
        "groups": verdict.groups(dossier),
        "validity": [validity.validity(run) for run in dossier.runs],
        "rule": validity.RULE,
        "main": main,
        "others": [one for one in sections if one is not main],
        "levels": _levels_plot(dossier),
        "trust": trust.trust_levels(dossier.agreement) if dossier.agreement else [],
        "trust_plot": trust.trust_plot(dossier.agreement) if dossier.agreement else None,
        "trust_title": trust.trust_title(dossier.agreement) if dossier.agreement else "",
        "trust_note": verdict.trust_note(dossier),
        "saturation": trust.saturation(dossier.agreement) if dossier.agreement else "",
        "projection": _projection(dossier),
        "projection_assured": assured.assured(dossier.projection),
        "plan_assured": assured.assured(dossier.plan),
        "breaks": advice.first_breaks(hardest) if hardest else [],
        "hardest": hardest,
        "next_steps": advice.next_steps(dossier),
        "facts": environment.facts(dossier),
        "model_facts": environment.model_facts(dossier),
        "limits": limits.limits(dossier),
    }


def _title(dossier: Dossier) -> str:
    if dossier.judged:
        return dossier.judged.manifest.scenario
    if dossier.projection:
        return str(dossier.projection["scenario"]["name"])
    return "no run"


def run_section(run: RunRecord, *, whole: bool) -> RunSection:
    """Fold one run for the page; what is shown of the judged run alone only if ``whole``."""
    known = stations.stations_of(run)
    at, queues = stations.queue_depths(run)
    depths = None
    if queues:
        name = f"{latency.slug(run.name)}-queues"
        depths = plots.depths(name, advice.queue_title(run), at, queues, run.arrivals_s)
    return RunSection(
        record=run,
        throughput=latency.throughput_plot(run),
        latencies=latency.latency_rows(run.summary) if run.summary else [],
        attempts=latency.attempt_rows(run.summary) if run.summary else [],
        percentiles=latency.percentile_plot(run) if whole else None,
        stations=known,
        bottleneck=stations.bottleneck_of(known, run) if known else None,
        queues=depths,
    )


def _levels_plot(dossier: Dossier) -> Plot | None:
    """Answered against offered over all runs; None for a single one."""
    points = []
    for run in dossier.runs:
        flow = latency.throughput(run)
        if flow:
            points.append((run.name, flow.offered_per_s, flow.achieved_per_s))
    if len(points) < 2:
        return None
    name, offered, achieved = max(points, key=lambda point: point[1])
    title = (
        f"At the highest load, {name}, {units.digits(achieved)} of {units.digits(offered)} steps "
        "a second were answered while visitors came"
    )
    return plots.levels("levels", title, points)


@dataclass(frozen=True)
class ProjectionSection:
    """A projection as the page shows it; ``reading`` where the scenario has readings."""

    raw: dict[str, Any]
    sentence: str
    two_peaked: bool
    plot: Plot
    drained: list[tuple[Plot, list[str]]]
    replicas: Plot | None
    paid: str
    checkpoints: list[projected.CheckpointRow]
    steps: list[projected.StepRow]
    stations: list[projected.StationRow]
    uncalibrated: list[str]
    reading: Reading | None
    reading_name: str
    bent: bool
    course: list[Plot]
    band_note: str
    cliff: Plot | None
    cliff_note: str


def _projection(dossier: Dossier) -> ProjectionSection | None:
    raw = dossier.projection
    if raw is None:
        return None
    scenario = dossier.objectives_scenario
    chance, replications = raw["collapse"], int(raw["replications"])
    sentence = projected.collapse_sentence(raw)
    wanted = scenario.objectives if scenario else ()
    limit = next((one.limit for one in wanted if one.kind == "collapse"), None)
    middle = int(chance["count"]) / replications if replications else 0.0
    name = str(raw["scenario"].get("reading") or "")
    return ProjectionSection(
        raw=dict(raw),
        sentence=sentence,
        two_peaked=projected.two_peaked(raw),
        plot=plots.collapse(
            "collapse", sentence, (middle, float(chance["low"]), float(chance["high"])), limit
        ),
        drained=drained.plots(raw),
        replicas=replicas_plot(raw),
        paid=paid_sentence(raw),
        checkpoints=projected.checkpoints(raw, scenario),
        steps=projected.steps(raw),
        stations=projected.stations(raw),
        uncalibrated=list(raw.get("uncalibrated", ())),
        reading=scenario.readings.get(name) if scenario else None,
        reading_name=name,
        bent=projected.is_bent(raw, scenario),
        course=over_time.over_time_plots(raw),
        cliff=cliff.cliff_plot(raw.get("cliff")),
        cliff_note=cliff.NOTE,
        band_note=over_time.band_note(raw["over_time"]) if raw.get("over_time") else "",
    )
