"""Takes a run through the smoke gate: audit, comparison, and the files that CI picks up."""

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from rich.text import Text

from harness.audit import Audit, audit, read_evidence
from harness.comparison import (
    Comparison,
    Side,
    Tolerance,
    check_same_experiment,
    compare_runs,
    read_side,
)
from harness.report import write_report
from harness.smoke import (
    FAILED,
    PASSED,
    SCHEMA_NAME,
    WARNED,
    WORDS,
    Check,
    checks_of,
    exit_code_of,
    junit,
    markdown,
)
from harness.tables import Column, say, show, span
from loadtests.campaign import CampaignPlan
from loadtests.rundir import CampaignResult
from workload.errors import InvalidRunError

#: GitHub shows what is appended to the file that this names.
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
COLOURS = {PASSED: "green", WARNED: "yellow", FAILED: "red"}


@dataclass(frozen=True)
class Gate:
    """What smoke came to. ``files``: junit, summary and report, by name."""

    result: CampaignResult
    checks: tuple[Check, ...]
    files: dict[str, Path]
    wall_s: float

    @property
    def exit_code(self) -> int:
        if self.result.manifest.status == "interrupted":
            return 130
        return exit_code_of(self.checks)


def read_baseline(path: Path | None, plan: CampaignPlan) -> Side | None:
    """The baseline, before anything is started; InputError when it is another experiment."""
    if path is None:
        return None
    side = read_side(path)
    wanted = replace(side.manifest, fingerprint=plan.scenario.fingerprint, bending=plan.bending)
    check_same_experiment(side, replace(side, path=Path("this run"), manifest=wanted))
    return side


def pass_gate(result: CampaignResult, baseline: Side | None, *, own: bool, began: float) -> Gate:
    """Audit, compare and write. ``own``: the system was ours, so a missing ledger is a fault.

    ``began``: monotonic seconds at the start of it all.
    """
    complete = result.manifest.status == "complete"
    audited = _audited(result.run_dir, own=own)
    compared = _compared(baseline, result.run_dir) if baseline and complete else None
    checks = checks_of(result, audited, compared)
    directory = result.run_dir
    files = {
        "junit": directory / "junit.xml",
        "summary": directory / "summary.md",
        "report": write_report([directory], directory / "report.html"),
    }
    wall_s = monotonic() - began
    files["junit"].write_bytes(junit(checks, result.manifest.scenario, wall_s))
    text = markdown(checks, result, wall_s)
    files["summary"].write_text(text, encoding="utf-8")
    if os.environ.get(STEP_SUMMARY):
        with Path(os.environ[STEP_SUMMARY]).open("a", encoding="utf-8") as shown:
            shown.write(text)
    return Gate(result, checks, files, wall_s)


def _audited(directory: Path, *, own: bool) -> Audit | str:
    try:
        return audit(read_evidence(directory))
    except InvalidRunError as error:
        if own:
            raise
        return str(error)


def _compared(baseline: Side, directory: Path) -> Comparison:
    return compare_runs(baseline, read_side(directory), Tolerance())


def show_gate(gate: Gate) -> None:
    """Every check, and last the verdict."""
    columns = [
        Column("check", figure=False),
        Column("", figure=False),
        Column("finding", figure=False),
    ]
    rows: list[list[str | Text]] = [
        [check.name, Text(check.verdict, style=COLOURS[check.verdict]), check.text]
        for check in gate.checks
    ]
    show("Smoke", columns, rows)
    say("", f"Smoke {WORDS[gate.exit_code]}, {span(gate.wall_s)} in all.")
    say(*(f"  {name:<8} {path}" for name, path in gate.files.items()))


def smoke_json(gate: Gate) -> dict[str, Any]:
    """`surge/smoke/1`."""
    return {
        "schema": SCHEMA_NAME,
        "exit_code": gate.exit_code,
        "run_dir": str(gate.result.run_dir),
        "wall_s": gate.wall_s,
        "checks": [
            {key: value for key, value in asdict(check).items() if key != "code"}
            for check in gate.checks
        ],
        "objectives": [verdict.to_json() for verdict in gate.result.verdicts],
        "files": {name: str(path) for name, path in gate.files.items()},
    }
