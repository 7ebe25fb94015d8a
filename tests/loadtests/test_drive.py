"""A test's run is driven again only when it was late, and never for another fault."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loadtests.drive import ATTEMPTS, on_schedule

LATE = "schedule not kept: worker 0 sent 7.0% of its attempts more than 50 ms late"


def ending(*reasons: list[str]) -> Callable[[Path], Path]:
    """An attempt that leaves a run with these reasons: those of the first time, of the next..."""
    coming = iter(reasons)

    def attempt(folder: Path) -> Path:
        assert list(folder.iterdir()) == []
        run = folder / "record" / "run"
        run.mkdir(parents=True)
        (run / "manifest.json").write_text(json.dumps({"reasons": next(coming)}))
        return folder

    return attempt


@pytest.mark.parametrize(
    ("reasons", "attempts"),
    [
        ([[]], 1),
        ([["worker lost"]], 1),
        ([[LATE, "worker lost"]], 1),
        ([[LATE], []], 2),
        ([[LATE, LATE], ["worker lost"]], 2),
        ([[LATE]] * ATTEMPTS, ATTEMPTS),
    ],
)
def test_only_lateness_is_tried_again(
    tmp_path: Path, reasons: list[list[str]], attempts: int
) -> None:
    """In a fresh directory; the last attempt is what the test sees, whatever became of it."""
    assert on_schedule(tmp_path, ending(*reasons)) == tmp_path / f"attempt-{attempts}"
    assert len(list(tmp_path.iterdir())) == attempts


def test_what_did_not_fail_is_not_tried_again(tmp_path: Path) -> None:
    """A late run may be a part of what succeeded."""
    found = on_schedule(tmp_path, ending([LATE]), lambda _: False)
    assert found == tmp_path / "attempt-1"
