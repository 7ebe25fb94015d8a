"""The smoke gate: from a run to checks, and from checks to an exit code and the files CI reads.

Validity, errors and the audit fail it; latency warns, because a CI machine is anybody's machine;
a regression against a baseline is an answer of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from harness.audit import Audit
from harness.comparison import Comparison
from harness.tables import count, share, span
from loadtests.rundir import CampaignResult
from workload.objective import Answer, Verdict
from workload.summary import Summary

SCHEMA_NAME = "surge/smoke/1"
PASSED, WARNED, FAILED = "passed", "warned", "failed"
#: A retry may heal these on a slow machine; the others mean that something is broken.
HEALED = ("read_timeout", "overloaded")
GOOD = ("accepted", "pending", "declined")
WORDS = {
    0: "passed",
    1: "failed",
    3: "shows nothing: the run is invalid",
    4: "found a regression",
    130: "was interrupted",
}
SYMBOLS = {PASSED: "✅", WARNED: "⚠️", FAILED: "❌"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. ``code``: what a failure of it exits with."""

    name: str
    verdict: str
    text: str
    code: int = 1


def checks_of(
    result: CampaignResult, audited: Audit | str, compared: Comparison | None
) -> tuple[Check, ...]:
    """Everything that smoke looks at. ``audited``: the audit, or why there is none."""
    return (
        _validity(result),
        *_errors(result.summary),
        *(_objective(verdict) for verdict in result.verdicts),
        _audit(audited),
        *([_regression(compared)] if compared else []),
    )


def exit_code_of(checks: Sequence[Check]) -> int:
    """The failed check that weighs most: invalid (3), broken (1), regression (4)."""
    failed = {check.code for check in checks if check.verdict == FAILED}
    return next((code for code in (3, 1, 4) if code in failed), 0)


def _validity(result: CampaignResult) -> Check:
    manifest = result.manifest
    if manifest.status == "complete":
        return Check("validity", PASSED, "the schedule was kept, and the record breaks no law")
    why = "; ".join(manifest.reasons) or "no reason was given"
    return Check("validity", FAILED, f"{manifest.status}: {why}", code=3)


def _errors(summary: Summary) -> Iterator[Check]:
    """By step: who was not served, and attempts that only a retry healed."""
    for step in summary.steps:
        bad = {name: n for name, n in step.outcomes.items() if name not in GOOD}
        shown = ", ".join(f"{count(n)} {name.replace('_', ' ')}" for name, n in bad.items())
        name = f"errors of {step.name}"
        if step.failed or step.open or any(outcome not in HEALED for outcome in bad):
            text = f"{count(step.failed)} of {count(step.visits)} visits failed, "
            yield Check(name, FAILED, f"{text}{count(step.open)} got no end: {shown or 'waiting'}")
        elif bad:
            yield Check(name, WARNED, f"healed by retries: {shown}")
        else:
            yield Check(name, PASSED, f"all {count(step.visits)} visits were answered")


def _objective(verdict: Verdict) -> Check:
    objective = verdict.objective
    shown = share if objective.kind in ("success", "collapse") else span
    text = verdict.why or f"measured {shown(verdict.value)}"
    if verdict.answer is Answer.MET:
        return Check(objective.text, PASSED, text)
    firm = objective.kind == "success"
    return Check(objective.text, FAILED if firm else WARNED, f"{verdict.answer.value}: {text}")


def _audit(audited: Audit | str) -> Check:
    if isinstance(audited, str):
        return Check("audit", WARNED, audited)
    if audited.ok:
        text = f"{count(audited.rows_of_run)} rows, {count(len(audited.unseen))} not heard of"
        return Check("audit", PASSED, f"clients, server and ledger agree: {text}")
    found = "; ".join(f"{one.kind}: {one.text} ({len(one.who)})" for one in audited.findings)
    return Check("audit", FAILED, found)


def _regression(compared: Comparison) -> Check:
    rows = [row for row in compared.rows if row.verdict == "worse"]
    notes = "".join(f"; mind: {note}" for note in compared.notes)
    if not rows:
        return Check("regression", PASSED, f"none against {compared.before}{notes}", code=4)
    worse = ", ".join(f"{row.step} {row.metric.removesuffix('_s')}" for row in rows)
    return Check("regression", FAILED, f"worse than {compared.before}: {worse}{notes}", code=4)


def junit(checks: Sequence[Check], scenario: str, wall_s: float) -> bytes:
    """One case a check. A warning is a case that passed and says something."""
    suite = ET.Element("testsuite", name=f"surge smoke {scenario}")
    for check in checks:
        case = ET.SubElement(suite, "testcase", classname=f"smoke.{scenario}", name=check.name)
        if check.verdict == FAILED:
            ET.SubElement(case, "error" if check.code == 3 else "failure", message=check.text)
        else:
            said = f"{check.verdict}: {check.text}"
            ET.SubElement(case, "system-out").text = said
    failed = [check for check in checks if check.verdict == FAILED]
    invalid = sum(check.code == 3 for check in failed)
    suite.set("tests", str(len(checks)))
    suite.set("failures", str(len(failed) - invalid))
    suite.set("errors", str(invalid))
    suite.set("time", f"{wall_s:.3f}")
    encoded: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return encoded


def markdown(checks: Sequence[Check], result: CampaignResult, wall_s: float) -> str:
    """A summary that a pull request can show."""
    manifest = result.manifest
    code = exit_code_of(checks)
    told = (
        f"`{manifest.scenario}`, seed {manifest.seed}, {count(result.summary.visits)} visits in "
        f"{span(manifest.lasted_s)} ({span(wall_s)} in all), commit `{manifest.commit or '–'}`"
    )
    lines = [
        f"## Smoke {WORDS[code]}",
        "",
        told,
        "",
        "| | check | finding |",
        "|---|---|---|",
        *(f"| {SYMBOLS[one.verdict]} | {one.name} | {_cell(one.text)} |" for one in checks),
        "",
        "| step | visits | failed | p50 | p95 | p99 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for step in result.summary.steps:
        figures = " | ".join(span(step.latency.quantile(p)) for p in (0.50, 0.95, 0.99))
        lines.append(f"| {step.name} | {count(step.visits)} | {count(step.failed)} | {figures} |")
    lines += ["", "Latency from the intended start to the answer, retries included. It only warns."]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
