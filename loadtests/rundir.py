"""The run directory: what a finished run leaves behind, self-contained and movable.

manifest.json · scenario.toml · history-*.arrows · summary.json · junit.xml · telemetry.arrows ·
ledger.ndjson · generator.json · logs/
"""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import tomli_w

from workload.errors import Fault, InputError, InvalidRunError, RecordError
from workload.facts import MeasuredFacts
from workload.history import History, read_history
from workload.laws import broken
from workload.manifest import Manifest, read_json, write_json
from workload.objective import Answer, Verdict, judge
from workload.scenario import Scenario
from workload.summary import Summary, summarize
from workload.telemetry import FILE_NAME, Telemetry, read_telemetry

#: How the generator says that it ended, and how far it is.
RESULT: Final = "generator.json"
PROGRESS: Final = "progress.json"
SCHEMA_NAME: Final = "surge/generator/1"
LEDGER: Final = "ledger.ndjson"
LEDGER_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class CampaignResult:
    """What a run came to. ``verdicts``: one an objective, judged only by a valid run."""

    run_dir: Path
    manifest: Manifest
    summary: Summary
    verdicts: tuple[Verdict, ...]

    @property
    def exit_code(self) -> int:
        """130 interrupted, 3 invalid, 1 an objective missed, 3 one unknown, 0 all met.

        An objective that only a projection can answer (a probability) does not count.
        """
        if self.manifest.status != "complete":
            return {"interrupted": 130}.get(self.manifest.status, 3)
        answers = {v.answer for v in self.verdicts if is_measurable(v)}
        if Answer.MISSED in answers:
            return 1
        return 3 if Answer.UNKNOWN in answers else 0


def is_measurable(verdict: Verdict) -> bool:
    """Whether one run can answer this objective; a probability of collapse it can't."""
    return verdict.objective.kind != "collapse"


def make_run_dir(path: Path) -> None:
    """The directory with its logs/; InputError when it already holds a run."""
    if any(path.glob("history-*")) or (path / "manifest.json").exists():
        remedy = "a run is already there: give another directory"
        raise InputError("run directory", [Fault("run-dir", str(path), remedy)])
    try:
        (path / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"can't be made: {error.strerror}"
        raise InputError("run directory", [Fault("run-dir", str(path), remedy)]) from error


def read_generator(run_dir: Path) -> dict[str, Any]:
    """How the generator says it ended; a status of invalid when it left no word."""
    try:
        return read_json(run_dir / RESULT, SCHEMA_NAME)
    except RecordError:
        why = "the generator ended before it could report; see logs/"
        return {"status": "invalid", "reasons": [why], "began_unix": 0.0, "lasted_s": 0.0}


def read_rows(run_dir: Path, generator: Mapping[str, Any]) -> History:
    """The history; of a run that ended early up to its last whole batch.

    Raises InvalidRunError, with the generator's own reasons, when not even a beginning is there.
    """
    try:
        return read_history(run_dir, cut_short_is_fine=generator["status"] != "complete")
    except RecordError as error:
        why = "; ".join(generator["reasons"])
        raise InvalidRunError(f"{why}\n{error}" if why else str(error)) from error


def conclude(
    run_dir: Path, manifest: Manifest, scenario: Scenario, history: History
) -> CampaignResult:
    """Fold, judge and write what is left to write.

    A history that breaks a law makes the run invalid, and the reason names the law.
    """
    laws = broken(history)
    if laws:
        reasons = (*manifest.reasons, *(f"a law is broken: {finding}" for finding in laws))
        status = "invalid" if manifest.status == "complete" else manifest.status
        manifest = replace(manifest, status=status, reasons=reasons)
    duration_s = max(manifest.lasted_s, 1e-9)
    summary = summarize(history, duration_s, scenario.checkpoints_h)
    facts = MeasuredFacts(summary, _telemetry(run_dir))
    verdicts = tuple(judge(objective, facts) for objective in scenario.objectives)
    manifest.write(run_dir)
    toml = tomli_w.dumps(scenario.table, multiline_strings=True)
    (run_dir / "scenario.toml").write_text(toml, encoding="utf-8")
    judged = {"objectives": [verdict.to_json() for verdict in verdicts]}
    write_json(run_dir / "summary.json", {**summary.to_json(), **judged})
    (run_dir / "junit.xml").write_bytes(junit(manifest, verdicts))
    (run_dir / PROGRESS).unlink(missing_ok=True)
    return CampaignResult(run_dir, manifest, summary, verdicts)


def _telemetry(run_dir: Path) -> Telemetry | None:
    return read_telemetry(run_dir) if (run_dir / FILE_NAME).exists() else None


def junit(manifest: Manifest, verdicts: tuple[Verdict, ...]) -> bytes:
    """One case an objective, as CI servers read it.

    Missed is a failure. Unknown is an error, because a skipped case looks green and nothing was
    shown; so is every objective of a run that is not valid. What only a projection can answer is
    skipped.
    """
    suite = ET.Element("testsuite", name=f"surge {manifest.scenario}")
    counts = dict.fromkeys(("failure", "error", "skipped"), 0)
    for verdict in verdicts:
        case = ET.SubElement(
            suite, "testcase", classname=manifest.scenario, name=verdict.objective.text
        )
        kind, message = _case(manifest, verdict)
        if kind:
            counts[kind] += 1
            ET.SubElement(case, kind, message=message)
    suite.set("tests", str(len(verdicts)))
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(counts[kind]))
    suite.set("time", f"{manifest.lasted_s:.3f}")
    encoded: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return encoded


def _case(manifest: Manifest, verdict: Verdict) -> tuple[str, str]:
    if manifest.status != "complete":
        return "error", f"run {manifest.status}: {'; '.join(manifest.reasons)}"
    if not is_measurable(verdict):
        return "skipped", "one run has no probability: ask surge simulate"
    if verdict.answer is Answer.UNKNOWN:
        return "error", f"unknown: {verdict.why}"
    if verdict.answer is Answer.MISSED:
        return "failure", f"measured {verdict.value:g}, margin {verdict.margin:+.1%}"
    return "", ""


def export_ledger(target: str, token: str, run_dir: Path) -> str:
    """Every row of the service into ``ledger.ndjson``; '' or why there is none."""
    url = f"{target.rstrip('/')}/ledger"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - the scheme was checked
    beside = run_dir / f".{LEDGER}"
    try:
        with (
            urllib.request.urlopen(request, timeout=LEDGER_TIMEOUT_S) as answer,  # noqa: S310
            beside.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        return f"{url}: {error}"
    beside.replace(run_dir / LEDGER)
    return ""
