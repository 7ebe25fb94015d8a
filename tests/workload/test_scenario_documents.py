"""What people write scenarios by: JSON Schema and docs/scenarios.md say what the reader does."""

import copy
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from workload.errors import ScenarioError
from workload.population import PROVINCES
from workload.reader import Reader
from workload.scenario import BUILT_IN, Scenario, built_in, load_scenario, scenario_from
from workload.toml_text import toml_text

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((BUILT_IN.parent / "scenario.schema.json").read_text())
PAGE = (ROOT / "docs" / "scenarios.md").read_text()
VALIDATOR = Draft202012Validator(SCHEMA)

# One of everything that a scenario can say.
EVERYTHING = tomllib.loads("""
schema = "surge/scenario/1"
name = "everything"
question = "?"
seed = 1
journey = "reference"
objectives = ["p(99) register < 800ms"]
checkpoints_h = [1]
reading = "r"
patience = { timeout_s = 1 }
arrivals = { duration = 1, opens_at = "01:00", population = 5, deterministic = true, parts = [
    { shape = "constant", start = 0, end = "1s", per_s = 1 },
    { shape = "ramp", start = 0, end = 1, from_per_s = 1, to_per_s = 2 },
    { shape = "burst", start = 0, people = 5, decay_s = 1 },
    { shape = "daily", mean_per_h = 5, swing = 0.5, busiest = "12:00" },
] }
people = { mistyped = 0.1, domain = "example.com", provinces = { Bali = 1 } }
opening = { policy = "by-province", groups = [{ opens = "1h", provinces = ["Bali"] }] }
attack = { per_s = 1, start = 0, end = 1, steps = ["open_site"], attempts = 3, timeout_s = 1 }
steps = [{ name = "open_site" }, { name = "register", pause = [1, 2], patience = { jitter = 1 } },
    { name = "join_wave" }]
draw = { closes = "2m", drawn = "3m", seats = 5 }
support = { share = 0.1, pause = 1, patience = { attempts = 1 } }
[readings.r]
why = "w"
drop_out = { register = 0.1 }
pause = { register = 2 }
fitted = ["joined"]
published = [{ hours = 1, registered = 1, email_verified = 1, identity_verified = 1, joined = 1 }]
""")
# The same, by each policy of the opening: a group of one has no use for another's keys.
EVERY_OPENING = [
    {**EVERYTHING, "opening": {"policy": policy, "groups": [{"opens": 1, key: value}]}}
    for policy, key, value in (
        ("by-province", "provinces", ["Bali"]),
        ("by-birth-date", "years", [1956, 1975]),
        ("by-birth-date", "days", [1, 15]),
        ("waves", "share", 0.5),
    )
]
EVERYWHERE = {
    r"\[\d+\]": "[]",
    r"^readings\.[^.]+": "readings.*",
    r"\.drop_out\.\w+$": ".drop_out.*",
    r"^readings\.\*\.pause\.\w+$": "readings.*.pause.*",
    r"\.provinces\.[\w ]+$": ".provinces.*",
}


