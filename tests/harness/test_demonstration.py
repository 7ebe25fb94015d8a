"""The demo: the whole loop, and a report that shows what it came to."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.demonstration import Demonstration, demo_json, demonstrate
from harness.errors import RunInvalid
from harness.experiment_design import Design
from tests.loadtests.drive import on_schedule


@pytest.mark.slow
def test_the_demo_closes_the_loop_and_reports_it(
    tmp_path: Path, json_faults: Callable[[object], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """On given low levels and a few seconds of the opening, so that any machine can do it."""
    design = Design(
        low_per_s=(20.0, 40.0), held_out_per_s=(90.0,), level_s=8.0, pulse=100, repeats=1
    )

    def demo(folder: Path) -> tuple[Path, Demonstration | RunInvalid]:
        record = folder / "demo"
        try:
            return record, demonstrate(record, replications=2, until_s=5.0, design=design)
        except RunInvalid as invalid:
            return record, invalid

    record, shown = on_schedule(tmp_path, demo, lambda found: isinstance(found[1], RunInvalid))
    assert isinstance(shown, Demonstration), shown
    told = capsys.readouterr().err
    assert json_faults(json.loads(json.dumps(demo_json(shown)))) == []
    for name in ("model.json", "prediction.json", "agreement.json", "projection.json"):
        assert (record / name).is_file(), name
    projection = json.loads((record / "projection.json").read_text())
    assert projection["agreement"] == json.loads((record / "agreement.json").read_text())
    assert projection["population"] > 5_000
    assert json_faults(projection) == []
    assert projection["cliff"]["answer"] in told.replace("\n", " ")
    page = shown.report.read_text()
    assert "held-out-1" in page
    assert projection["cliff"]["answer"][1:] in page
    assert "Verdict" in page
    assert "simulated events" in told
    assert "the whole demo took" in told
    assert "rests on 2 full-size replications" in " ".join(told.split())
