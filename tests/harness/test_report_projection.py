"""What the report says of a model: its errors beside every projection, no mean across two peaks."""

from pathlib import Path

import pytest

from harness.projection_tables import in_brackets
from harness.report.projected import checkpoints
from harness.report.units import share
from tests.harness.report_runs import Words, words_of, write_demo, write_projection, write_run
from workload.manifest import write_json
from workload.scenario import COUNTS, load_scenario


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Words:
    """The report of a folder as `surge demo` leaves it."""
    folder = write_demo(tmp_path_factory.mktemp("runs") / "demo")
    return Words((folder / "report.html").read_text())


def test_predictions_outside_of_the_band_stand_out(words: Words) -> None:
    """Signed, beside the noise, with the held-out level apart."""
    found = words.of["agreement"]
    assert (
        "On unseen load 5 of 6 predictions lie in their band; the worst is p95 of register, +52 %"
        in found
    )
    assert "62 visitors a second (held out: the model had not seen it)" in found
    assert "p95 20 ms ±3 % 30.4 ms +52 % outside" in found
    assert "Saturation: predicted 90/s, measured 100/s, error −10 %." in found
    assert "p95 +52 % (register)" in words.of["projection"]
    assert "the worst p95 of register (+52 %)" in words.of["next"]


def test_a_projection_that_was_never_checked_says_so(tmp_path: Path) -> None:
    """Above its figures, in the verdict, and among the limits."""
    write_projection(tmp_path, collapses=0, replications=10)
    words = words_of(tmp_path / "projection.json")
    for section in ("verdict", "projection"):
        assert "how far this projection may be trusted is not known" in words.of[section]
    assert "never compared with a measurement" in words.of["limits"]
    assert "Missing: there is no run directory" in words.of["validity"]


def test_two_peaks_are_never_averaged(tmp_path: Path) -> None:
    """Five of ten replications collapse: the chance is shown, and no mean across both."""
    write_run(tmp_path / "demo" / "held-out-1")
    write_projection(tmp_path / "demo", collapses=5, replications=10)
    words = words_of(tmp_path / "demo")
    assert "it collapses in 5 of 10 replications" in words.of["verdict"]
    found = words.of["projection"]
    assert "its probability is between 19 % and 81 % (95 %)" in found
    assert "Two outcomes are possible." in found
    for mean in ("2.22 ms", "31 ms", "87.1 %", "123 ms", "1,400,000"):
        assert mean not in found
    assert "withheld" in found
    assert "? unknown" in words.of["verdict"].partition("Projected")[2]


def test_figures_of_one_outcome_are_shown(words: Words) -> None:
    """The same figures, where no replication collapsed."""
    found = words.of["projection"]
    for figure in ("2.22 ms", "31 ms", "87.1 %", "123 ms", "1,400,000", "−2.2 %", "never"):
        assert figure in found
    assert "input: the demand" in found
    assert "they are inputs, and that they come out again shows no agreement" in found


@pytest.mark.parametrize(
    ("reading", "identity", "joined"),
    [
        ("two_snapshots", 0.10, "fitted: a pause before it was solved to meet it"),
        ("counts", 0.30342, f"drop-out of {share(0.38214)} is an input"),
    ],
)
def test_each_count_says_whether_it_was_put_in_or_fitted(
    reading: str, identity: float, joined: str
) -> None:
    """None of those of 2020 is called predicted, in the report and on the command line."""
    scenario = load_scenario("prakerja-2020", reading)
    point = dict.fromkeys(COUNTS, 1.0) | {"hours": 21, "published": {}}
    raw = {"collapse": {"count": 0}, "replications": 1, "checkpoints": [point]}
    raw["scenario"] = {"name": scenario.name, "reading": reading}
    roles = {row.column: row.role for row in checkpoints(raw, scenario)}
    assert roles["registered"] == "input: the demand"
    assert roles["identity_verified"] == (
        f"drop-out of {share(identity)} and the registry's rate are inputs"
    )
    assert roles["joined"] == joined
    told = in_brackets(scenario.readings[reading], COUNTS)
    assert ("what was *fitted*: joined." in told) == joined.startswith("fitted")


def test_an_uncalibrated_step_is_marked(words: Words) -> None:
    """By a callout, beside its figures, and as something to do."""
    assert "Uncalibrated: await identity." in words.of["projection"]
    assert "await identity uncalibrated" in words.of["projection"]
    assert "Calibrate await identity: drive longer" in words.of["next"]


def test_nothing_published_is_held_against_a_bent_projection(tmp_path: Path) -> None:
    """Five minutes of the opening are another wave than the one of 2020."""
    write_run(tmp_path / "demo" / "held-out-1")
    bending = {"window_s": [0, 5], "thin": 1.0, "population": None, "speed": 1.0, "pauses": 1.0}
    write_projection(tmp_path / "demo", collapses=0, replications=10, bending=bending)
    found = words_of(tmp_path / "demo").of["projection"]
    assert "nothing published compares with it" in found
    assert "1,432,133" not in found


def band(median: float, reach: float | None = None) -> dict[str, list[float] | None]:
    """Two cells of this median; the bands reach as far on both sides."""
    ends = {
        f"{side}_{level}": None if reach is None else [median + sign * reach] * 2
        for level in (80, 95)
        for side, sign in (("low", -1), ("high", 1))
    }
    return {"median": [median, median], **ends}


