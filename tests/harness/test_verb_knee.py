"""`surge knee`: the rate that theory gives, an honest interval, and clear refusals."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.knee import bisect, median_interval
from simulation.service import ServiceModel

Verb = Callable[..., Any]
REGISTRY = """
schema = "surge/scenario/1"
name = "registry-only"
question = "How many checks a second does one registry take?"
seed = 3
objectives = ["backlog identity < 3s"]
[arrivals]
duration = "120s"
[[arrivals.parts]]
shape = "constant"
per_s = 4
[people]
[[steps]]
name = "submit_identity"
"""


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """Identity checks alone, four a second for two minutes."""
    file = tmp_path / "registry.toml"
    file.write_text(REGISTRY)
    return file


@pytest.mark.slow
def test_the_knee_of_a_registry_is_its_quota(
    verb: Verb, model_file: Path, registry: Path, json_faults: Callable[[Any], list[str]]
) -> None:
    """A quota of 10 a second, waits below 3 s in 120 s: a little above 10 visitors a second.

    A fluid queue that is offered r > 10 for 120 s makes the last one wait 12 (r - 10) s: 3 s at
    r = 10.25. Arrivals by chance move it by about one in ten.
    """
    answer = verb(
        "knee", str(registry), "--engine", "simpy", "--model", str(model_file),
        "--set", "registry_quota_per_s=10", "--horizon", "10m", "--json",
    )  # fmt: skip
    found = answer.found
    assert answer.code == 0, answer.told
    assert json_faults(found) == []
    assert found["offered_per_s"] == pytest.approx(4.0)
    assert found["low_per_s"] <= found["knee_per_s"] <= found["high_per_s"]
    assert 8.5 < found["knee_per_s"] < 11.0
    assert found["limiting"] == ["backlog identity < 3s"]
    assert found["confidence"] == pytest.approx(1 - 2 * 0.5**6)
    assert "Breaks first: backlog identity < 3s" in answer.told


def test_a_demand_above_the_knee_exits_1(verb: Verb, model_file: Path, registry: Path) -> None:
    """A quota of 2 a second for four visitors a second."""
    answer = verb(
        "knee", str(registry), "--engine", "simpy", "--model", str(model_file),
        "--set", "registry_quota_per_s=2", "--horizon", "10m", "--replications", "1",
    )  # fmt: skip
    assert answer.code == 1


def test_what_can_not_be_judged_has_no_knee(
    verb: Verb, model: ServiceModel, model_file: Path, tmp_path: Path, registry: Path
) -> None:
    """No objective; or one about a step that the model has hardly seen."""
    registry.write_text(REGISTRY.replace('["backlog identity < 3s"]', "[]"))
    none = verb("knee", str(registry), "--model", str(model_file))
    assert none.code == 2
    assert "nothing to meet" in none.told
    unsure = replace(model, calibrated={}).write(tmp_path / "unsure.json")
    answer = verb("knee", "smoke", "--model", str(unsure))
    assert answer.code == 2
    assert "uncalibrated" in answer.told


@pytest.mark.parametrize("knee", [0.037, 0.5, 0.99, 1.0, 3.7, 900.0])
def test_bisection_ends_within_two_per_cent_below_the_knee(knee: float) -> None:
    """Wherever the knee is; what breaks is what breaks just above it."""

    def broken(factor: float) -> tuple[str, ...]:
        return ("far",) if factor > 2 * knee else ("near",) if factor > knee else ()

    factor, limiting = bisect(broken, 4096.0)
    assert knee / 1.02 < factor <= knee
    assert limiting == ("near",)


def test_a_search_without_an_end_says_so() -> None:
    """Nothing breaks up to the highest factor: infinite. Everything is broken: 0."""
    tried: list[float] = []

    def never(factor: float) -> tuple[str, ...]:
        tried.append(factor)
        return ()

    assert bisect(never, 10.0) == (float("inf"), ())
    assert max(tried) == 10.0
    assert bisect(lambda _: ("always",), 10.0) == (0.0, ("always",))


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    """1,000 samples of each size: the share lies within 2 % of the stated confidence."""
    chance = np.random.default_rng(1)
    for count in (6, 9, 20):
        held, confidence = 0, 0.0
        for _ in range(1000):
            low, high, confidence = median_interval(sorted(chance.exponential(1.0, count)))
            held += low <= np.log(2) <= high
        assert confidence >= 0.95
        assert held / 1000 == pytest.approx(confidence, abs=0.02)


def test_more_seeds_never_widen_the_interval() -> None:
    """By rank: 5 values have no 95 % interval; from 6 on its share of the ranks shrinks."""
    shares = []
    for count in (6, 9, 12, 20, 60):
        low, high, _ = median_interval(range(count))
        shares.append((high - low) / count)
    assert all(b <= a for a, b in pairwise(shares))
    assert median_interval(range(5))[2] < 0.95
