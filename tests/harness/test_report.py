"""The report: the verdict first, every planted condition visible, nothing loaded from anywhere."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from harness import cli
from harness.report import write_report
from harness.report.stations import Gauges
from tests.harness.report_runs import Story, Words, words_of, write_demo, write_run
from workload.errors import RecordError
from workload.manifest import read_manifest
from workload.telemetry import TelemetryWriter, read_telemetry

ANSWER = {
    "type": "object",
    "required": ["schema", "report", "verdict", "runs", "missing"],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": "surge/report/1"},
        "report": {"type": "string"},
        "verdict": {
            "type": "object",
            "required": ["tone", "stamp", "sentence"],
            "properties": {"tone": {"enum": ["good", "bad", "unsure", "void"]}},
        },
        "runs": {"type": "array", "items": {"type": "object", "required": ["name", "status"]}},
        "missing": {"type": "array", "items": {"type": "string"}},
    },
}
SECTIONS = (
    "verdict", "validity", "throughput", "latency", "stations", "agreement", "projection", "next",
    "environment", "limits",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `surge demo` leaves it, with its report."""
    return write_demo(tmp_path_factory.mktemp("runs") / "demo")


@pytest.fixture(scope="module")
def page(whole: Path) -> str:
    return (whole / "report.html").read_text()


@pytest.fixture(scope="module")
def words(page: str) -> Words:
    return Words(page)


def test_the_verdict_comes_first_and_every_section_follows_in_order(words: Words) -> None:
    """One sentence, then the objectives with value, limit and margin."""
    assert tuple(words.of)[1:] == SECTIONS
    assert re.search(
        r"Verdict: Not known.*The service met all 4 objectives at 10 visitors a second; projected "
        r"to 250,000 people it held in all 10 replications \(chance of collapse at most 31 %\)\.",
        words.of["verdict"],
    )
    assert re.search(
        r"95 % of visitors are through register within 250 ms p\(95\) register < 250ms "
        r"✓ met 9\.\d+ ms 250 ms \+96 %",
        words.of["verdict"],
    )


def test_the_page_is_one_file_that_names_no_place_but_the_target(page: str) -> None:
    """No address, script, style sheet, picture or font from outside; below 3 MB."""
    assert set(re.findall(r"https?://[^\s<\"']+", page)) == {"http://127.0.0.1:8000"}
    assert re.findall(r"<(?:script|link|img|iframe|object)\b[^>]*>", page) == [
        '<link rel="icon" href="data:,">'
    ]
    assert re.findall(r'\b(?:src|srcset|xlink:href|href)="(?![#]|data:)[^"]*"', page) == []
    assert not re.search(r"@import|url\((?!#)", page)
    assert "default-src 'none'" in page
    assert len(page) < 3_000_000


def test_the_same_runs_give_the_same_bytes(whole: Path, page: str, tmp_path: Path) -> None:
    """No clock and no chance in the page."""
    assert write_report([whole], tmp_path / "again.html").read_text() == page


def test_every_figure_is_written_with_few_digits(page: str) -> None:
    """No raw float stands anywhere in the text."""
    text = re.sub(r"<(style|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert re.findall(r">[^<]*\d\.\d{5,}[^<]*<", text) == []
    assert not re.search(r">[^<]*\b(?:nan|inf|None|e-\d+)\b[^<]*<", text)


def test_ids_are_unique_and_headings_go_down_step_by_step(page: str) -> None:
    """Several drawings in one page do not share an id."""
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    headings = Words(page).headings
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))


def test_every_drawing_says_in_words_what_it_shows(page: str) -> None:
    """A title and a description inside each, and the answer above it."""
    drawings = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
    assert len(drawings) >= 6
    for drawing in drawings:
        assert re.search(r"<figcaption>\S.*?</figcaption>", drawing)
        assert re.search(r'role="img" aria-labelledby="\S+ \S+"', drawing)
        assert re.search(r"<title [^>]+>\S.*?</title><desc [^>]+>\S.*?</desc>", drawing)


def test_a_missed_objective_is_the_verdict(tmp_path: Path) -> None:
    """With what was found, and by how much it misses."""
    words = words_of(write_run(tmp_path / "run", Story(slow_s=0.4)))
    assert (
        "Verdict: Objectives missed The service missed 1 of 4 objectives at 10 visitors a second: "
        "p95 of register was 411 ms, the limit is 250 ms." in words.of["verdict"]
    )
    assert re.search(r"✕ missed 411 ms 250 ms −6\d %", words.of["verdict"])