def plain(path: str) -> str:
    """A key's path without the names and numbers that people choose."""
    for pattern, replacement in EVERYWHERE.items():
        path = re.sub(pattern, replacement, path)
    return path


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Paths of every key that the reader asks for, while it reads EVERYTHING."""
    found: set[str] = set()

    def watched(method: Callable[..., Any]) -> Callable[..., Any]:
        def watching(reader: Reader, name: str, *more: Any, **named: Any) -> Any:
            found.add(plain(reader.key(name)))
            return method(reader, name, *more, **named)

        return watching

    for name in ("take", "child", "children"):
        monkeypatch.setattr(Reader, name, watched(getattr(Reader, name)))
    for table in EVERY_OPENING:
        scenario_from(table, "everything")
    return found


def properties(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, schema) of every key of a JSON schema; a named table's keys are `*`."""
    if schema.get("$ref") == "#/$defs/duration":
        return  # one value, in several forms
    if "$ref" in schema:
        schema = {**SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], **schema}
        del schema["$ref"]
    dot = f"{path}." if path else ""
    for name, inner in schema.get("properties", {}).items():
        yield dot + name, inner
        yield from properties(inner, dot + name)
    for inner in schema.get("oneOf", ()):
        yield from properties(inner, path)
    if isinstance(schema.get("items"), dict):
        yield from properties(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield f"{path}.*", schema["additionalProperties"]
        yield from properties(schema["additionalProperties"], f"{path}.*")


def test_the_schema_is_one() -> None:
    """Of draft 2020-12, and of the schema that the reader reads."""
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == SCHEMA["properties"]["schema"]["const"] == "surge/scenario/1"


@pytest.mark.parametrize("name", built_in())
def test_every_built_in_scenario_fits_the_schema(name: str) -> None:
    """As written, and with its defaults filled in as a run directory has it."""
    written = tomllib.loads((BUILT_IN / f"{name}.toml").read_text())
    filled = tomllib.loads(load_scenario(name).to_toml())
    for table in (written, filled):
        assert [error.message for error in VALIDATOR.iter_errors(table)] == []


@pytest.mark.parametrize("name", built_in())
def test_every_built_in_scenario_names_the_schema_for_editors(name: str) -> None:
    """By a comment in its first line that leads to the file."""
    first = (BUILT_IN / f"{name}.toml").read_text().splitlines()[0]
    assert first == "#:schema ../scenario.schema.json"
    assert (BUILT_IN / first.removeprefix("#:schema ")).resolve().is_file()


def test_the_schema_has_the_keys_that_the_reader_takes(taken: set[str]) -> None:
    """All of them, and no other."""
    schema_keys = {path for path, _ in properties(SCHEMA)}
    schema_keys -= {"readings.*"}  # a name of the person's choice
    assert taken - {"readings.*"} == schema_keys


def test_the_schema_has_the_provinces_of_the_population() -> None:
    """By name."""
    named = SCHEMA["$defs"]["people"]["properties"]["provinces"]["propertyNames"]["enum"]
    assert sorted(named) == sorted(PROVINCES.values())


def defaults_of(scenario: Scenario) -> dict[str, Any]:
    """Path -> what the reader filled in."""
    found: dict[str, Any] = {}

    def visit(value: Any, path: str) -> None:
        found.setdefault(plain(path), value)
        items: Any = value.items() if isinstance(value, dict) else ()
        for key, inner in items:
            visit(inner, f"{path}.{key}" if path else key)
        for inner in value if isinstance(value, list) else ():
            visit(inner, f"{path}[]")

    visit(scenario.table, "")
    return found


def test_the_schemas_defaults_are_what_the_reader_fills_in() -> None:
    """Of a scenario that says as little as it may."""
    part = {"shape": "burst", "people": 5, "decay_s": 1}
    least = {
        "schema": "surge/scenario/1",
        "name": "least",
        "arrivals": {"duration": 1, "parts": [part]},
        "steps": [{"name": "open_site"}],
        "support": {"share": 0.1},
        "readings": {"r": {}},
        "attack": {"per_s": 1},
    }
    filled = defaults_of(scenario_from(least, "least"))
    stated = {path: inner["default"] for path, inner in properties(SCHEMA) if "default" in inner}
    assert len(stated) > 20
    assert {path: filled[path] for path in stated} == stated


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("seed",), 1.5),
        (("tiemout",), 1),
        (("journey",), "mine"),
        (("arrivals", "duration"), "soon"),
        (("arrivals", "duration"), -1),
        (("arrivals", "population"), 0),
        (("arrivals", "parts"), []),
        (("arrivals", "parts", 0, "shape"), "sine"),
        (("arrivals", "parts", 0, "per_m"), 1),
        (("people", "domain"), "gmail.com"),
        (("people", "provinces"), {"Java": 1}),
        (("opening", "policy"), "by-name"),
        (("opening", "policy"), "everyone"),
        (("opening", "groups"), []),
        (("opening", "groups", 0, "opens"), "later"),
        (("opening", "groups", 0, "share"), 0.5),
        (("attack", "per_s"), 0),
        (("attack", "steps"), []),
        (("attack", "rate"), 5),
        (("patience", "attempts"), 0),
        (("steps", 1, "pause"), {"median_s": 1}),
        (("steps", 1, "mail"), "spam"),
        (("support",), {}),
        (("support", "share"), 0),
        (("support", "number"), "123"),
        (("draw",), {"closes": 5}),
        (("draw", "closes"), "soon"),
        (("draw", "seats"), 0),
        (("draw", "quota"), 5),
        (("readings", "r", "published"), [{"hour": 1}]),
        (("readings", "r", "fitted"), ["left"]),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(path: tuple[Any, ...], value: object) -> None:
    """So an editor marks it while it is typed."""
    table: Any = copy.deepcopy(EVERYTHING)
    *parents, last = path
    at = table
    for parent in parents:
        at = at[parent]
    at[last] = value
    assert not VALIDATOR.is_valid(table)
    with pytest.raises(ScenarioError):
        scenario_from(table, "a test")


