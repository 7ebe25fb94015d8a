"""Replicas that come and go, as `surge simulate` and the report tell of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.scaling_tables import caption_of
from tests.harness.report_runs import words_of, write_projection

Verb = Callable[..., Any]
BRIEF = ("simulate", "smoke", "--engine", "simpy", "--window", "0s..3s", "--horizon", "20s",
         "--deployment", "national", "--set", "replicas=1")  # fmt: skip
SERIES = [
    {"at_s": 0.0, "ready": 2, "started": 2},
    {"at_s": 300.0, "ready": 2, "started": 7},
    {"at_s": 360.0, "ready": 7, "started": 7},
    {"at_s": 1500.0, "ready": 3, "started": 3},
]
SCALING = {
    "told": "scaled from 2 to 7 replicas, 4 min after the peak",
    "hours": 2.0, "replica_hours": 6.5, "mean_replicas": 3.25, "most_started": 7, "cost": 1.07,
    "cost_of_most": 2.3, "peak_s": 120.0, "most_ready": 7, "most_ready_s": 360.0, "series": SERIES,
}  # fmt: skip


def test_scaling_is_set_on_the_command_line_and_compared_on_the_same_luck(
    verb: Verb, model_file: Path, json_faults: Callable[[Any], list[str]]
) -> None:
    """As documented; a plan that comes later is the other world of a what-if."""
    planned = 'scaling.planned=[{at="1s", replicas=3}]'
    answer = verb(*BRIEF, "--set", planned, "--set", "scaling.startup=1s", "--model",
                  str(model_file), "--replications", "2", "--against",
                  'scaling.planned=[{at="3s", replicas=2}]', "--json")  # fmt: skip
    assert json_faults(answer.found) == []
    assert [row["at_s"] for row in answer.found["scaling"]["series"]] == [0, 1, 2]
    assert answer.found["scaling"]["most_ready"] == 3
    assert answer.found["deployment"]["scaling"]["planned"] == [{"at_s": 1.0, "replicas": 3}]
    assert "scaled from 1 to 3 replicas" in answer.told
    assert answer.found["against"]["compared"] == 2
    assert answer.found["against"]["settings"] == ['scaling.planned=[{at="3s", replicas=2}]']


def test_scaling_on_a_shared_core_exits_2_with_the_reason(verb: Verb, model_file: Path) -> None:
    """The machine of the measurements has one core for all; every other fault is told too."""
    answer = verb("simulate", "smoke", "--model", str(model_file), "--set", "scaling.max=3",
                  "--set", "pool=0", "--deployment", "this-machine")  # fmt: skip
    assert answer.code == 2
    assert "brings cores of its own" in " ".join(answer.told.split())
    assert "pool" in answer.told


def test_the_report_marks_when_a_service_had_scaled(tmp_path: Path) -> None:
    """The sentence, the peak beside it, and what was paid; nothing where nothing scales."""
    write_projection(tmp_path, collapses=0, replications=10, scaling=SCALING)
    found = words_of(tmp_path / "projection.json").of["projection"]
    assert "Scaled from 2 to 7 replicas, 4 min after the peak" in found
    assert "between 2 and 7 replicas are ready" in found
    assert "peak of the demand" in found
    assert "6 in 2 h; 7 replicas all the time would be 14." in found
    write_projection(tmp_path, collapses=0, replications=10, scaling=None)
    assert "replicas are ready" not in words_of(tmp_path / "projection.json").of["projection"]


@pytest.mark.parametrize("paid", [6.5, None])
def test_no_mean_of_what_was_paid_is_taken_across_two_outcomes(paid: float | None) -> None:
    """Where replications collapse and do not there is none; else hours and price stand there."""
    said = caption_of({**SCALING, "replica_hours": paid}, 10)
    assert said.startswith("The first replication scaled from 2 to 7 replicas")
    assert ("6.50 replica-hours in 2.00 h" in said) == (paid is not None)
    assert ("No mean" in said) == (paid is None)