def test_a_step_that_failed_counts_as_never(tmp_path: Path) -> None:
    """A tenth of the registrations time out: p95 is infinite, and the first failure is named."""
    words = words_of(write_run(tmp_path / "run", Story(failing=10)))
    assert "more than 5 % of visitors never got through register" in words.of["verdict"]
    assert "The service fell behind: 97.9 %" in words.of["throughput"]
    assert re.search(r"register 7\.\d+ ms never never 200 200 180 0 20 0 read timeout 20",
                     words.of["latency"])  # fmt: skip
    assert "first read timeout at register (20 in all)" in words.of["next"]


def test_an_objective_with_too_few_visits_is_unknown(tmp_path: Path) -> None:
    """Ten visits have no p95; what to do about it is said."""
    words = words_of(write_run(tmp_path / "run", Story(visitors=10, lasted_s=5)))
    assert "Verdict: Not known" in words.of["verdict"]
    assert "10 visits; this percentile needs at least 20" in words.of["verdict"]
    assert "? unknown" in words.of["verdict"]
    assert "Drive longer or more load to judge “p(95) register < 250ms”" in words.of["next"]
    assert "too few" in words.of["latency"]


def test_an_invalid_run_says_so_before_all_else(tmp_path: Path) -> None:
    """Its latencies were fine, and nothing is judged by them."""
    reason = "schedule not kept: worker 0 sent 7.0% of its attempts more than 50 ms late"
    words = words_of(write_run(tmp_path / "run", Story(status="invalid", reasons=(reason,))))
    assert (
        "Verdict: Not valid This run is not valid and says nothing about the service "
        f"({reason})." in words.of["verdict"]
    )
    assert "✓ met" not in words.of["verdict"]
    assert words.of["verdict"].count("– not judged") == 4
    assert f"run is invalid. {reason}" in words.of["validity"]


def test_an_interrupted_run_says_so_before_all_else(tmp_path: Path) -> None:
    """With how far it came."""
    words = words_of(write_run(tmp_path / "run", Story(status="interrupted", lasted_s=12)))
    assert (
        "Verdict: Interrupted This run was interrupted after 12 s of 20 s, so its figures are a "
        "fragment." in words.of["verdict"]
    )
    assert "Run run again to its end" in words.of["next"]


def test_a_broken_law_makes_the_run_invalid(tmp_path: Path) -> None:
    """Also where the manifest says complete: the record decides."""
    words = words_of(write_run(tmp_path / "run", Story(planted_law=True)))
    assert "Verdict: Not valid" in words.of["verdict"]
    assert "a law is broken: time_runs_forward: 1 attempt started before" in words.of["verdict"]
    assert re.search(r"1 law of \d+ broken", words.of["validity"])


def test_one_invalid_run_of_several_is_named_in_the_verdict(tmp_path: Path) -> None:
    """The others are still judged."""
    write_run(tmp_path / "runs" / "low-1", Story(status="invalid", reasons=("worker lost",)))
    write_run(tmp_path / "runs" / "held-out-1", Story(began_unix=1_790_000_100.0))
    words = words_of(tmp_path / "runs")
    assert (
        "Verdict: Not valid 1 of 2 runs can't be used: low-1 is not valid and says nothing about "
        "the service (worker lost); the service met all 4 objectives" in words.of["verdict"]
    )


def test_a_probe_for_the_limit_may_overload_without_spoiling_the_verdict(tmp_path: Path) -> None:
    """`saturation-1` is meant to break; it is shown where it says what breaks first."""
    overload = Story(visitors=240, slow_s=3.0, failing=2, status="invalid", reasons=("late",))
    write_run(tmp_path / "runs" / "saturation-1", overload)
    write_run(tmp_path / "runs" / "held-out-1", Story(began_unix=1_790_000_100.0))
    words = words_of(tmp_path / "runs")
    assert "Verdict: Objectives met The service met all 4 objectives" in words.of["verdict"]
    assert "saturation-1 is invalid. late" in words.of["validity"]


def test_the_bottleneck_is_named_with_its_reason(tmp_path: Path) -> None:
    """A service whose core is busy 97 % of the time; the cure is among the next steps."""
    words = words_of(write_run(tmp_path / "run", Story(busy=0.97)))
    assert "is saturated at 10 visitors a second" in words.of["stations"]
    assert re.search(r"(97|100) % of 1 (loop|core)", words.of["stations"])
    assert re.search(r"The (event loop|system core) is saturated", words.of["next"])
    assert "full for the first time" in words.of["next"]


def test_no_station_is_busy_with_what_it_had_counted_before_the_run(tmp_path: Path) -> None:
    """Its process was first heard of when visitors had come for a second: 20 s of CPU are old."""
    name = "surge_database_cpu_seconds_total"
    with TelemetryWriter(tmp_path) as writer:
        for at_s, cpu_s in ((0.9, 20.0), (9.9, 24.5)):
            writer.add(round(at_s * 1e9), "worker", {name: cpu_s})
    used = Gauges(read_telemetry(tmp_path)).everywhere(np.array([0.0, 10.0]), name)
    assert used.tolist() == [20.0, 24.5]


