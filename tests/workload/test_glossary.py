"""The glossary: every word of the house once, at home where it says."""

import ast
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from workload.manifest import Bending
from workload.visit import Ending, Outcome

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "glossary.md").read_text()
ROWS = re.findall(r"^\| (?!word)([^|]+?) \|(?: `([\w/.]+)` \|)?", PAGE, re.MULTILINE)
WORDS = [word for word, _ in ROWS if not word.startswith("-")]
HOMES = {word: home for word, home in ROWS if home}

#: Words that code uses, and no synonym of them.
PUBLIC = [
    *("Scenario", "ArrivalCurve", "Visitor", "Journey", "Step", "Patience"),
    *("Pause", "Attempt", "Outcome", "Ending", "Observation", "History", "Manifest"),
    *("Summary", "Objective", "Verdict", "Deployment", "ServiceModel", "Telemetry"),
    *("Projection", "Agreement", "Plan"),
]


def classes(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def table(title: str) -> list[str]:
    """Words of the table under a line that starts so."""
    return re.findall(r"^\| (?!word|-)([^|]+?) \|", PAGE.partition(f"\n{title}")[2].partition(
        "\n\n|")[2].partition("\n\n")[0], re.MULTILINE)  # fmt: skip


@pytest.mark.parametrize("word", PUBLIC)
def test_every_word_of_the_design_is_in_the_glossary(word: str) -> None:
    """With its home; where that file is there, it defines the class."""
    home = ROOT / HOMES[word]
    assert not home.exists() or word in classes(home)


def test_no_word_has_two_meanings() -> None:
    """Each stands in one table, once."""
    assert [word for word, count in Counter(WORDS).items() if count > 1] == []
    assert len(WORDS) > 80


def test_a_class_has_the_name_of_a_word_only_at_its_home() -> None:
    """Nobody else defines a class of the same name below the harness."""
    rooms = ("workload", "simulation", "loadtests")
    found = {
        (name, path.relative_to(ROOT).as_posix())
        for room in rooms
        for path in (ROOT / room).glob("**/*.py")
        for name in classes(path) & set(PUBLIC)
    }
    assert {(name, home) for name, home in found if HOMES[name] != home} == set()
    assert {"Scenario", "History", "ServiceModel"} <= {name for name, _ in found}


@pytest.mark.parametrize("home", sorted(set(HOMES.values()) - {"simulation/plan.py"}))
def test_a_home_is_there(home: str) -> None:
    """A file or a room of the checkout."""
    assert (ROOT / home).exists()


def test_outcomes_and_endings_are_those_of_the_code() -> None:
    """Each by its lower-case word, in the code's order."""
    assert table("Outcomes:") == [outcome.name.lower() for outcome in Outcome]
    assert table("Endings:") == [ending.name.lower() for ending in Ending]


def test_a_run_is_bent_in_the_ways_of_the_manifest() -> None:
    """The same names."""
    assert table("## How a run is bent") == [one.name for one in fields(Bending)]


def test_stations_are_those_of_the_service() -> None:
    """Read from its source: nobody imports the service."""
    tree = ast.parse((ROOT / "target_app" / "stations.py").read_text())
    (stations,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STATIONS"
    )
    assert table("Stations,") == list(stations)
