"""`surge test`: two parts, whose files are told apart, and one exit code."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import CHECKOUT
from harness.verbs.test import follow_all, in_parts
from tests.parts import ALONE, COMPUTING, HERE, PARTS, part_of

FILES = sorted(HERE.rglob("test_*.py"))
#: Who says one of these starts something that lives on, or looks at the clock.
LIVES_OR_MEASURES = {
    "Popen", "sleep", "monotonic", "perf_counter", "database_url", "fresh_database_url", "real_run",
    "serve", "sync_playwright", "run_campaign", "Stack",
}  # fmt: skip


def named(text: str) -> set[str]:
    """Every name, attribute and argument of a source."""
    nodes = list(ast.walk(ast.parse(text)))
    return {str(getattr(node, field, "")) for node in nodes for field in ("id", "attr", "arg")}


def disturbing(text: str) -> set[str]:
    """Why tests can't run beside others."""
    return named(text) & LIVES_OR_MEASURES


def test_what_only_computes_starts_nothing_and_measures_no_time() -> None:
    """A neighbour on its core would be in what is measured."""
    beside = [path for path in FILES if part_of(path) == "computing"]
    assert len(beside) > 50
    found = {path.name: why for path in beside if (why := disturbing(path.read_text()))}
    assert found == {}


def test_what_measures_time_would_be_found() -> None:
    """Planted faults, and what only looks like one."""
    assert disturbing("def test_it(real_run): assert real_run.path") == {"real_run"}
    assert disturbing("began = time.monotonic()") == {"monotonic"}
    assert disturbing("words = 'sleep'") == set()


def test_every_file_is_in_one_part_and_each_name_is_of_a_file() -> None:
    """One that nobody has thought of runs alone."""
    assert [name for name in (*COMPUTING, *ALONE) if not (HERE / name).exists()] == []
    assert {part_of(path) for path in FILES} == {"computing", "alone"}
    assert part_of(HERE / "simulation" / "test_plan.py") == "computing"
    assert part_of(HERE / "simulation" / "test_cluster.py") == "alone"
    assert part_of(HERE / "harness" / "test_new.py") == "alone"


@pytest.mark.slow
def test_both_parts_together_hold_every_test() -> None:
    """As pytest collects them in a room that has both kinds, and none of them twice."""

    def collected(*part: str) -> list[str]:
        command = [sys.executable, "-P", "-m", "pytest", "--collect-only", "-q", "tests/grafana"]
        answer = subprocess.run(
            [*command, *part], cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        return [line for line in answer.stdout.splitlines() if "::" in line]

    computing, alone = (collected("--part", part) for part in PARTS)
    assert computing != []
    assert alone != []
    assert sorted(computing + alone) == sorted(collected())


def test_only_what_computes_shares_the_cores() -> None:
    """And on one core there is nobody to share it with."""
    computing, alone = in_parts(["pytest"], 4).values()
    assert computing[computing.index("-n") + 1] == "4"
    assert "-n" not in alone
    assert "-n" not in next(iter(in_parts(["pytest"], 1).values()))


def python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", program, *arguments]


def test_a_part_that_fails_is_told_and_the_next_one_runs_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its exit code is the verb's, though the last part passed."""
    touch = python("import pathlib, sys; pathlib.Path(sys.argv[1]).touch()", str(tmp_path / "ran"))
    assert follow_all({"first": python("raise SystemExit(1)"), "second": touch}) == 1
    assert (tmp_path / "ran").exists()
    told = capsys.readouterr().err
    assert "first: FAILED (exit code 1)" in told
    assert "second: passed" in told
    assert follow_all({"second": touch}) == 0


VERB = """
import sys
from harness.verbs.test import follow_all
try:
    follow_all({"long": [sys.executable, "-c", sys.argv[1], sys.argv[2]], "next": ["false"]})
except KeyboardInterrupt:
    raise SystemExit(130)
"""
LONG = """
import pathlib, sys, time
here = pathlib.Path(sys.argv[1])
try:
    (here / "began").touch()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.2)
    (here / "cleaned").touch()
"""


def test_ctrl_c_lets_a_part_clean_up_and_begins_no_other(tmp_path: Path) -> None:
    """We end after it."""
    verb = subprocess.Popen(
        python(VERB, LONG, str(tmp_path)), stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    while not (tmp_path / "began").exists():
        assert verb.poll() is None
        time.sleep(0.02)
    verb.send_signal(signal.SIGINT)
    _, told = verb.communicate(timeout=20)
    assert verb.returncode == 130
    assert (tmp_path / "cleaned").exists()
    assert "next" not in told
