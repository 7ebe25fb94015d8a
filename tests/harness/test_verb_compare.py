"""`surge compare`: the same is the same, a planted regression is found, unlike runs are refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.comparison import Comparison, Resampled, Side, Tolerance, Visits, compare_runs
from workload.history import History, Observation, write_history
from workload.manifest import Bending, Manifest
from workload.visit import Ending, Outcome

Verb = Callable[..., Any]
MANIFEST = Manifest("measured", "planted", "a" * 12, 3, Bending((0.0, 60.0)))


def side(
    seed: int, median_s: float = 0.05, slow_s: float = 0.0, failed: float = 0.0, visits: int = 1500
) -> Side:
    """A run of one step: exponential latencies, `slow_s` more in one of ten, some failed."""
    chance = np.random.default_rng(seed)
    took = median_s * (0.5 + chance.exponential(0.7, visits))
    took += np.where(chance.random(visits) < 0.1, slow_s, 0.0)
    lost = chance.random(visits) < failed
    rows = [
        Observation(
            at, 0, 1, at * 40_000_000, at * 40_000_000, at * 40_000_000,
            at * 40_000_000 + round(took[at] * 1e9),
            Outcome.READ_TIMEOUT if lost[at] else Outcome.ACCEPTED,
            0 if lost[at] else 201,
            Ending.GAVE_UP if lost[at] else Ending.FINISHED,
        )
        for at in range(visits)
    ]  # fmt: skip
    return Side(Path(f"run-{seed}"), MANIFEST, History.of(("register",), rows), 0.001)


def worse(found: Comparison) -> set[str]:
    return {row.metric for row in found.rows if row.verdict == "worse"}


def test_a_run_is_no_regression_of_itself_nor_of_other_luck() -> None:
    """The same latencies on another seed: every interval holds zero, or the change is small."""
    for seed in (1, 2, 3, 4, 5):
        assert not compare_runs(side(1), side(seed), Tolerance()).regression


@pytest.mark.parametrize(
    ("planted", "metrics"),
    [
        ({"median_s": 0.08}, {"p50_s", "p95_s", "p99_s"}),
        ({"slow_s": 0.5}, {"p95_s", "p99_s"}),
        ({"failed": 0.02}, {"failed", "p99_s"}),
    ],
)
def test_a_planted_regression_is_found_by_the_figures_it_shows_in(
    planted: dict[str, Any], metrics: set[str]
) -> None:
    """All slower; one in ten slower; one in fifty failed. The other way round it is better."""
    found = compare_runs(side(1), side(2, **planted), Tolerance())
    assert worse(found) >= metrics
    back = compare_runs(side(2, **planted), side(1), Tolerance())
    assert worse(back) == set()
    assert {row.metric for row in back.rows if row.verdict == "better"} >= metrics


def test_what_is_worse_but_small_is_the_same() -> None:
    """30 % of two milliseconds is what a neighbour does; a floor of a microsecond sees it."""
    before, after = side(1, 0.002), side(2, 0.0026)
    assert not compare_runs(before, after, Tolerance()).regression
    assert compare_runs(before, after, Tolerance(floor_s=1e-6)).regression


def test_a_tail_that_never_ends_is_worse_than_any_number() -> None:
    """The 99th percentile is infinite when 2 % failed: null in JSON, worse in words."""
    row = next(
        row
        for row in compare_runs(side(1), side(2, failed=0.02), Tolerance()).rows
        if row.metric == "p99_s"
    )
    assert (row.after, row.verdict) == (float("inf"), "worse")


def test_a_percentile_of_few_visits_is_unknown() -> None:
    """300 visits in 12 s have a median and no 99th percentile; 50 in 2 s have no interval."""

    def verdicts(visits: int) -> dict[str, str]:
        found = compare_runs(side(1, visits=visits), side(2, visits=visits), Tolerance())
        return {row.metric: row.verdict for row in found.rows}

    assert (verdicts(300)["p99_s"], verdicts(300)["p50_s"]) == ("unknown", "same")
    assert verdicts(50)["p50_s"] == "unknown"


def test_the_interval_covers_the_truth_about_19_times_in_20() -> None:
    """200 pairs of equal worlds: the interval of the median's change holds zero in 180 to 200."""
    held = 0
    for pair in range(200):
        chance = np.random.default_rng(pair)
        worlds = [
            Visits(chance.exponential(1.0, 300), np.arange(300, dtype=np.int64) // 5)
            for _ in range(2)
        ]
        one, other = (Resampled(world, salt).quantile(0.5) for salt, world in enumerate(worlds))
        low, high = np.quantile(other[1:] / one[1:] - 1, (0.025, 0.975))
        held += low <= 0 <= high
    assert 180 <= held <= 200


def test_the_same_runs_give_the_same_interval() -> None:
    """Resampling is seeded: a verdict does not depend on when it is asked for."""
    first = compare_runs(side(1), side(2), Tolerance())
    assert first == compare_runs(side(1), side(2), Tolerance())


def kept(one: Side, directory: Path, **changes: Any) -> Path:
    """A run directory of a side."""
    directory.mkdir()
    write_history(directory, one.history)
    replace(one.manifest, **changes).write(directory)
    return directory


def test_the_verb_exits_4_on_a_regression_and_0_without(
    verb: Verb, tmp_path: Path, json_faults: Callable[[Any], list[str]]
) -> None:
    """One object for programs; the worse figures for people."""
    before, after = kept(side(1), tmp_path / "a"), kept(side(2, 0.1), tmp_path / "b")
    answer = verb("compare", str(before), str(after), "--json")
    assert answer.code == 4
    assert answer.found["regression"] is True
    assert json_faults(answer.found) == []
    assert "A regression" in answer.told
    same = verb("compare", str(before), str(before), "--json")
    assert (same.code, same.found["regression"]) == (0, False)
    assert "No regression" in same.told


def test_runs_of_unlike_experiments_are_refused(verb: Verb, tmp_path: Path) -> None:
    """Another scenario, another bending, a run that is not valid: exit 2, and which."""
    before = kept(side(1), tmp_path / "a")
    other = kept(
        side(2), tmp_path / "b", fingerprint="b" * 12, bending=Bending((0.0, 60.0), thin=0.5)
    )
    answer = verb("compare", str(before), str(other))
    assert answer.code == 2
    assert "2 faults" in answer.told
    assert "thin" in answer.told
    broken = kept(side(2), tmp_path / "c", status="invalid", reasons=("schedule not kept",))
    answer = verb("compare", str(before), str(broken))
    assert answer.code == 2
    assert "schedule not kept" in answer.told


def test_what_else_changed_is_said_beside(verb: Verb, tmp_path: Path) -> None:
    """Machine, settings, and a generator that was late itself."""
    before = kept(side(1), tmp_path / "a", capacity={"pool": 8}, generator={"lag_p99_s": 0.001})
    after = kept(
        side(2), tmp_path / "b", capacity={"pool": 4}, generator={"lag_p99_s": 0.05},
        machine={"cores": 1},
    )  # fmt: skip
    notes = verb("compare", str(before), str(after), "--json").found["notes"]
    assert len(notes) == 3
    assert any("pool was 8 and is 4" in note for note in notes)
    assert any("generator itself was late" in note for note in notes)
