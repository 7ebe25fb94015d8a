"""`surge smoke`: what fails the gate, what only warns, and the files that CI picks up."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness.audit import Audit, Finding
from harness.comparison import Change, Comparison
from harness.gate import Gate, smoke_json
from harness.smoke import Check, checks_of, exit_code_of, junit, markdown
from loadtests.rundir import CampaignResult
from tests.loadtests.drive import on_schedule
from workload.history import History, Observation
from workload.manifest import Bending, Manifest
from workload.objective import Verdict, judge, parse_objective
from workload.summary import Summary, summarize
from workload.visit import Ending, Outcome

Verb = Callable[..., Any]
MANIFEST = Manifest("measured", "planted", "a" * 12, 3, Bending((0.0, 60.0)), lasted_s=60.0)
SOUND = Audit(40, 40, (), (), ())


def summary_of(outcomes: Mapping[int, tuple[Outcome, ...]], took_s: float = 0.01) -> Summary:
    """40 visits to register, accepted at once but for those that are given."""
    rows = []
    for visitor in range(40):
        tries = outcomes.get(visitor, (Outcome.ACCEPTED,))
        for number, outcome in enumerate(tries, 1):
            at = (visitor * 10 + number) * 10**9
            end = Ending.OPEN
            if number == len(tries):
                end = Ending.FINISHED if outcome is Outcome.ACCEPTED else Ending.GAVE_UP
            rows.append(
                Observation(
                    visitor, 0, number, at, at, at, at + round(took_s * 1e9), outcome, 0, end
                )
            )
    return summarize(History.of(("register",), rows), 60.0)


class Facts:
    """The facts of a summary; a fake of few lines."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary

    def latency(self, step: str) -> Any:
        found = self.summary.step(step)
        return found.latency if found else None

    def success(self, step: str) -> float:
        found = self.summary.step(step)
        return found.success if found else float("nan")

    def backlog(self, queue: str) -> float:
        return float("nan")

    def collapse(self) -> tuple[float, float]:
        return float("nan"), float("nan")


def result(
    outcomes: Mapping[int, tuple[Outcome, ...]] | None = None,
    took_s: float = 0.01,
    **changes: Any,
) -> CampaignResult:
    """A run that was judged by a latency and a success objective."""
    summary = summary_of(outcomes or {}, took_s)
    objectives = map(parse_objective, ("p(95) register < 250ms", "success register > 99.5%"))
    verdicts: tuple[Verdict, ...] = tuple(judge(one, Facts(summary)) for one in objectives)
    return CampaignResult(Path("run"), replace(MANIFEST, **changes), summary, verdicts)


