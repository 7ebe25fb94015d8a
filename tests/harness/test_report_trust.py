"""The report says beside a projection and a plan what they rest on, and where they leave that."""

from pathlib import Path

from simulation.trust import trust_of
from tests.harness.report_runs import words_of, write_projection
from tests.simulation.test_trust import agreement, asked


def test_what_a_projection_rests_on_stands_beside_its_figures(tmp_path: Path) -> None:
    """Which check, where, the loads of both, and each reason why it is extrapolated."""
    known = agreement({"registry_client": 0.4, "event_loop": 0.7})
    trust = trust_of(asked(known)).to_json()
    write_projection(tmp_path, collapses=0, replications=10, trust=trust)
    found = words_of(tmp_path / "projection.json").of["projection"]
    assert "It rests on the check verify-1 of 2023-11-14 22:13 UTC, on a, 2 cores" in found
    assert "Extrapolated: this answer needs what was not there" in found
    assert "registry_client is busy to 62% in its busiest minute, checked up to 40%" in found
    assert "registry client 62.5 % 8 % to 40 %" in found


def test_intervals_stand_beside_the_errors_that_made_them(tmp_path: Path) -> None:
    """p95 of 30 ms, half of the truth when it was checked: between 3 and 300 ms or so."""
    interval = {"step": "register", "metric": "p95_s", "value": 0.03, "low": 0.003, "high": 0.3,
                "spread": 0.05, "error": 0.69, "noise": 0.1, "errors": [-0.5]}  # fmt: skip
    often = {**interval, "metric": "p50_s", "errors": [0.1, -0.2, 0.3, 0.0]}
    unbounded = {**interval, "metric": "p99_s", "high": None, "errors": [], "noise": 0.0}
    trust = trust_of(asked(agreement())).to_json()
    trust["intervals"] = [often, interval, unbounded]
    write_projection(tmp_path, collapses=0, replications=10, trust=trust)
    found = words_of(tmp_path / "projection.json").of["projection"]
    assert "Not extrapolated" in found
    assert "register p95 30 ms 3 ms 300 ms −50 % ±10 %" in found
    assert "−20 % to +30 % (4 levels)" in found
    assert "p99 30 ms 3 ms unknown never compared" in found


def test_a_model_that_was_never_checked_claims_nothing(tmp_path: Path) -> None:
    trust = trust_of(asked(None)).to_json()
    write_projection(tmp_path, collapses=0, replications=10, trust=trust)
    found = words_of(tmp_path / "projection.json").of["projection"]
    assert "never checked: run surge verify" in found
    assert "It rests on" not in found
