"""The run directory: what a campaign leaves is whole, says how it ended, and judges honestly."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness.report.dossier import read_run_record
from loadtests.junit import junit
from loadtests.orders import Orders
from loadtests.rundir import (
    RESULT,
    SCHEMA_NAME,
    CampaignResult,
    Circumstances,
    export_ledger,
    finish,
    make_run_dir,
)
from tests.loadtests.peers import Site
from workload.errors import InputError, InvalidRunError
from workload.history import History, Observation, write_history
from workload.manifest import Bending, read_manifest, write_json
from workload.objective import Answer, Verdict, parse_objective
from workload.scenario import load_scenario

S = 1_000_000_000
TABLE = {
    "schema": "surge/scenario/1",
    "name": "shop",
    "seed": 5,
    "objectives": ["p(50) open_site < 250ms", "success open_site > 99%", "p_collapse < 1%"],
    "arrivals": {"duration": "10s", "parts": [{"shape": "constant", "per_s": 1}]},
    "steps": [{"name": "open_site"}],
}
ORDERS = Orders(TABLE, "", Bending((0.0, 10.0)), "http://127.0.0.1:1", headers={"X-Key": "secret"})
SAID: dict[str, Any] = {
    "schema": SCHEMA_NAME, "status": "complete", "reasons": [], "began_unix": 1.5e9,
    "lasted_s": 10.5, "lag_p50_s": 0.0001, "lag_p99_s": 0.001, "workers": [],
}  # fmt: skip


def row(visitor: int, took_s: float = 0.1, **other: int) -> Observation:
    at = visitor * S
    made = Observation(visitor, 0, 1, at, at, at, at + round(took_s * S), 0, 200, 1)
    return replace(made, **other)


def finished(
    path: Path, rows: list[Observation], said: dict[str, Any] | None = None, **how: Any
) -> CampaignResult:
    make_run_dir(path)
    write_history(path, History.of(("open_site",), rows))
    write_json(path / RESULT, said or SAID)
    return finish(path, ORDERS, {"workers": 1}, Circumstances(1.5e9, {"processes": 2}, **how))


GOOD = [row(visitor) for visitor in range(8)]


def test_a_good_run_is_complete_and_its_directory_is_whole(tmp_path: Path) -> None:
    """Met objectives, exit 0; the scenario reads back with the same fingerprint."""
    result = finished(tmp_path / "run", GOOD)
    assert (result.manifest.status, result.exit_code) == ("complete", 0)
    assert [v.answer for v in result.verdicts] == [Answer.MET, Answer.MET, Answer.UNKNOWN]
    names = {path.name for path in result.run_dir.iterdir()}
    assert names == {
        "manifest.json", "scenario.toml", "history-0.arrows", "summary.json", "junit.xml", "logs",
        RESULT,
    }  # fmt: skip
    manifest = read_manifest(result.run_dir)
    assert manifest == result.manifest
    assert manifest.fingerprint == load_scenario(result.run_dir / "scenario.toml").fingerprint
    assert manifest.bending == ORDERS.bending
    summary = json.loads((result.run_dir / "summary.json").read_text())
    assert summary["schema"] == "surge/summary/1"
    assert [one["verdict"] for one in summary["objectives"]] == ["met", "met", "unknown"]


def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    """Of headers the names are kept, never the values."""
    result = finished(tmp_path / "run", GOOD)
    assert result.manifest.generator["headers"] == ["X-Key"]
    held = [path.read_bytes() for path in result.run_dir.rglob("*") if path.is_file()]
    assert not any(b"secret" in content for content in held)


def test_too_many_attempts_cut_by_the_end_leave_what_was_met_unknown(tmp_path: Path) -> None:
    """Whoever was cut waited longest. One in a hundred may be; the run itself stays complete."""
    few = finished(tmp_path / "few", [row(visitor) for visitor in range(99)], {**SAID, "cut": 1})
    assert [v.answer for v in few.verdicts[:2]] == [Answer.MET, Answer.MET]
    result = finished(tmp_path / "run", GOOD, {**SAID, "cut": 1})
    assert (result.manifest.status, result.exit_code) == ("complete", 3)
    assert [v.answer for v in result.verdicts[:2]] == [Answer.UNKNOWN, Answer.UNKNOWN]
    assert result.verdicts[0].why.startswith("1 of 9 attempts had no answer when the record ended")
    assert read_run_record(result.run_dir).verdicts == result.verdicts[:2]
    slow = [row(visitor, took_s=0.5) for visitor in range(8)]
    missed = finished(tmp_path / "missed", slow, {**SAID, "cut": 8})
    assert missed.verdicts[0].answer is Answer.MISSED


def test_a_missed_objective_exits_1(tmp_path: Path) -> None:
    """Half a second is more than 250 ms."""
    slow = [row(visitor, took_s=0.5) for visitor in range(8)]
    result = finished(tmp_path / "run", slow)
    assert (result.manifest.status, result.exit_code) == ("complete", 1)
    suite = ET.fromstring((result.run_dir / "junit.xml").read_bytes())  # noqa: S314 - our own
    assert suite.attrib["failures"] == "1"
    assert suite[0][0].tag == "failure"


def test_an_unknown_verdict_exits_3(tmp_path: Path) -> None:
    """Nobody was there to be measured."""
    result = finished(tmp_path / "run", [])
    assert (result.manifest.status, result.exit_code) == ("complete", 3)


def test_a_run_that_says_it_is_invalid_stays_so(tmp_path: Path) -> None:
    """Exit 3 whatever the latencies were."""
    said = {**SAID, "status": "invalid", "reasons": ["schedule not kept: worker 0 …"]}
    result = finished(tmp_path / "run", GOOD, said)
    assert result.exit_code == 3
    assert read_manifest(result.run_dir).reasons == ("schedule not kept: worker 0 …",)


@pytest.mark.parametrize(
    ("planted", "law"),
    [
        ({"started": 3 * S - 1}, "time_runs_forward"),
        ({"number": 2}, "attempts_are_counted_without_gaps"),
        ({"outcome": 2}, "an_ending_fits_its_outcome"),
    ],
)
def test_a_broken_law_makes_the_run_invalid_and_is_named(
    tmp_path: Path, planted: dict[str, int], law: str
) -> None:
    """A recorder that lies is worse than none."""
    rows = [*GOOD[:3], row(3, **planted), *GOOD[4:]]
    result = finished(tmp_path / "run", rows)
    assert (result.manifest.status, result.exit_code) == ("invalid", 3)
    assert any(f"a law is broken: {law}" in reason for reason in result.manifest.reasons)


def test_a_lost_process_makes_the_run_invalid(tmp_path: Path) -> None:
    """Even when the others did not notice."""
    result = finished(tmp_path / "run", GOOD, lost=("worker lost: process 1 ended with -9",))
    assert (result.manifest.status, result.exit_code) == ("invalid", 3)


def test_an_interrupted_run_is_marked_and_exits_130(tmp_path: Path) -> None:
    """What was recorded is kept and folded."""
    said = {**SAID, "status": "interrupted"}
    result = finished(tmp_path / "run", GOOD[:2], said, interrupted=True)
    assert (result.manifest.status, result.exit_code) == ("interrupted", 130)
    assert result.summary.visits == 2


def test_a_generator_that_left_no_word_makes_the_run_invalid(tmp_path: Path) -> None:
    """Interrupted, if a person killed it; what it had recorded is read up to the cut."""
    for name, how, status in (("a", False, "invalid"), ("b", True, "interrupted")):
        make_run_dir(tmp_path / name)
        path = write_history(tmp_path / name, History.of(("open_site",), GOOD))
        path.write_bytes(path.read_bytes()[:-8])
        ended = Circumstances(1.5e9, {}, interrupted=how)
        manifest = finish(tmp_path / name, ORDERS, {}, ended).manifest
        assert manifest.status == status
        assert "before it could report" in manifest.reasons[0]


def test_a_run_without_any_record_says_why(tmp_path: Path) -> None:
    """The generator's own reasons, not only that a file is missing."""
    make_run_dir(tmp_path / "run")
    write_json(tmp_path / "run" / RESULT, {**SAID, "status": "invalid", "reasons": ["no air"]})
    with pytest.raises(InvalidRunError, match="no air"):
        finish(tmp_path / "run", ORDERS, {}, Circumstances(1.5e9, {}))


