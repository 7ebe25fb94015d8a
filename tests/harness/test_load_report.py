"""The page that `surge load` leaves beside a record, however the run ended."""

from pathlib import Path
from typing import Any

import pytest

from harness.outcome import show_report
from tests.loadtests.test_rundir import GOOD, SAID, finished


@pytest.mark.parametrize("status", ["complete", "interrupted", "invalid"])
def test_every_run_that_can_be_read_has_a_page(
    status: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its directory, where people are told that it is."""
    result = finished(tmp_path / "run", GOOD, {**SAID, "status": status, "reasons": []})
    assert result.manifest.status == status
    show_report(result.run_dir)
    page = result.run_dir / "report.html"
    assert f"report: {page}" in capsys.readouterr().err.replace("\n", "")
    assert "<html" in page.read_text()


def test_a_damaged_record_has_no_page_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file that is damaged is named; nothing is raised over a run that was measured."""
    result = finished(tmp_path / "run", GOOD)
    (result.run_dir / "manifest.json").write_text("{}")
    show_report(result.run_dir)
    assert "no report: " in capsys.readouterr().err
    assert not (result.run_dir / "report.html").exists()


@pytest.mark.slow
def test_a_real_run_ends_with_its_page(real_run: Any) -> None:
    assert (real_run.path / "report.html").stat().st_size > 10_000
    assert "report: " in real_run.answer.told