def course(*bundles: tuple[str, int, float, float], reach: float | None = 1.0) -> dict[str, object]:
    """A projection over time of (outcome, replications, answered a second, waiting)."""
    runs = sum(bundle[1] for bundle in bundles)
    return {
        "band": "pointwise",
        "cell_s": 1800.0,
        "cells": 2,
        "station": "registry_client",
        "bundles": [
            {
                "outcome": outcome,
                "replications": held,
                "share": held / runs,
                "steps": {
                    "register": {
                        "offered_per_s": [100.0, 100.0],
                        "achieved_per_s": band(answered, reach),
                    }
                },
                "queue": band(waiting, reach),
            }
            for outcome, held, answered, waiting in bundles
        ],
    }


def test_two_outcomes_over_time_are_two_bundles(tmp_path: Path) -> None:
    """Each with its share, its own line, and what it comes to; what lies between is nowhere."""
    both = course(("collapsed", 4, 30.0, 9_000.0), ("clean", 6, 100.0, 50.0))
    write_projection(tmp_path, collapses=4, replications=10, over_time=both)
    found = words_of(tmp_path / "projection.json").of["projection"]
    assert (
        "4 of 10 runs collapse: the line at the registry client reaches 9,000 in those, "
        "50 in the others" in found
    )
    assert "those answer 30 % of register, the others 100 %" in found
    assert "6 of 10 runs do not" in found
    assert "Bands are pointwise" in found
    assert "the bands of 80 % and 95 % reach from the lowest to the highest" in found
    for between in ("65", "72", "3,630", "4,525"):
        assert between not in found.partition("Over time")[2].partition("Bands are")[0]


def test_one_outcome_over_time_is_one_bundle(tmp_path: Path) -> None:
    """The title says how long the line gets, and when; the band stays pointwise."""
    write_projection(
        tmp_path, collapses=0, replications=60, over_time=course(("all", 60, 80.0, 420.0))
    )
    found = words_of(tmp_path / "projection.json").of["projection"]
    assert "The line at the registry client reaches 420 after 30 min (median of 60 runs)" in found
    assert "Register falls behind most: 80 % is answered" in found
    assert "419 to 421 in 80 % of the runs" in found
    assert "Of so few runs" not in found


def test_a_single_replication_is_drawn_without_a_band(tmp_path: Path) -> None:
    """And says so; nothing of it is called a median of several."""
    alone = course(("all", 1, 100.0, 420.0), reach=None)
    write_projection(tmp_path, collapses=0, replications=1, over_time=alone)
    found = words_of(tmp_path / "projection.json").of["projection"]
    assert "Of a single run there is no band." in found
    assert "Every step is answered as it is begun" in found
    assert "median of" not in found


def test_a_projection_without_a_course_draws_none(words: Words) -> None:
    """As kept from before there was one."""
    assert "Over time" not in words.of["projection"]


ANSWER = "quota 8 is 2 (25 %) on the safe side of the cliff: 6 collapses, 7 does not"


def flow_map() -> dict[str, object]:
    """Quotas of 6, 7 and 8 checks a second, of which 6 collapses; 8 was simulated four times."""
    full = {
        "x": 8.0, "y": 1.0, "collapses": 0, "replications": 4, "low": 0.0, "high": 0.6,
        "two_peaked": False, "lost": 0.0, "lost_clean": 0.0, "lost_collapsed": None,
    }  # fmt: skip
    lost = {6.0: 0.31, 7.0: 0.02, 8.0: 0.01}
    return {
        "method": "flows",
        "answer": ANSWER,
        "axes": [
            {"name": "quota", "values": list(lost)},
            {"name": "demand", "values": [1.0]},
        ],
        "points": [
            {"x": x, "y": 1.0, "lost": share, "collapses": share > 0.05}
            for x, share in lost.items()
        ],
        "full_size": [full],
        "edge": {"y": 1.0, "at": 6.0, "safe": 7.0, "chosen": 8.0, "units": 2.0, "share": 0.25},
        "confirmed": False,
    }


def test_the_distance_to_the_cliff_stands_beside_the_verdict(tmp_path: Path) -> None:
    """In units and per cent; the map shows what is lost, and what was simulated."""
    write_projection(tmp_path, collapses=0, replications=10, cliff=flow_map())
    words = words_of(tmp_path / "projection.json")
    assert f"Q{ANSWER[1:]}." in words.of["verdict"]
    found = words.of["projection"]
    assert "How far to the cliff" in found
    assert "31%!" in found
    assert "0 of 4" in found
    assert "blind near the edge" in found


def test_a_map_that_was_computed_for_itself_stands_there_too(tmp_path: Path) -> None:
    """`surge cliff --json`, kept as cliff.json beside the projection."""
    write_projection(tmp_path, collapses=0, replications=10)
    kept = {"schema": "surge/cliff/1", "answer": "slots 5 is 1 (20 %) on the safe side"}
    write_json(tmp_path / "cliff.json", kept)
    words = words_of(tmp_path)
    assert "Slots 5 is 1 (20 %) on the safe side." in words.of["verdict"]


def test_without_a_map_nothing_is_said_of_a_cliff(words: Words) -> None:
    """Neither a distance nor a place for one, and nobody is told that it is missing."""
    assert "cliff" not in " ".join(words.of.values()).lower()
