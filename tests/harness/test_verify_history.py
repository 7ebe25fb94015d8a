"""The history of verify: a line a check, in the user's own state."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.verify_history import history_file, line_of, remember
from workload.agreement import Agreement, Basis, Level, Row

ROWS = (
    Row("register", "p50_s", 1.0, 0.0, 1.1),
    Row("await_identity", "p50_s", 1.0, 0.0, 0.7),
    Row("register", "p95_s", 1.0, 0.0, math.nan),
)
FOUND = Agreement(
    ("low-1",),
    110.0,
    100.0,
    (
        Level(20.0, held_out=False, rows=(Row("register", "p50_s", 1.0, 0.0, 9.0),)),
        Level(90.0, held_out=True, rows=ROWS),
        Level(70.0, held_out=True, rows=ROWS[:1], deployment="inline"),
    ),
    Basis(began_unix=1.8e9, commit="abc", record="verify-1"),
)


def test_the_largest_error_of_each_held_out_level_is_kept_with_its_sign(
    json_faults: Callable[[object], list[str]],
) -> None:
    """What was learned from is not in it; what is unknown is null."""
    line = line_of(FOUND)
    assert json_faults(line) == []
    load, inline = line["levels"]
    assert load["largest"]["p50_s"] == pytest.approx(-0.3)
    assert load["largest"]["p95_s"] is None
    assert inline["deployment"] == "inline"
    assert line["saturation_error"] == pytest.approx(0.1)


def test_every_check_adds_a_line_that_history_shows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    json_faults: Callable[[Any], list[str]],
) -> None:
    """In XDG_STATE_HOME; before the first one it is said how to get one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["verify", "--history"]) == 0
    assert "run surge verify" in capsys.readouterr().err
    assert remember(FOUND) == remember(FOUND) == history_file()
    lines = (tmp_path / "surge" / "verify.ndjson").read_text().splitlines()
    assert [json.loads(line)["record"] for line in lines] == ["verify-1", "verify-1"]
    assert main(["verify", "--history", "--json"]) == 0
    printed, told = capsys.readouterr()
    assert told.count("inline") == 2
    assert told.count("-30%") == 2
    assert json_faults(json.loads(printed)) == []
    assert [check["record"] for check in json.loads(printed)["checks"]] == ["verify-1", "verify-1"]


def test_a_line_that_is_damaged_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its number, with the remedy."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = remember(FOUND)
    assert path is not None
    path.write_text(path.read_text() + "{}\n")
    assert main(["verify", "--history"]) == 2
    assert "line 2" in capsys.readouterr().err


def test_a_place_that_can_not_be_written_fails_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check itself is worth more than its line."""
    (tmp_path / "file").write_text("")
    assert remember(FOUND, tmp_path / "file" / "verify.ndjson") is None
    assert "not written" in capsys.readouterr().err