def verdicts(checks: tuple[Check, ...]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


def compared(verdict: str) -> Comparison:
    row = Change("register", "p95_s", 0.01, 0.1, 9.0, 8.0, 10.0, verdict)
    return Comparison(Path("main"), Path("run"), (row,), ())


def test_a_sound_run_passes_every_check() -> None:
    """Exit 0."""
    checks = checks_of(result(), SOUND, compared("same"))
    assert set(verdicts(checks).values()) == {"passed"}
    assert exit_code_of(checks) == 0


def test_latency_only_warns() -> None:
    """A CI machine is anybody's machine."""
    checks = checks_of(result(took_s=3.0), SOUND, None)
    assert verdicts(checks)["p(95) register < 250ms"] == "warned"
    assert exit_code_of(checks) == 0


@pytest.mark.parametrize(
    "outcomes",
    [
        {3: (Outcome.REFUSED,)},
        {3: (Outcome.FAULT, Outcome.ACCEPTED)},
        {3: (Outcome.RESET, Outcome.ACCEPTED)},
        {3: (Outcome.READ_TIMEOUT, Outcome.READ_TIMEOUT)},
    ],
)
def test_errors_fail_it(outcomes: dict[int, tuple[Outcome, ...]]) -> None:
    """Refused, broken, cut off, never served: even one in forty, even when a retry got through."""
    checks = checks_of(result(outcomes), SOUND, None)
    assert verdicts(checks)["errors of register"] == "failed"
    assert exit_code_of(checks) == 1


def test_a_timeout_that_a_retry_healed_warns() -> None:
    """Slow is not broken."""
    checks = checks_of(result({3: (Outcome.READ_TIMEOUT, Outcome.ACCEPTED)}), SOUND, None)
    assert verdicts(checks)["errors of register"] == "warned"
    assert exit_code_of(checks) == 0


def test_an_invalid_run_outweighs_everything() -> None:
    """Exit 3, whatever else was found."""
    late = result({3: (Outcome.REFUSED,)}, status="invalid", reasons=("schedule not kept",))
    checks = checks_of(late, SOUND, None)
    assert exit_code_of(checks) == 3
    assert "schedule not kept" in checks[0].text


def test_an_audit_that_does_not_reconcile_fails_it_and_a_missing_one_warns() -> None:
    """A lost write is an error even when every client was content."""
    lost = replace(SOUND, findings=(Finding("lost write", "it is not there", ("visitor 3",)),))
    assert exit_code_of(checks_of(result(), lost, None)) == 1
    without = checks_of(result(), "it holds no ledger", None)
    assert verdicts(without)["audit"] == "warned"
    assert exit_code_of(without) == 0


def test_a_regression_is_an_answer_of_its_own() -> None:
    """Exit 4, unless something is broken besides."""
    assert exit_code_of(checks_of(result(), SOUND, compared("worse"))) == 4
    broken = result({3: (Outcome.REFUSED,)})
    assert exit_code_of(checks_of(broken, SOUND, compared("worse"))) == 1


def test_ci_reads_one_case_a_check() -> None:
    """Failures and errors are counted; a warning is a case that passed and says so."""
    late = result({3: (Outcome.REFUSED,)}, took_s=3.0, status="invalid", reasons=("late",))
    checks = checks_of(late, SOUND, None)
    suite = ET.fromstring(junit(checks, "planted", 41.5))  # noqa: S314 - our own
    assert [suite.get(name) for name in ("tests", "failures", "errors")] == ["5", "2", "1"]
    warned = next(case for case in suite if case.get("name") == "p(95) register < 250ms")
    assert "warned" in (warned.findtext("system-out") or "")


def test_programs_get_every_check_as_documented(json_faults: Callable[[Any], list[str]]) -> None:
    """`surge/smoke/1`; an interrupted run exits 130 whatever the checks are."""
    checks = checks_of(result({3: (Outcome.REFUSED,)}), SOUND, None)
    gate = Gate(result(), checks, {"junit": Path("junit.xml")}, 41.5)
    assert json_faults(smoke_json(gate)) == []
    assert gate.exit_code == 1
    assert replace(gate, result=result(status="interrupted")).exit_code == 130


def test_a_pull_request_shows_verdict_checks_and_steps() -> None:
    """Markdown; a bar within a finding does not break the table."""
    checks = (Check("errors", "failed", "a | b\nc"),)
    text = markdown(checks, result(), 41.5)
    assert text.startswith("## Smoke failed\n")
    assert "| ❌ | errors | a \\| b c |" in text
    assert "| register | 40 | 0 |" in text


def test_a_baseline_that_is_no_run_or_another_experiment_is_told_before_the_start(
    verb: Verb, tmp_path: Path
) -> None:
    """Exit 2; nothing was started."""
    assert verb("smoke", "--baseline", str(tmp_path)).code == 2
    MANIFEST.write(tmp_path)
    answer = verb("smoke", "--baseline", str(tmp_path), "--run-dir", str(tmp_path / "run"))
    assert answer.code == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_real_gate_takes_at_most_a_minute_and_leaves_what_ci_needs(
    verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole system, the whole journey; a second look at the same run is no regression."""
    shown = tmp_path / "step-summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(shown))

    def passed(folder: Path) -> Any:
        shown.unlink(missing_ok=True)
        return folder / "run", verb("smoke", "--run-dir", str(folder / "run"), "--json")

    run, answer = on_schedule(tmp_path, passed)
    assert answer.code == 0, answer.told
    assert answer.found["wall_s"] <= 60
    verdicts = {check["name"]: check["verdict"] for check in answer.found["checks"]}
    assert verdicts["validity"] == verdicts["audit"] == "passed"
    assert {path.name for path in run.iterdir()} >= {"junit.xml", "summary.md", "report.html"}
    assert shown.read_text() == (run / "summary.md").read_text()
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    assert verb("compare", str(run), str(copy)).code == 0
    manifest = json.loads((copy / "manifest.json").read_text())
    assert manifest["scenario"] == "smoke"
