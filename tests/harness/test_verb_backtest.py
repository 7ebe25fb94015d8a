"""`surge backtest`: built in and from a file, for programs and for people, and clear refusals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import CHECKOUT
from tests.harness.conftest import surge

Verb = Callable[..., Any]
Faults = Callable[[Any], list[str]]
NATION = ("backtest", "prakerja-2020")
FILE = """\
hours,registered,email_verified,identity_verified,joined
21,1432133,1063028,624090,77834
50,2950000,2220000,1500000,926790
65,3730000,,,
"""


def told_in_lines(text: str) -> str:
    """Text without the padding of its tables."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


@pytest.mark.parametrize(
    ("until", "saturated", "supported"),
    [("21", "unknown", "saturated_registry"), ("50", ["registry_client"], None)],
)
def test_2020_is_built_in(
    verb: Verb, json_faults: Faults, until: str, saturated: object, supported: object
) -> None:
    """Fitted on 21 h, and on 21 h and 50 h."""
    answer = verb(*NATION, "--fit-until", until, "--json")
    found = answer.found
    assert answer.code == 0
    assert json_faults(found) == []
    assert (found["reading"], found["fit_until_h"]) == ("two_snapshots", float(until))
    assert (found["saturated"], found["supported"]) == (saturated, supported)
    assert {row["hours"] for row in found["predictions"]} == {50.0, 65.0} - {float(until)}


@pytest.mark.parametrize("reading", ["counts", "percentages"])
def test_every_reading_is_built_in(verb: Verb, json_faults: Faults, reading: str) -> None:
    found = verb(*NATION, "--fit-until", "21h", "--reading", reading, "--json").found
    assert json_faults(found) == []
    assert found["reading"] == reading
    rows = {row["measure"]: row for row in found["predictions"]}
    assert set(rows) == {"email_verified", "identity_verified", "joined"}
    for row in rows.values():
        assert row["error"] == pytest.approx(row["predicted"] / row["published"] - 1)


def test_a_file_says_what_a_reading_says(verb: Verb, tmp_path: Path, json_faults: Faults) -> None:
    """With the same snapshots the same fit; no reading is named, as none was used."""
    path = tmp_path / "snapshots.csv"
    path.write_text(FILE)
    by_file = verb(*NATION, "--fit-until", "50", "--snapshots", str(path), "--json").found
    built_in = verb(*NATION, "--fit-until", "50", "--json").found
    assert json_faults(by_file) == []
    assert by_file.pop("reading") is None
    assert built_in.pop("reading") == "two_snapshots"
    assert by_file == built_in


def test_people_are_told_what_can_not_be_told(verb: Verb) -> None:
    """Both fits, the errors with their signs, and the verdict last."""
    told = told_in_lines(verb(*NATION, "--fit-until", "21").told)
    assert "50 identity verified 1,500,000 1,486," in told
    assert "-0.9%" in told
    assert "Predicted: a constant share, and no limit" in told
    assert "saturated: unknown. These snapshots fit a saturated registry and a" in told
    assert told.rstrip().endswith("Later snapshots support a registry that is never idle.")


def test_with_nothing_later_nothing_is_predicted(verb: Verb) -> None:
    answer = verb(*NATION, "--fit-until", "65", "--json")
    assert answer.code == 0
    assert answer.found["predictions"] == []
    assert "No snapshot is later: nothing was predicted." in answer.told


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (("--fit-until", "0"), "--fit-until = '0': write hours above 0"),
        (("--fit-until", "nan"), "--fit-until = 'nan': write hours above 0"),
        (("--fit-until", "soon"), "--fit-until = 'soon': write hours above 0"),
        (("--fit-until", "20"), "no snapshot up to it has email_verified and identity_verified"),
        (("--fit-until", "21", "--reading", "tea_leaves"), "write one of two_snapshots"),
        (("--fit-until", "21", "--snapshots", "absent.csv"), "it can't be read"),
    ],
)
def test_bad_input_is_refused_with_the_remedy(
    verb: Verb, options: tuple[str, ...], refusal: str
) -> None:
    answer = verb(*NATION, *options)
    assert answer.code == 2
    assert refusal in answer.told


def test_a_scenario_without_readings_needs_a_file(verb: Verb) -> None:
    answer = verb("backtest", "smoke", "--fit-until", "21")
    assert answer.code == 2
    assert "give --snapshots FILE.csv" in answer.told


def test_the_document_shows_what_is_printed() -> None:
    """docs/backtest.md, its first example: every line of its last table and the verdict."""
    page = (CHECKOUT / "docs" / "backtest.md").read_text()
    shown = page.split("```text\n")[1].split("```")[0]
    told = told_in_lines(surge("backtest", "prakerja-2020", "--fit-until", "21").told)
    for line in told_in_lines(shown).splitlines():
        assert line in told, line
