"""Ablation: each element of the model taken out, by making the model poorer, not the engines."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.costs import OURS
from harness.ablation import ELEMENTS, Ablated, Element
from harness.cli import main
from simulation.deployment import Deployment
from workload.agreement import Row
from workload.durations import lognormal

MEASURED = Deployment("measured", shared_core=True, generator=True)
MODEL = replace(OURS, poll_s=0.02, read=lognormal(1e-4, 3e-4))


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.name)
def test_an_element_that_is_taken_out_leaves_another_model_or_deployment(element: Element) -> None:
    """Otherwise its row would say that it buys nothing, whatever it does."""
    poorer = element.without((MODEL, MEASURED), 1.0)
    assert poorer != (MODEL, MEASURED)
    assert element.instead


@pytest.mark.parametrize("name", ["lengths of slices", "lengths of commits", "lengths of checks"])
def test_a_length_that_is_taken_out_keeps_its_mean(name: str) -> None:
    """So that the error is the distribution's, and not that of less work."""
    (element,) = (one for one in ELEMENTS if one.name == name)
    poorer, _ = element.without((MODEL, MEASURED), 1.0)
    for before, after in (
        (MODEL.commit, poorer.commit),
        (MODEL.registry, poorer.registry),
        (MODEL.steps["register"].before, poorer.steps["register"].before),
    ):
        assert after.mean_s == pytest.approx(before.mean_s)


def test_a_constant_demand_costs_as_much_cpu_as_was_learned_from() -> None:
    """Half a wake-up a request is added to its slices, and none is left over."""
    (element,) = (one for one in ELEMENTS if one.name == "load-dependent demand")
    poorer, _ = element.without((MODEL, MEASURED), 0.5)
    before, after = MODEL.steps["register"], poorer.steps["register"]
    more = after.before.mean_s + after.after.mean_s - before.before.mean_s - before.after.mean_s
    assert more == pytest.approx(0.5 * MODEL.wake_s)
    assert poorer.wake_s == 0.0


def test_the_score_weighs_too_much_and_too_little_alike() -> None:
    """Twice and half of what was measured are as wrong; p99 and throughput are not in it."""

    def scored(predicted: float) -> float:
        rows = (
            Row("register", "p50_s", 1.0, 0.0, predicted),
            Row("register", "p95_s", 1.0, 0.0, 1.0),
            Row("register", "p99_s", 1.0, 0.0, 50.0),
            Row("register", "throughput", 1.0, 0.0, 50.0),
        )
        return Ablated("one", "none", rows, 0.0).score

    assert scored(2.0) == pytest.approx(scored(0.5))
    assert scored(1.0) == 0.0
    assert scored(0.0) == float("inf")


def test_what_is_no_record_of_verify_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file that is missing or damaged, and what would do."""
    assert main(["verify", "--ablate", str(tmp_path)]) == 2
    (tmp_path / "agreement.json").write_text(json.dumps({"calibrated_on": 3}))
    assert main(["verify", "--ablate", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.count("agreement.json") == 2
    assert "the directory that `surge verify` wrote" in told