@pytest.mark.parametrize("table", EVERY_OPENING)
def test_everything_at_once_fits_both(table: dict[str, Any]) -> None:
    """The schema and the reader agree on a scenario that uses every key."""
    assert [error.message for error in VALIDATOR.iter_errors(table)] == []
    assert scenario_from(table, "everything").name == "everything"


def documented() -> dict[str, str]:
    """Path -> default, of every key in the tables of docs/scenarios.md, under `## Keys`."""
    prefixes = {
        "The scenario": "",
        "`[arrivals]`": "arrivals.",
        "`[[arrivals.parts]]`": "arrivals.parts[].",
        "`[people]`": "people.",
        "`[opening]`": "opening.",
        "`[[opening.groups]]`": "opening.groups[].",
        "`[attack]`": "attack.",
        "`[patience]`": "patience.",
        "`[[steps]]`": "steps[].",
        "`[support]`": "support.",
        "`[draw]`": "draw.",
        "`[readings.NAME]`": "readings.*.",
        "`[[readings.NAME.published]]`": "readings.*.published[].",
    }
    keys = PAGE.partition("\n## Keys\n")[2].partition("\n## ")[0]
    sections = re.split(r"^### ", keys, flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections] == list(prefixes)
    found = {}
    for section in sections:
        title, *lines = section.splitlines()
        for line in lines:
            if line.startswith("| `"):
                cells = [cell.strip() for cell in line.strip("|").split(" |")]
                found[prefixes[title] + cells[0].strip("`")] = cells[-2]
    return found


def test_every_key_is_documented(taken: set[str]) -> None:
    """In the table of its place; no other key is."""
    wanted = {
        path
        for path in taken
        if not path.endswith(".*")
        and not path.startswith(("steps[].patience.", "support.patience."))
    }
    assert set(documented()) == wanted


def test_the_documented_defaults_are_the_schemas() -> None:
    """Written as in TOML; `required` where the schema requires the key."""
    stated = documented()
    checked = 0
    for path, inner in properties(SCHEMA):
        if "default" in inner and path in stated:
            text = toml_text({"key": inner["default"]}).removeprefix("key = ").strip()
            assert stated[path] == f"`{text}`", path
            checked += 1
    assert checked > 20


def test_the_example_of_the_page_loads() -> None:
    """As it stands."""
    example = PAGE.partition("```toml\n")[2].partition("```")[0]
    assert scenario_from(tomllib.loads(example), "the example").name == "first"


def test_every_built_in_scenario_is_on_the_page() -> None:
    """And no other."""
    section = PAGE.partition("## The built-in ones")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE)) == set(built_in())


def test_every_key_of_the_schema_is_explained() -> None:
    """An editor shows it: at the key, or at what it refers to."""
    silent = [
        path
        for path, inner in properties(SCHEMA)
        if "$ref" not in inner and "description" not in inner and not path.endswith(".*")
        if path not in {"steps", "arrivals.parts", "people.provinces"}
    ]
    assert silent == []
