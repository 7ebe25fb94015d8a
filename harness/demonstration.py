"""The demo: measure, learn, predict, check, project the nation's opening, report. All in one."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.agreement_tables import show_agreement
from harness.experiment import Findings, measured_part, own_settings, verify
from harness.experiment_design import QUICK, Design
from harness.projecting import Asked, judged, project_with_progress
from harness.projection_tables import projection_json, show_projection
from harness.report import write_report
from harness.tables import say, span
from harness.walk import Walk
from simulation.deployment import load_deployment
from simulation.projection import Projection, Question
from workload.manifest import Bending, write_json
from workload.objective import Verdict
from workload.scenario import load_scenario

SCENARIO = "prakerja-2020"
DEPLOYMENT = "national"


@dataclass(frozen=True)
class Demonstration:
    """What was found, and the report that shows it."""

    findings: Findings
    projection: Projection
    verdicts: tuple[Verdict, ...]
    report: Path
    wall_s: float


def demonstrate(
    directory: Path, opening_s: float, replications: int, design: Design = QUICK
) -> Demonstration:
    """Run the loop and write everything below ``directory``."""
    began = time.monotonic()
    scenario = measured_part(load_scenario(SCENARIO))
    findings = verify(scenario, directory, design, say, own_settings([]))
    show_agreement(findings.agreement)
    question = Question(
        scenario=scenario,
        model=findings.model,
        deployment=load_deployment(DEPLOYMENT),
        bending=Bending((0.0, opening_s)),
        replications=replications,
    )
    people = float(scenario.curve.expected(0.0, opening_s))
    say(
        "",
        f"projecting the first {span(opening_s)} of the opening, up to the identity check: "
        f"{people:,.0f} people, {replications} times, on the deployment `{DEPLOYMENT}`",
    )
    projection = project_with_progress(question)
    asked = Asked(question, Walk(scenario, question.bending), directory / "model.json")
    verdicts = tuple(judged(projection))
    found = {
        **projection_json(asked, projection, verdicts),
        "agreement": findings.agreement.to_json(),
    }
    write_json(directory / "projection.json", found)
    show_projection(asked, projection, verdicts)
    report = write_report([directory], directory / "report.html")
    wall_s = time.monotonic() - began
    events = sum(one.events for one in projection.replications)
    busy_s = sum(one.wall_s for one in projection.replications)
    say("", f"{events:,} simulated events at {events / busy_s:,.0f} a second and thread")
    say(f"the whole demo took {span(wall_s)}", f"report: {report}")
    return Demonstration(findings, projection, verdicts, report, wall_s)


def demo_json(shown: Demonstration) -> dict[str, Any]:
    """`surge/demo/1`."""
    return {
        "schema": "surge/demo/1",
        "directory": str(shown.findings.directory),
        "report": str(shown.report),
        "wall_s": shown.wall_s,
        "agreement": shown.findings.agreement.to_json(),
        "objectives": [verdict.to_json() for verdict in shown.verdicts],
    }
