"""`surge scenario`: every fault at once; what the built-in ones ask."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Verb = Callable[..., Any]

FAULTY = """
schema = "surge/scenario/1"
name = "faulty"
sede = 4
objectives = ["p(99) register < soon"]
[arrivals]
duration = "a while"
[[arrivals.parts]]
shape = "constant"
per_s = 5
[people]
[[steps]]
name = "open_site"
"""


def test_a_scenario_with_three_faults_lists_all_three(verb: Verb, tmp_path: Path) -> None:
    """Each with its key, its value and the remedy; exit 2."""
    file = tmp_path / "faulty.toml"
    file.write_text(FAULTY)
    answer = verb("scenario", "check", str(file))
    assert answer.code == 2
    for part in ("sede = 4", "did you mean `seed`?", "arrivals.duration = 'a while'", "soon"):
        assert part in answer.told


def test_programs_get_the_faults_as_data(verb: Verb, tmp_path: Path) -> None:
    """`--json`: one object, also when the file is not even TOML."""
    file = tmp_path / "faulty.toml"
    file.write_text(FAULTY)
    found = verb("scenario", "check", str(file), "--json").found
    assert (found["schema"], found["ok"]) == ("surge/scenario-check/1", False)
    assert {fault["key"] for fault in found["faults"]} == {
        "sede", "arrivals.duration", "objectives[0]",
    }  # fmt: skip
    file.write_text("= no TOML")
    answer = verb("scenario", "check", str(file), "--json")
    assert (answer.code, len(answer.found["faults"])) == (2, 1)


def test_a_sound_scenario_says_what_it_amounts_to(verb: Verb) -> None:
    """People, peak minute, steps, readings."""
    answer = verb("scenario", "check", "prakerja-2020", "--json")
    assert answer.code == 0
    assert answer.found["population"] == pytest.approx(3_730_000, rel=1e-3)
    assert answer.found["peak_minute"]["people"] == pytest.approx(80_000, rel=0.02)
    assert answer.found["reading"] == "two_snapshots"
    told = verb("scenario", "check", "prakerja-2020").told
    assert "is sound" in told
    assert "two_snapshots, counts, percentages" in told


def test_a_reading_can_be_named_and_an_unknown_one_is_a_fault(verb: Verb) -> None:
    """The remedy lists those that there are."""
    good = verb("scenario", "check", "prakerja-2020", "--reading", "counts", "--json")
    assert good.found["reading"] == "counts"
    bad = verb("scenario", "check", "prakerja-2020", "--reading", "tea_leaves")
    assert bad.code == 2
    assert "two_snapshots, counts, percentages" in bad.told


def test_the_list_has_every_built_in_scenario_and_its_question(verb: Verb) -> None:
    """No built-in one without a question that it answers."""
    found = verb("scenario", "list", "--json").found
    questions = {one["name"]: one["question"] for one in found["scenarios"]}
    assert set(questions) >= {"prakerja-2020", "smoke"}
    assert all(question.strip().endswith((".", "?")) for question in questions.values())
    assert "smoke" in verb("scenario", "list").told
