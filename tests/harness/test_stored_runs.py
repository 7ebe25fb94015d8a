"""The prediction holds: today's model, learned from stored low runs, held against what was measured
on load that it has not seen. A change that makes it worse fails here.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.checked import with_agreement
from harness.measuring import deployment_of, question_of
from harness.model_tables import show_model
from harness.stored_runs import (
    BOUNDS,
    HOME,
    LEARNED,
    METRICS,
    Replayed,
    keep,
    main,
    model_of,
    replayed,
    stored_sets,
    thinned,
    worse,
)
from simulation.evidence import read_run
from simulation.projection import replicate
from simulation.self_check import figures
from tests.simulation.test_trust import agreement
from workload.durations import Duration
from workload.errors import RecordError
from workload.history import read_history
from workload.manifest import read_json, read_manifest
from workload.scenario import load_scenario
from workload.telemetry import Telemetry, read_telemetry

#: A log error may grow by this much before it is called worse: three per cent.
TOLERANCE = 0.03
SETS = stored_sets()


def bound_of(directory: Path) -> dict[str, float]:
    found: dict[str, float] = read_json(HOME / "bound.json", BOUNDS)["sets"][directory.name]
    return found


#: One set is replayed by the fast tests, every one by all of them.
REPLAYED = [SETS[0], *(pytest.param(one, marks=pytest.mark.slow) for one in SETS[1:])]


@pytest.mark.parametrize("directory", REPLAYED, ids=lambda path: path.name)
def test_no_prediction_is_worse_than_it_was(directory: Path) -> None:
    """p50 and p95 of each step at the held-out level, and saturation: the size of the log error."""
    found = replayed(directory, model_of(directory))
    assert {one.metric for one in found} == {*METRICS, "saturation_per_s"}
    assert worse(found, bound_of(directory), TOLERANCE) == []


@pytest.mark.slow
def test_a_model_that_got_worse_is_noticed() -> None:
    """Planted: a loop that costs half as much again to wake and to answer."""
    directory = SETS[0]
    model = model_of(directory)
    dear = {
        name: replace(step, before=Duration(tuple(1.5 * knot for knot in step.before.knots_s)))
        for name, step in model.steps.items()
    }
    found = replayed(directory, replace(model, steps=dear))
    said = worse(found, bound_of(directory), TOLERANCE)
    assert any("saturation" in line for line in said)
    assert any("p50_s" in line for line in said)


def test_a_model_says_whether_it_was_ever_checked(
    verb: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """After calibrating, never; with what a check found, when and where."""
    lows = sorted(str(path) for path in SETS[0].glob("low-*"))
    answer = verb("calibrate", *lows, "--json")
    assert "never checked: run surge verify" in answer.told
    assert answer.found["agreement"] is None
    show_model(with_agreement(model_of(SETS[0]), agreement()), None)
    assert "held against the check verify-1 of 2023-11-14" in capsys.readouterr().err


def test_a_figure_without_a_bound_and_one_that_is_missing_fail() -> None:
    """A new level can't pass for a good one; nor can a step that the model no longer reaches."""
    row = Replayed("held-out", "register", "p95_s", 0.01, 0.01)
    assert "there is no bound" in worse([row], {}, TOLERANCE)[0]
    gone = replace(row, predicted=math.nan)
    assert worse([gone], {row.key: 0.5}, TOLERANCE) != []
    assert worse([row], {row.key: 0.0}, TOLERANCE) == []


def test_sets_and_bounds_are_as_documented(json_faults: Callable[[Any], list[str]]) -> None:
    for path in (HOME / "bound.json", *(directory / "measured.json" for directory in SETS)):
        assert json_faults(json.loads(path.read_text())) == [], path


def test_sets_are_small_and_name_no_machine() -> None:
    """A few hundred kB in all; no address, no path; nobody's latency among what is learned from."""
    files = [path for directory in SETS for path in directory.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 500_000
    for path in files:
        text = path.read_bytes()
        assert b"://" not in text or path.name == "scenario.toml", path
        assert os.uname().nodename.encode() not in text or len(os.uname().nodename) < 4, path
    for directory in SETS:
        for path in (p for p in directory.iterdir() if LEARNED.fullmatch(p.name)):
            history = read_history(path)
            assert np.array_equal(history["ended"], history["intended"])
            assert read_manifest(path).target == ""


def test_thinned_counters_read_as_they_did_at_every_instant() -> None:
    """Scrapes between two changes are left out; what never moved from zero, too."""
    at = np.arange(1, 9, dtype=np.int64) * 1_000_000_000
    counter = np.array([0.0, 2.0, 2.0, 2.0, 5.0, 5.0, 6.0, 6.0])
    whole = Telemetry({
        ("service", "surge_flushes_total"): (at, counter),
        ("service", "surge_shed_total"): (at, np.zeros(8)),
        ("service", "surge_route_seconds_sum"): (at, counter),
    })  # fmt: skip
    table = thinned(whole)
    assert table.num_rows == 4
    (series,) = set(table["series"].to_pylist())
    kept = Telemetry(
        {("service", series): (np.asarray(table["at_ns"]), np.asarray(table["value"]))}
    )
    for start in np.linspace(0.0, 9.0, 19):
        for end in np.linspace(start, 9.0, 7):
            assert kept.increase("service", series, start, end) == whole.increase(
                "service", series, start, end
            )


@pytest.mark.slow
def test_a_set_kept_again_is_the_same(tmp_path: Path) -> None:
    """What was thinned can be thinned: the same counters, the same people."""
    directory = SETS[0]
    for path in directory.iterdir():
        if LEARNED.fullmatch(path.name):
            (tmp_path / "record" / path.name).mkdir(parents=True)
            for file in path.iterdir():
                (tmp_path / "record" / path.name / file.name).write_bytes(file.read_bytes())
    keep(tmp_path / "record", tmp_path / "again")
    (low,) = (path for path in directory.iterdir() if path.name == "low-1")
    one, two = (
        read_telemetry(folder / "low-1").samples for folder in (directory, tmp_path / "again")
    )
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[key][1], two[key][1]) for key in one)
    assert len(read_history(low)) == len(read_history(tmp_path / "again" / "low-1"))


def test_what_is_no_record_and_no_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RecordError, match="surge verify"):
        keep(tmp_path, tmp_path / "set")
    with pytest.raises(SystemExit, match="2"):
        main(["keep", str(tmp_path), "No Name"])
    assert "use a-z" in capsys.readouterr().err


def test_batches_of_the_model_are_as_large_as_the_services() -> None:
    """At the highest level that was learned from: rows in a flush, within a tenth."""
    directory = SETS[0]
    model, run = model_of(directory), read_run(directory / "low-3")
    deployment, seed = deployment_of(run), run.manifest.seed
    scenario = load_scenario(str(directory / "held-out-1" / "scenario.toml"), None)
    asked = question_of(scenario, model, deployment, run.manifest.bending, seed)
    found = {one.name: one for one in figures(run, replicate(asked, seed), model, deployment)}
    rows = found["rows in a flush"]
    assert rows.simulated > 1.0
    assert rows.holds
