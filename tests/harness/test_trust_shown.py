"""Trust is printed wherever an answer of the model is: projection, knee, plan and cliff."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.simulation import upstream_bound
from tests.simulation.test_trust import agreement
from workload.agreement import Agreement

Verb = Callable[..., Any]
Faults = Callable[[Any], list[str]]
INLINE = """
schema = "surge/deployment/1"
name = "small"
registry_slots = 20
identity_check = "inline"
"""
NEVER = "never checked: run surge verify"


@pytest.fixture
def wave(tmp_path: Path) -> Path:
    """That of `upstream_bound`, with a limit that half of an error would miss."""
    file = tmp_path / "wave.toml"
    objectives = (f"p(95) {upstream_bound.STEP} < 1.8s", "p_collapse < 50%")
    file.write_text(upstream_bound.scenario(objectives=objectives).to_toml())
    return file


@pytest.fixture
def inline(tmp_path: Path) -> Path:
    file = tmp_path / "inline.toml"
    file.write_text(INLINE)
    return file


def model(folder: Path, checked: Agreement | None) -> Path:
    """A model's file, that carries this agreement."""
    carried = None if checked is None else checked.to_json()
    return replace(upstream_bound.model(), agreement=carried).write(folder / "model.json")


def test_a_model_that_was_never_checked_is_said_to_be(
    verb: Verb, wave: Path, inline: Path, tmp_path: Path, json_faults: Faults
) -> None:
    """In words and in JSON; nothing else is claimed."""
    answer = verb("simulate", str(wave), "--model", str(model(tmp_path, None)),
                  "--deployment", str(inline), "--horizon", "30m", "--json")  # fmt: skip
    assert f"How far to trust it: {NEVER}." in answer.told
    assert json_faults(answer.found) == []
    assert json_faults(answer.found["trust"]) == []
    assert answer.found["trust"]["checked"] is False
    assert "Extrapolated" not in answer.told


def test_a_projection_says_what_it_rests_on_and_widens_its_latencies(
    verb: Verb, wave: Path, inline: Path, tmp_path: Path, json_faults: Faults
) -> None:
    """Which check, when, on which machine, the errors, the range; a limit inside the interval."""
    file = model(tmp_path, agreement(error=-0.5))
    answer = verb("simulate", str(wave), "--model", str(file), "--deployment", str(inline),
                  "--horizon", "30m", "--replications", "2", "--json")  # fmt: skip
    trust = answer.found["trust"]
    assert json_faults(trust) == []
    assert "Rests on the check verify-1 of 2023-11-14 22:13 UTC, on a, 2 cores" in answer.told
    assert "saturation was off by +2.0%" in answer.told
    assert "registry_client 16% to 80%" in answer.told
    assert "Not extrapolated" in answer.told
    assert "the limit lies inside the interval" in answer.told
    (p95,) = [one for one in trust["intervals"] if one["metric"] == "p95_s"]
    assert p95["errors"] == [-0.5]
    assert p95["low"] < p95["value"] / 2
    assert p95["high"] > p95["value"] * 2
    assert answer.found["agreement"] == json.loads(file.read_text())["agreement"]


def test_what_was_not_checked_is_extrapolated_and_named(
    verb: Verb, wave: Path, inline: Path, tmp_path: Path
) -> None:
    """The station and both shares."""
    known = agreement({"registry_client": 0.3, "event_loop": 0.3})
    answer = verb("simulate", str(wave), "--model", str(model(tmp_path, known)),
                  "--deployment", str(inline), "--horizon", "30m", "--json")  # fmt: skip
    assert "Extrapolated:" in answer.told
    assert "checked up to 30%" in answer.told
    assert [one["name"] for one in answer.found["trust"]["extrapolated"]] == ["registry_client"]


def test_the_check_beside_a_model_counts_if_it_is_about_the_same_runs(
    verb: Verb, wave: Path, inline: Path, tmp_path: Path
) -> None:
    """Of another calibration it says nothing."""
    file = model(tmp_path, None)
    beside = agreement().to_json()
    for runs, told in ((["made-up"], "Rests on"), (["low-1"], NEVER)):
        written = json.dumps({**beside, "calibrated_on": runs})
        (tmp_path / "agreement.json").write_text(written)
        answer = verb("simulate", str(wave), "--model", str(file), "--deployment", str(inline),
                      "--horizon", "30m")  # fmt: skip
        assert told in answer.told


@pytest.mark.slow
@pytest.mark.parametrize("checked", [None, agreement(error=-0.2)], ids=["never", "checked"])
def test_knee_plan_and_cliff_say_it_too(
    verb: Verb,
    wave: Path,
    inline: Path,
    tmp_path: Path,
    json_faults: Faults,
    checked: Agreement | None,
) -> None:
    """Rates and capacities are widened by the error of saturation, or nobody knows how far."""
    objectives = (f"p(50) {upstream_bound.STEP} < 0.9s", "p_collapse < 50%")
    wave.write_text(upstream_bound.scenario(objectives=objectives).to_toml())
    common = ("--model", str(model(tmp_path, checked)), "--deployment", str(inline),
              "--horizon", "30m", "--json")  # fmt: skip
    for arguments in (
        ("knee", str(wave), "--replications", "2"),
        ("plan", str(wave), "--confirm", "2"),
        ("cliff", str(wave), "--over", "registry_slots=10..20:5", "--replications", "2"),
    ):
        answer = verb(*arguments, *common)
        assert answer.found, answer.told
        assert json_faults(answer.found) == []
        assert answer.found["trust"]["checked"] is (checked is not None)
        if checked is None:
            assert NEVER in answer.told
        else:
            assert "Rests on the check verify-1" in answer.told
            assert "The model's error" in answer.told
            assert "(95%, one measured saturation)" in answer.told
    widened = verb("knee", str(wave), "--replications", "2", *common).found["widened"]
    assert (widened["high_per_s"] is None) is (checked is None)
