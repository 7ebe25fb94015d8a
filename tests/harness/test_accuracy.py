"""The figures of docs/accuracy.md come from records of verify, by one command."""

import json
import math
from pathlib import Path

import pytest

from harness.accuracy import BEGIN, END, PAGE, draw, figures, main, read_checks, written
from simulation.intervals import coverage
from workload.agreement import Agreement, Basis, Level, Row
from workload.errors import InputError


def check(error: float, saturation: float = 0.04) -> Agreement:
    """A check that was as wrong as this in p95, and right in p50."""
    rows = (
        Row("register", "p50_s", 0.010, 0.1, 0.010),
        Row("register", "p95_s", 0.020, 0.2, 0.020 * (1 + error)),
        Row("await_identity", "p95_s", 0.240, math.nan, 0.240),
    )
    held = Level(780.0, True, rows, {"event_loop": 0.72})
    learned = Level(100.0, False, (Row("register", "p95_s", 0.02, 0.1, 0.2),))
    basis = Basis(1.7e9, {"processor": "a processor", "cores": 2}, "abcdef", "smoke")
    return Agreement(("low-1",), 1000.0 * (1 + saturation), 1000.0, (learned, held), basis)


@pytest.fixture
def records(tmp_path: Path) -> list[Path]:
    """Three records of verify."""
    paths = []
    for number, error in enumerate((-0.3, 0.2, -0.4)):
        directory = tmp_path / f"verify-{number}"
        directory.mkdir()
        (directory / "agreement.json").write_text(json.dumps(check(error).to_json()))
        paths.append(directory)
    return paths


def test_every_step_is_shown_with_its_signed_error_and_its_noise(records: list[Path]) -> None:
    """Of the newest check; what was learned from is no held-out load."""
    found = figures(read_checks(records))
    assert "| 3 | a processor, 2 cores | abcdef | 1,040/s | 1,000/s | +4.0% |" in found
    assert "| 780 visitors/s | 72% | register | +0% (±10%) | -40% (±20%) | – |" in found
    assert "| 780 visitors/s | 72% | await_identity | – | +0% | – |" in found
    assert "| register | p95 | 3 | -30% | -40% | +20% |" in found
    assert "100 visitors/s" not in found
    assert "+900%" not in found


def test_coverage_is_judged_by_the_other_checks_alone() -> None:
    """Three that err alike cover each other; one that errs as nobody did lies outside."""
    alike = [check(-0.3), check(-0.3), check(-0.3)]
    assert coverage(alike, ["p95_s"], str, 0.95) == (6, 6)
    far = [check(0.01), check(-0.01), check(-0.9)]
    inside, total = coverage(far, ["p95_s"], str, 0.5)
    assert total == 6
    assert inside < 6
    assert coverage(alike[:1], ["p95_s"], str, 0.95) == (0, 0)
    assert "needs two checks" in figures(alike[:1])


def test_the_reliability_plot_says_the_answer_and_is_the_same_each_time(tmp_path: Path) -> None:
    """Checks that err alike hold everything; a single check draws nothing."""
    alike = [check(-0.3), check(-0.3), check(-0.3)]
    one, two = (draw(alike, tmp_path / name) for name in ("one.svg", "two.svg"))
    assert one is not None
    assert two is not None
    assert one.read_bytes() == two.read_bytes()
    assert "say 95% hold at least 100%" in " ".join(one.read_text().split())
    assert draw(alike[:1], tmp_path / "none.svg") is None


def test_figures_go_between_their_marks_and_nowhere_else() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert written(text, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(InputError, match="keep the lines"):
        written("no marks", "new")


def test_the_page_has_room_for_them() -> None:
    assert written(PAGE.read_text(), "new").count("new") >= 1


def test_what_is_no_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "surge" in capsys.readouterr().err
