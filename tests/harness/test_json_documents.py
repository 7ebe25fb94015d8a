"""The documented JSON: each schema is sound, strict where it says so, and holds what is printed."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness import CHECKOUT
from harness.cli import VERBS, main

Verb = Callable[..., Any]
Faults = Callable[[Any], list[str]]
DOCUMENTS = CHECKOUT / "docs" / "json"
NAMES = [json.loads(p.read_text())["properties"]["schema"]["const"] for p in DOCUMENTS.iterdir()]


def without_one_key(schema: dict[str, Any], found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The object with each required key taken out in turn."""
    for key in schema["required"]:
        lacking = copy.deepcopy(found)
        del lacking[key]
        yield lacking


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_schema_is_sound_and_named_in_the_document(
    name: str, documented: dict[str, Any]
) -> None:
    """A valid JSON Schema, in a file of its name, with a line in docs/json.md."""
    Draft202012Validator.check_schema(documented[name])
    _, kind, version = name.split("/")
    assert (DOCUMENTS / f"{kind}-{version}.schema.json").is_file()
    assert f"| `{name}` |" in (DOCUMENTS.parent / "json.md").read_text()


def test_the_document_names_no_schema_that_is_not_there() -> None:
    """Nothing is promised that has no file."""
    text = (DOCUMENTS.parent / "json.md").read_text()
    named = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `surge/")}
    assert named == set(NAMES)


@pytest.mark.parametrize("verb", VERBS)
def test_every_schema_that_a_help_text_names_is_documented(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who reads that --json prints surge/x/1 finds its schema; each verb with --json names one."""
    actions = ("check", "list") if verb == "scenario" else ("",)
    for action in actions:
        with pytest.raises(SystemExit):
            main([verb, *action.split(), "--help"])
        text = capsys.readouterr().out
        named = set(re.findall(r"surge/[a-z-]+/\d+", text))
        assert named <= set(NAMES)
        assert bool(named) == ("--json" in text)


def test_what_this_machine_has_is_as_documented(verb: Verb, json_faults: Faults) -> None:
    """`surge doctor --json`, whatever it finds."""
    assert json_faults(verb("doctor", "--json").found) == []


@pytest.fixture
def projected(verb: Verb, model_file: Path, tmp_path: Path) -> dict[str, Any]:
    """A small projection with a trace beside it."""
    answer = verb(
        "simulate", "smoke", "--engine", "simpy", "--window", "0s..8s", "--horizon", "2m",
        "--model", str(model_file), "--trace", str(tmp_path / "trace"), "--json",
    )  # fmt: skip
    found: dict[str, Any] = answer.found
    return found


def test_what_is_simulated_and_kept_is_as_documented(
    projected: dict[str, Any],
    model_file: Path,
    tmp_path: Path,
    documented: dict[str, Any],
    json_faults: Faults,
) -> None:
    """The projection, the model, and the files of a traced run."""
    trace = tmp_path / "trace"
    kept = [json.loads((trace / name).read_text()) for name in ("manifest.json", "summary.json")]
    model = json.loads(model_file.read_text())
    for found in (projected, model, *kept):
        assert json_faults(found) == [], found["schema"]
        for lacking in without_one_key(documented[found["schema"]], found):
            if "schema" in lacking:
                assert json_faults(lacking) != []


def test_a_value_of_another_kind_is_found(projected: dict[str, Any], json_faults: Faults) -> None:
    """Planted: a percentile as text, a probability above 1, a verdict that is none."""
    planted = copy.deepcopy(projected)
    planted["steps"]["register"]["p99_s"] = "fast"
    planted["collapse"]["high"] = 1.5
    planted["objectives"][0]["verdict"] = "fine"
    assert len(json_faults(planted)) == 3


def test_scenarios_are_as_documented(verb: Verb, tmp_path: Path, json_faults: Faults) -> None:
    """Sound and faulty, and the list of them."""
    faulty = tmp_path / "faulty.toml"
    faulty.write_text('schema = "surge/scenario/1"\nname = 4\n')
    for arguments in (("check", "smoke"), ("check", str(faulty)), ("list",)):
        found = verb("scenario", *arguments, "--json").found
        assert json_faults(found) == []


@pytest.mark.slow
def test_what_is_measured_is_as_documented(verb: Verb, real_run: Any, json_faults: Faults) -> None:
    """What `load`, `calibrate` and `audit` print, and the files of the run directory."""
    path = real_run.path
    printed = [verb(name, str(path), "--json").found for name in ("calibrate", "audit")]
    kept = [json.loads((path / name).read_text()) for name in ("manifest.json", "summary.json")]
    for found in (real_run.answer.found, *printed, *kept):
        assert json_faults(found) == [], found["schema"]
