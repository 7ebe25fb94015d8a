"""`surge calibrate`: from run directories to a model, and what can't teach one."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.self_checking import self_check
from simulation.calibrate import calibrate
from simulation.service import read_model
from workload.history import HistoryWriter, read_history

Verb = Callable[..., Any]


def test_what_is_no_run_directory_is_a_clear_error(verb: Verb, tmp_path: Path) -> None:
    """The file that is missing, and what would do."""
    answer = verb("calibrate", str(tmp_path / "nowhere"))
    assert answer.code == 2
    assert "manifest.json" in answer.told
    assert "a run directory" in answer.told


def test_a_place_that_can_not_be_written_is_told_before_the_work(
    verb: Verb, tmp_path: Path
) -> None:
    """A directory, or a directory that is not there."""
    for out in (tmp_path, tmp_path / "none" / "model.json"):
        answer = verb("calibrate", str(tmp_path), "-o", str(out))
        assert answer.code == 2
        assert "--out" in answer.told


@pytest.mark.slow
def test_a_real_run_teaches_a_model_that_names_what_it_has_hardly_seen(
    verb: Verb, real_run: Any, tmp_path: Path
) -> None:
    """The file is what stdout shows; 160 visits calibrate no step, and that is said."""
    out = tmp_path / "model.json"
    answer = verb("calibrate", str(real_run.path), "-o", str(out), "--json")
    assert answer.code == 0
    assert answer.found == json.loads(out.read_text())
    model = read_model(out)
    assert model.steps["register"].before.mean_s > 0
    assert "uncalibrated" in answer.told
    for part in ("What an attempt costs", "residual", "registry_client", "await_identity"):
        assert part in answer.told


@pytest.mark.slow
def test_with_json_alone_nothing_is_written(
    verb: Verb, real_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`surge calibrate RUN --json > model.json` is a pipeline's way."""
    monkeypatch.chdir(tmp_path)
    answer = verb("calibrate", str(real_run.path), "--json")
    assert answer.found["schema"] == "surge/model/1"
    assert list(tmp_path.iterdir()) == []
    verb("calibrate", str(real_run.path))
    assert [file.name for file in tmp_path.iterdir()] == ["model.json"]


@pytest.mark.slow
def test_a_run_that_was_cut_short_or_is_not_valid_teaches_nothing(
    verb: Verb, real_run: Any, tmp_path: Path
) -> None:
    """Each by its name, with what to do."""
    cut = tmp_path / "cut"
    shutil.copytree(real_run.path, cut)
    history = cut / "history-0.arrows"
    history.write_bytes(history.read_bytes()[:-100])
    answer = verb("calibrate", str(cut))
    assert answer.code == 2
    assert "cut short" in answer.told
    manifest = json.loads((cut / "manifest.json").read_text())
    (cut / "manifest.json").write_text(json.dumps({**manifest, "status": "interrupted"}))
    assert "interrupted" in verb("calibrate", str(cut)).told


@pytest.mark.slow
def test_a_run_with_attackers_teaches_nothing(verb: Verb, real_run: Any, tmp_path: Path) -> None:
    """Their rows stand under steps that no model has."""
    attacked = tmp_path / "attacked"
    shutil.copytree(real_run.path, attacked)
    history = read_history(attacked)
    for shard in attacked.glob("history-*.arrows"):
        shard.unlink()
    with HistoryWriter(attacked, (*history.steps, "attack_register")) as writer:
        for row in history.rows():
            writer.add(row)
    answer = verb("calibrate", str(attacked))
    assert answer.code == 2
    assert "without [attack]" in answer.told


@pytest.mark.slow
def test_the_self_check_refuses_a_model_whose_database_works_too_much(
    real_run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The level, the figure and the difference are named, beside a table of all figures."""
    model = calibrate([real_run.path])
    heavy = replace(model, write_base_s=50 * model.write_base_s + 0.01)
    refused = self_check([real_run.path], heavy)
    assert any("database, busy differs by +" in line for line in refused)
    told = capsys.readouterr().err
    for part in ("loop wake-ups", "rows in a flush", "read waits for a connection"):
        assert part in told
