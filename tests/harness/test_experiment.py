"""The experiment: levels, pulses, and that a prediction is written down before it is tested."""

import hashlib
import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cli import main
from harness.experiment import answers_per_s, bent_to, order_of, pulsed
from harness.experiment_design import QUICK, THOROUGH, Design
from tests.loadtests.drive import on_schedule
from workload.arrivals import peak_minute
from workload.history import History, Observation
from workload.scenario import load_scenario

Faults = Callable[[object], list[str]]


@pytest.mark.parametrize("design", [QUICK, THOROUGH])
def test_a_held_out_level_is_at_least_twice_the_highest_that_is_learned_from(
    design: Design,
) -> None:
    assert min(design.held_out) >= 2 * max(design.low)
    assert max(design.held_out) >= 0.70


def test_pulses_bring_the_same_people_at_once_with_a_low_mean() -> None:
    """Twelve pulses of 40 people in 36 seconds: all of a pulse within a tenth of a second or so."""
    scenario = load_scenario("prakerja-2020")
    pulses = pulsed(scenario, people=40, every_s=3.0, seconds=36.0)
    came = pulses.curve.arrivals(scenario.seed).at_ns / 1e9
    assert abs(len(came) - 12 * 40) < 5 * math.sqrt(12 * 40)
    assert np.all((came + 0.01) % 3.0 < 0.14)
    assert pulses.people == scenario.people
    assert pulses.journey == scenario.journey
    assert peak_minute(pulses.curve)[1] == pytest.approx(12 * 40)


def test_only_good_answers_of_the_second_half_count_as_throughput() -> None:
    def attempt(visitor: int, ended_s: float, outcome: int) -> Observation:
        end = round(ended_s * 1e9)
        return Observation(visitor, 0, 1, 0, 0, 0, end, outcome)

    history = History.of(
        ("open_site",),
        [attempt(0, 1.0, 0), attempt(1, 6.0, 0), attempt(2, 7.0, 3), attempt(3, 8.0, 1)],
    )
    assert answers_per_s(history, 10.0) == pytest.approx(2 / 5.0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--levels", "50,100", "--held-out", "150"], "at least twice the highest level, 200"),
        (["--levels", "fast", "--held-out", "-3"], "visitors a second"),
        (["--levels", "50"], "give both, or neither"),
        (["--levels", "50,100", "--held-out", "300,150"], "each at least twice the highest level"),
        (["--level", "1s"], "at least 5s"),
        (["--deployments", "inline,three-workers"], "three-workers"),
    ],
)
def test_a_design_that_can_not_verify_anything_is_refused(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", *options]) == 2
    assert told in capsys.readouterr().err


def test_repeats_are_interleaved_and_the_levels_of_each_are_shuffled() -> None:
    """A machine that grows slower in the meantime is then no level's fault."""
    order = order_of((65.0, 80.0, 90.0), repeats=6)
    rounds = [[per_s for _, per_s in order[at : at + 3]] for at in range(0, 18, 3)]
    assert all(sorted(one) == [65.0, 80.0, 90.0] for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert len({name for name, _ in order}) == 18
    assert order == order_of((65.0, 80.0, 90.0), repeats=6)


@pytest.mark.slow
def test_verify_predicts_before_it_measures_and_prints_the_signed_error(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    json_faults: Faults,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given levels, so that no machine is pushed to its limit by its tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def verify(folder: Path) -> tuple[Path, int]:
        capsys.readouterr()
        record = folder / "verify"
        return record, main(
            ["verify", "--quick", "--levels", "20,40", "--held-out", "90", "--level", "8s",
             "--deployments", "pool-halved", "--run-dir", str(record), "--json"]
        )  # fmt: skip

    record, code = on_schedule(tmp_path, verify, lambda found: found[1] != 0)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    agreement = json.loads(printed.out)
    assert agreement == json.loads((record / "agreement.json").read_text())
    assert json_faults(agreement) == []
    assert json_faults(json.loads((record / "prediction.json").read_text())) == []
    *held, changed = (level for level in agreement["levels"] if level["held_out"])
    assert len(held) == 1
    for row in held[0]["rows"]:
        assert row["error"] == pytest.approx(row["predicted"] / row["measured"] - 1)
    rows = {(row["step"], row["metric"]): row for row in held[0]["rows"]}
    assert abs(rows["register", "throughput"]["error"]) < 0.10
    assert abs(rows["await_identity", "throughput"]["error"]) < 0.10
    assert "held out" in printed.err
    foreseen = json.loads((record / "prediction.json").read_text())["runs"]
    assert [run["seed"] for run in foreseen] == [
        json.loads((record / f"held-out-{n}" / "manifest.json").read_text())["seed"]
        for n in range(1, len(foreseen) + 1)
    ]
    median = statistics.median(run["summary"]["steps"]["register"]["p50_s"] for run in foreseen)
    assert rows["register", "p50_s"]["written"] == pytest.approx(median)
    assert (held[0]["pace"] == 1.0) == (rows["register", "p50_s"]["predicted"] == median)
    written = (record / "prediction.json").read_bytes()
    manifest = json.loads((record / "held-out-1" / "manifest.json").read_text())
    assert json.loads(written)["written_unix"] == agreement["basis"]["predicted_unix"]
    assert agreement["basis"]["predicted_unix"] < manifest["began_unix"]
    assert hashlib.sha256(written).hexdigest() == agreement["basis"]["prediction_sha256"]
    check_changed(record / "pool-halved", changed, json_faults)
    model = json.loads((record / "model.json").read_text())
    assert "held-out-1" not in model["fitted"]["runs"]
    assert model["agreement"] == agreement
    assert json_faults(model) == []
    assert agreement["basis"]["record"] == "verify"
    assert 0.0 < held[0]["utilisation"]["event_loop"] < 1.0
    assert agreement["saturation"]["measured_per_s"] is None
    assert set(agreement["calibrated_on"]) == set(model["fitted"]["runs"])


def check_changed(directory: Path, changed: dict[str, Any], json_faults: Faults) -> None:
    """It was predicted before its system was started, and another system answered."""
    foreseen = json.loads((directory / "prediction.json").read_text())
    assert json_faults(foreseen) == []
    manifest = json.loads((directory / "warm-up" / "manifest.json").read_text())
    assert foreseen["written_unix"] < manifest["began_unix"]
    assert manifest["capacity"]["pool"] == 4
    assert (changed["deployment"], changed["settings"]["pool"]) == ("pool-halved", 4)
    # At the pace of the run; the rate was chosen for 0.7 at that of the learning.
    at_the_learning = max(changed["expected_utilisation"].values()) / changed["pace"] ** 0.7
    assert 0.5 < at_the_learning < 0.9
    assert {row["step"] for row in changed["rows"]} >= {"register", "await_identity"}


def test_a_level_is_reached_whatever_the_opening_brings() -> None:
    """More visitors than the opening brings are had by a larger population, not cut off."""
    scenario = load_scenario("prakerja-2020")
    few, many = bent_to(scenario, 100.0, 10.0), bent_to(scenario, 3000.0, 10.0)
    expected = float(scenario.curve.expected(0.0, 10.0))
    assert few.thin * expected == pytest.approx(1000.0)
    assert few.population is None
    assert many.thin == 1.0
    raised = scenario.with_population(many.population or 0.0)
    assert float(raised.curve.expected(0.0, 10.0)) == pytest.approx(30_000.0)
