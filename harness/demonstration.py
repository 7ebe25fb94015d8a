"""The demo: measure, learn, predict, check, project the whole nation and its cliff, report."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from threading import get_ident
from typing import Any, Final

from harness.agreement_tables import show_agreement
from harness.experiment import Findings, measured_part, own_settings, verify
from harness.experiment_design import QUICK, Design
from harness.flow_cliff import flow_cliff_json, flow_cliff_with_progress, show_flow_cliff
from harness.progress import progress
from harness.projecting import Asked, judged, workers
from harness.projection_tables import projection_json, show_projection
from harness.report import write_report
from harness.tables import say, share, span
from harness.walk import Walk
from simulation.cliff import Axis
from simulation.cliff_flows import FlowCliff
from simulation.deployment import load_deployment
from simulation.executors import cores
from simulation.projection import Projection, Question, Replication, project
from simulation.screen import Clock
from workload.manifest import Bending, write_json
from workload.objective import Verdict
from workload.scenario import load_scenario

SCENARIO: Final = "prakerja-2020"
DEPLOYMENT: Final = "national"
#: The cliff: what the ministry's interface answers a second, and times as many people. Queued
#: checks wait for its quota alone: neither slots nor attempts of the 2020 interface move this edge.
OVER: Final = Axis("registry_quota_per_s", (6.0, 6.5, 7.0, 7.5, 8.0, 8.4, 9.0, 10.0, 12.0))
BESIDE: Final = Axis("demand", (0.75, 1.0, 1.25, 1.5))
#: Wall-clock seconds within which a further round of replications has to end, judged by the one
#: before it, and within which the two sides of the cliff have to.
NATION_S: Final = 100.0
SIDES_S: Final = 140.0
#: And the whole demo, but for the report, whatever measuring took.
WHOLE_S: Final = 285.0
#: Clean replications that show a probability of collapse below 1 % (one-sided 95 %).
SHOW_BELOW_1: Final = 299


@dataclass(frozen=True)
class Demonstration:
    """What was found, and the report that shows it. ``nation_s``: how long projecting it took."""

    findings: Findings
    projection: Projection
    verdicts: tuple[Verdict, ...]
    cliff: FlowCliff
    report: Path
    wall_s: float
    nation_s: float


def demonstrate(
    directory: Path, replications: int, until_s: float | None = None, design: Design = QUICK
) -> Demonstration:
    """Run the loop and write everything below ``directory``.

    ``until_s``: project that much of the wave; None: all of it.
    """
    began = time.monotonic()
    scenario = measured_part(load_scenario(SCENARIO))
    findings = verify(scenario, directory, design, say, own_settings([]))
    show_agreement(findings.agreement)
    question = Question(
        scenario=scenario,
        model=findings.model,
        deployment=load_deployment(DEPLOYMENT),
        bending=Bending((0.0, until_s or scenario.curve.duration_s)),
        replications=replications,
    )
    left_s = WHOLE_S - (time.monotonic() - began)
    projection, nation_s, round_s = nation(question, min(NATION_S, left_s))
    in_time = nation_s + round_s <= min(SIDES_S, left_s)
    cliff = flow_cliff_with_progress(question, OVER, BESIDE, projection, sides=in_time)
    asked = Asked(question, Walk(scenario, question.bending), directory / "model.json")
    verdicts = tuple(judged(projection))
    found = {
        **projection_json(asked, projection, verdicts),
        "agreement": findings.agreement.to_json(),
        "cliff": flow_cliff_json(cliff),
    }
    write_json(directory / "projection.json", found)
    show_projection(asked, projection, verdicts)
    say(rests_on(projection))
    show_flow_cliff(cliff)
    report = write_report([directory], directory / "report.html")
    wall_s = time.monotonic() - began
    events = sum(one.events for one in projection.replications)
    busy_s = sum(one.wall_s for one in projection.replications)
    say("", f"{events:,} simulated events at {events / busy_s:,.0f} a second and thread")
    say(f"the whole demo took {span(wall_s)}, {span(nation_s)} of it the nation's wave")
    say(f"report: {report}")
    return Demonstration(findings, projection, verdicts, cliff, report, wall_s, nation_s)


def nation(question: Question, within_s: float) -> tuple[Projection, float, float]:
    """As many replications as there is time for, a core each at a time; and how long they took and
    the last round of them, seconds.
    """
    scenario, (_, end_s) = question.scenario, question.bending.window_s
    people = float(scenario.curve.expected(0.0, end_s))
    part = "the whole wave" if end_s >= scenario.curve.duration_s else "the first part of the wave"
    say(
        "",
        f"projecting {part}, {span(end_s)}, up to the identity check: {people:,.0f} people, "
        f"{question.replications} times, on the deployment `{DEPLOYMENT}`",
    )
    runs: list[Replication] = []
    took_s = round_s = 0.0
    while len(runs) < question.replications and (not runs or took_s + round_s <= within_s):
        began = time.monotonic()
        wanted = min(cores(), question.replications - len(runs))
        seeded = scenario.with_seed(scenario.seed + len(runs))
        runs += _round(replace(question, scenario=seeded, replications=wanted))
        round_s = time.monotonic() - began
        took_s += round_s
    say(f"{len(runs)} full-size replications took {span(took_s)}")
    if len(runs) < question.replications:
        say(f"  {question.replications} were wanted: on this machine there is no time for more")
    return Projection(question, tuple(runs)), took_s, round_s


def _round(question: Question) -> tuple[Replication, ...]:
    """Replications side by side; how far they are is shown all the while."""
    shares: dict[int, float] = {}
    wanted, clock = question.replications, Clock(math.inf)
    with (
        progress(f"simulating {wanted} whole waves") as report,
        workers("threads", question, wanted, clock) as pool,
    ):

        def watch(share: float) -> None:
            clock.check()  # an interruption stops it
            shares[get_ident()] = share
            report(sum(shares.values()) / wanted, "")

        return project(question, None, pool, watch).replications


def rests_on(projection: Projection) -> str:
    """How little a verdict on collapse rests on, in a sentence."""
    runs, (_, high) = len(projection.replications), projection.collapse()
    said = f"The verdict on collapse rests on {runs} full-size replication{'s' if runs > 1 else ''}"
    if projection.collapses:
        return f"{said}, {projection.collapses} of which collapsed."
    return (
        f"{said}: none collapsed, which only shows a probability of at most {share(high)} (95 %); "
        f"{SHOW_BELOW_1} clean ones would show below 1 %."
    )


def demo_json(shown: Demonstration) -> dict[str, Any]:
    """`surge/demo/1`."""
    projection = shown.projection
    low, high = projection.collapse()
    return {
        "schema": "surge/demo/1",
        "directory": str(shown.findings.directory),
        "report": str(shown.report),
        "wall_s": shown.wall_s,
        "agreement": shown.findings.agreement.to_json(),
        "objectives": [verdict.to_json() for verdict in shown.verdicts],
        "nation": {
            "people": projection.to_json()["population"],
            "replications": len(projection.replications),
            "wall_s": shown.nation_s,
            "collapse": {"count": projection.collapses, "low": low, "high": high},
            "rests_on": rests_on(projection),
        },
        "cliff": flow_cliff_json(shown.cliff),
    }
