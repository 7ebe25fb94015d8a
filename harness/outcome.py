"""What a measured run came to: for people as tables, for programs as `surge/load/1`."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.text import Text

from harness.tables import Column, console, count, say, show, show_verdicts, span
from loadtests.rundir import CLOSED, FAILED, CampaignResult, cut_of
from workload.errors import RecordError
from workload.summary import StepSummary, Summary

SCHEMA_NAME = "surge/load/1"
FIGURES = ("visits", "accepted", "declined", "failed", "open", "attempts", "p50", "p95", "p99")


def load_json(result: CampaignResult) -> dict[str, Any]:
    """`surge/load/1`; the summary in it is `surge/summary/1`."""
    manifest = result.manifest
    return {
        "schema": SCHEMA_NAME,
        "run_dir": str(result.run_dir),
        "exit_code": result.exit_code,
        "status": manifest.status,
        "reasons": list(manifest.reasons),
        "scenario": {
            "name": manifest.scenario,
            "fingerprint": manifest.fingerprint,
            "reading": manifest.reading,
        },
        "seed": manifest.seed,
        "bending": asdict(manifest.bending),
        "wave": manifest.generator.get("wave"),
        "objectives": [verdict.to_json() for verdict in result.verdicts],
        "summary": result.summary.to_json(),
    }


def show_result(result: CampaignResult) -> None:
    """Steps and endings, the verdicts, and last whether the run counts at all."""
    show_steps(result.summary)
    endings = {name: number for name, number in result.summary.endings.items() if number}
    words = (f"{count(number)} {name.replace('_', ' ')}" for name, number in endings.items())
    shown = ", ".join(words)
    say("", f"{count(result.summary.visits)} visits: {shown or 'none'}")
    show_wave(result.manifest.generator.get("wave"))
    if cut := cut_of(result.manifest):
        say(f"{count(cut)} attempts were cut by the end of the record: nobody knows their answer")
    show_verdicts(result.verdicts)
    show_validity(result)


def show_wave(wave: Mapping[str, Any] | None) -> None:
    """What became of the wave that the scenario draws; one that failed is among the reasons."""
    if wave is None or wave["state"] == FAILED:
        return
    if wave["state"] == CLOSED:
        told = f"{count(wave['drawn'])} of {count(wave['joined'])} who joined were drawn"
        say(f"wave {wave['wave']} was closed {span(wave['asked_s'])} into the run: {told}")
    else:
        say(f"no wave was closed ({wave['state']}; it closes {span(wave['closes_s'])} into a run)")


def show_report(run_dir: Path) -> None:
    """Write the page about a run into its directory, and say where; of a damaged record say that.

    The run keeps its own exit code: what was measured does not depend on the page.
    """
    from harness.report import write_report

    try:
        say(f"report: {write_report([run_dir], run_dir / 'report.html')}")
    except RecordError as error:
        say(f"no report: {error}")


def show_steps(summary: Summary) -> None:
    """Funnel and latency of each step."""
    columns = [Column("step", figure=False), *(Column(name) for name in FIGURES)]
    caption = "Latency from the intended start to the answer, retries included."
    show("Steps", columns, map(_step_row, (*summary.steps, *summary.attack)), caption)


def _step_row(step: StepSummary) -> list[str | Text]:
    numbers = (step.visits, step.accepted, step.declined, step.failed, step.open, step.attempts)
    return [step.name, *map(count, numbers), *quantiles(step)]


def quantiles(step: StepSummary) -> Iterator[str]:
    for p in (0.50, 0.95, 0.99):
        yield span(step.latency.quantile(p))


def show_validity(result: CampaignResult) -> None:
    """Whether the run may be judged, and where its record is."""
    manifest = result.manifest
    style = "green" if manifest.status == "complete" else "red"
    line = Text.assemble("\nRun ", (manifest.status, style), f": {result.run_dir}")
    screen = console()
    screen.print(line, soft_wrap=True)
    for reason in manifest.reasons:
        say(f"  {reason}")
    if manifest.status == "invalid":
        say("  Whatever the latencies were, an invalid run shows nothing.")
