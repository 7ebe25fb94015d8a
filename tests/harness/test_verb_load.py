"""`surge load`: a real run from end to end, and what it refuses before it starts anything."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import CHECKOUT
from harness.ports import claim
from tests.harness.machines import registering
from tests.loadtests.conftest import site as site  # noqa: PLC0414
from tests.loadtests.peers import Site
from workload.history import read_history
from workload.laws import broken
from workload.manifest import read_manifest

Verb = Callable[..., Any]


def test_all_faults_of_the_options_are_told_together(verb: Verb, tmp_path: Path) -> None:
    """Option, value and remedy of each; nothing is started and nothing written."""
    answer = verb(
        "load", "smoke", "--header", "no colon", "--drain", "5q", "--workers", "0",
        "--seed", "-1", "--thin", "nan", "--speed", "0", "--run-dir", str(tmp_path / "run"),
    )  # fmt: skip
    assert answer.code == 2
    for part in ("header = 'no colon'", "--drain", "--workers", "--seed", "--thin", "--speed"):
        assert part in answer.told
    assert list(tmp_path.iterdir()) == []


def test_settings_go_with_a_system_of_our_own_only(verb: Verb) -> None:
    """With --target they would change nothing: said, not ignored."""
    answer = verb("load", "smoke", "--target", "http://127.0.0.1:1", "--set", "pool=4")
    assert answer.code == 2
    assert "leave them out" in answer.told
    unknown = verb("load", "smoke", "--set", "pools=4")
    assert unknown.code == 2
    assert "registry_slots" in unknown.told


def test_a_target_that_is_not_this_machine_must_be_owned(verb: Verb) -> None:
    """The remedy is the option to paste."""
    answer = verb("load", "smoke", "--target", "http://192.0.2.1")
    assert answer.code == 2
    assert "--yes-i-own http://192.0.2.1" in answer.told


def test_a_run_directory_is_never_overwritten(verb: Verb, tmp_path: Path) -> None:
    """Neither by a run of our own system nor against a target."""
    (tmp_path / "manifest.json").write_text("{}")
    answer = verb("load", "smoke", "--run-dir", str(tmp_path))
    assert answer.code == 2
    assert "give another directory" in answer.told


def test_a_page_that_can_not_be_served_is_told_before_anything_starts(verb: Verb) -> None:
    """A port out of range, and one that somebody has."""
    answer = verb("load", "smoke", "--metrics-port", "70000")
    assert answer.code == 2
    assert "--metrics-port = '70000': write a whole number from 1 to 65535" in answer.told
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = verb("load", "smoke", "--metrics-port", str(taken.getsockname()[1]))
    assert answer.code == 2
    assert "choose a free port" in answer.told


@pytest.mark.slow
def test_prometheus_can_watch_a_run_where_it_is_asked_to(site: Site, tmp_path: Path) -> None:
    """While the run goes on, and no longer."""
    port, run = claim(0, "the page"), tmp_path / "run"
    page = f"http://127.0.0.1:{port}/metrics"
    process = subprocess.Popen([
        str(CHECKOUT / "surge"), "load", str(registering("watched", tmp_path, 30)), "--target",
        site.url, "--run-dir", str(run), "--metrics-port", str(port),
    ], cwd=CHECKOUT, stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 60
    while not (run / "progress.json").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    with urllib.request.urlopen(page, timeout=5) as answer:
        shown = answer.read().decode()
    assert 'surge_visitor_attempts_total{outcome="accepted",step="open_site"}' in shown
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(page, timeout=5)


@pytest.mark.slow
def test_an_unreachable_target_exits_3_within_seconds_and_names_the_url(
    verb: Verb, tmp_path: Path
) -> None:
    """Not at the first refusal, because a service may be starting; before anything is written."""
    url = f"http://127.0.0.1:{claim(0, 'nobody')}"
    began = time.monotonic()
    answer = verb("load", "smoke", "--target", url, "--run-dir", str(tmp_path / "run"))
    assert answer.code == 3
    assert url in answer.told
    assert 9 < time.monotonic() - began < 25
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_real_run_meets_its_objectives_and_leaves_a_whole_run_directory(real_run: Any) -> None:
    """Exit 0; verdicts, manifest, lawful history, ledger, telemetry, logs of every part."""
    answer, path = real_run.answer, real_run.path
    assert answer.code == 0, answer.told
    found = answer.found
    assert (found["schema"], found["status"]) == ("surge/load/1", "complete")
    assert [one["verdict"] for one in found["objectives"]] == ["met"] * 4
    assert found["summary"]["steps"]["register"]["accepted"] > 100
    assert read_manifest(path).bending.window_s == (12.0, 20.0)
    history = read_history(path)
    assert broken(history) == []
    names = {file.name for file in path.iterdir()}
    assert names >= {"scenario.toml", "summary.json", "junit.xml", "ledger.ndjson", "logs"}
    assert {log.stem for log in (path / "logs").iterdir()} >= {"service", "worker", "postgres"}
    assert json.loads((path / "summary.json").read_text())["visits"] == found["summary"]["visits"]


@pytest.mark.slow
def test_people_read_steps_objectives_and_where_the_record_is(real_run: Any) -> None:
    """On stderr, beside the JSON on stdout."""
    for part in ("starting the reference system", "await_identity", "p(95) register < 250ms",
                 "Run complete", str(real_run.path)):  # fmt: skip
        assert part in real_run.answer.told


@pytest.mark.slow
def test_ctrl_c_in_the_middle_leaves_a_run_directory_marked_interrupted(tmp_path: Path) -> None:
    """Exit 130; what was recorded can be read, and no part of the system stays."""
    run = tmp_path / "run"
    command = [str(CHECKOUT / "surge"), "load", "smoke", "--run-dir", str(run), "--json"]
    process = subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    deadline = time.monotonic() + 60
    while not (run / "progress.json").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(3)
    os.kill(process.pid, signal.SIGINT)
    found = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 130
    assert found["status"] == read_manifest(run).status == "interrupted"
    assert 0 < len(read_history(run)) < 2110