def test_a_run_directory_is_never_used_twice(tmp_path: Path) -> None:
    """Nor is a file taken for one."""
    finished(tmp_path / "run", GOOD)
    with pytest.raises(InputError, match="a run is already there"):
        make_run_dir(tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be made"):
        make_run_dir(tmp_path / "file")


def test_junit_has_a_case_an_objective(tmp_path: Path) -> None:
    """Missed: failure. Unknown: error. A probability: skipped. Met: nothing."""
    manifest = finished(tmp_path / "run", GOOD).manifest
    objectives = [parse_objective(text) for text in TABLE["objectives"]]  # type: ignore[attr-defined]
    answers = [Answer.MISSED, Answer.UNKNOWN, Answer.UNKNOWN]
    verdicts = tuple(
        Verdict(objective, answer, 0.5, -0.1)
        for objective, answer in zip(objectives, answers, strict=True)
    )
    suite = ET.fromstring(junit(manifest, verdicts))  # noqa: S314 - our own
    assert [case[0].tag for case in suite] == ["failure", "error", "skipped"]
    assert [case.attrib["name"] for case in suite] == TABLE["objectives"]
    assert {n: suite.attrib[n] for n in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    invalid = ET.fromstring(junit(replace(manifest, status="invalid"), verdicts))  # noqa: S314
    assert {case[0].tag for case in invalid} == {"error"}


def test_the_ledger_is_taken_whole_or_not_at_all(tmp_path: Path, site: Site) -> None:
    """A service that has none is said, and leaves no half file."""
    assert export_ledger(site.url, "token", tmp_path) == ""
    assert (tmp_path / "ledger.ndjson").read_text() == ""
    (tmp_path / "ledger.ndjson").unlink()
    assert "/ledger" in export_ledger("http://127.0.0.1:1", "token", tmp_path)
    assert list(tmp_path.iterdir()) == []