def test_a_queue_that_outgrows_its_server_names_the_bottleneck(tmp_path: Path) -> None:
    """Whatever its utilisation was: a twin may refuse what the service would have sent."""
    words = words_of(write_run(tmp_path / "run", Story(queue_at_end=500)))
    assert "The registry client is the bottleneck" in words.of["stations"]
    assert "400 waited in the identity queue when arrivals ended" in words.of["stations"]
    assert "The identity queue reached 500 and still held 500 at the end" in words.of["stations"]
    assert "more servers would not help" in words.of["next"]


def test_no_bottleneck_is_made_up(tmp_path: Path) -> None:
    """At 35 % nothing holds anybody up; the busiest is named as that."""
    words = words_of(write_run(tmp_path / "run"))
    assert (
        "No station is a bottleneck at 10 visitors a second: system core is the busiest. 35 %"
        in (words.of["stations"])
    )


@pytest.mark.parametrize(
    ("lost", "section", "said"),
    [
        ("telemetry.arrows", "stations", "no telemetry.arrows with stations"),
        ("scenario.toml", "verdict", "objectives, because there is no scenario.toml"),
        ("history-0.arrows", "validity", "not checked: no history"),
    ],
)
def test_a_missing_part_is_named_as_missing(
    tmp_path: Path, lost: str, section: str, said: str
) -> None:
    """And the rest is still shown."""
    run = write_run(tmp_path / "run")
    (run / lost).unlink()
    words = words_of(run)
    assert said in words.of[section]
    assert f"run run lacks {lost.replace('-0', '-*')}" in words.of["validity"]
    assert "register" in words.of["latency"]


def test_a_simulated_run_keeps_the_verdicts_of_its_model(tmp_path: Path) -> None:
    """Only they know that a step was uncalibrated; what answered was no service."""
    run = write_run(tmp_path / "trace")
    manifest = replace(read_manifest(run), kind="simulated")
    manifest.write(run)
    summary = json.loads((run / "summary.json").read_text())
    why = "the step is uncalibrated"
    row = {"text": "p(95) register < 250ms", "verdict": "unknown", "value": None, "margin": None}
    (run / "summary.json").write_text(json.dumps({**summary, "objectives": [{**row, "why": why}]}))
    words = words_of(run)
    assert "1 of 1 objective can't be judged at 10 visitors a second" in words.of["verdict"]
    assert why in words.of["verdict"]
    assert "Simulated: trace" in words.of["verdict"]
    assert "The model of the service kept up" in words.of["throughput"]


def test_without_a_history_the_summary_of_the_run_is_shown(tmp_path: Path) -> None:
    """The same percentiles: a summary is the fold of its history."""
    run = write_run(tmp_path / "run")
    before = words_of(run).of["latency"]
    (run / "history-0.arrows").unlink()
    assert words_of(run).of["latency"] == before


def test_the_environment_is_told_once_where_runs_agree(words: Words) -> None:
    """Machine, versions, commit, seed, fingerprint, bending, capacity."""
    found = words.of["environment"]
    for figure in ("a processor", "locust 2.47.0", "0123456789ab", "workers 1, lanes 2, pool 8",
                   "0 s to 10 s 0 s to 20 s"):  # fmt: skip
        assert figure in found
    assert found.count("a processor") == 1


def test_the_command_prints_one_object_and_writes_into_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`surge report RUN --json`."""
    run = write_run(tmp_path / "run")
    assert cli.main(["report", str(run), "--json"]) == 0
    output = capsys.readouterr()
    answer = json.loads(output.out)
    jsonschema.validate(answer, ANSWER)
    assert answer["report"] == str(run / "report.html")
    assert (run / "report.html").is_file()
    assert answer["verdict"]["sentence"] in output.err
    assert answer["missing"] == ["model.json", "agreement.json", "projection.json", "plan.json"]


@pytest.mark.parametrize("given", ["nowhere", "empty", "notes.txt"])
def test_what_is_no_run_ends_with_one_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    """Exit 2, the path, and what to give instead."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    assert cli.main(["report", str(tmp_path / given)]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / given) in said
    assert "surge load" in said


def test_a_damaged_run_is_an_error_and_not_a_page(tmp_path: Path) -> None:
    """A history that was cut short in a run that calls itself complete."""
    run = write_run(tmp_path / "run")
    history = run / "history-0.arrows"
    history.write_bytes(history.read_bytes()[:-20])
    with pytest.raises(RecordError, match="history"):
        write_report([run], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
