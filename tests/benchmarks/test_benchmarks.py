"""Each benchmark runs, at a size whose figures mean nothing, and prints what is documented."""

import json
import subprocess
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness import CHECKOUT, cli
from harness.errors import RunInvalid
from harness.verbs.bench import NAMES, measured

SCHEMA = json.loads((CHECKOUT / "docs" / "json" / "benchmark-1.schema.json").read_text())
#: What benchmarks share, which is none itself.
SHARED = {"__init__", "stand", "costs", "echo", "generators", "queue_cimba", "queue_peers"}
SIZE = 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_prints_one_object_as_documented(name: str) -> None:
    """With every figure that its schema promises, each of them above zero where it is a rate."""
    found = bench(name)
    assert faults(found) == []
    rates = {key: value for key, value in found["figures"].items() if key.endswith("_per_s")}
    assert [key for key, value in rates.items() if value is not None and not value > 0] == []
    promised = promises(name)
    assert promised != []
    for key in promised:
        lacking = {other: value for other, value in found["figures"].items() if other != key}
        assert faults({**found, "figures": lacking}) != []


@pytest.mark.slow
def test_the_engines_agree_at_every_station() -> None:
    """Bit for bit; no station is idle, so that the speed is that of all of them."""
    figures = bench("engine")["figures"]
    assert figures["equal"] is True
    assert figures["idle_stations"] == ""


def test_every_file_is_a_benchmark_with_a_name_and_short() -> None:
    """At most 200 lines, listed by the verb and in the schema."""
    files = {path.stem: path for path in (CHECKOUT / "benchmarks").glob("*.py")}
    assert set(files) - SHARED == set(NAMES) == set(SCHEMA["properties"]["name"]["enum"])
    long = [stem for stem, path in files.items() if len(path.read_text().splitlines()) > 200]
    assert long == []


def test_a_benchmark_says_what_is_compared_and_why_that_is_fair() -> None:
    """In its docstring, by these words."""
    texts = {name: (CHECKOUT / "benchmarks" / f"{name}.py").read_text() for name in NAMES}
    silent = [
        name
        for name, text in texts.items()
        if "Compared:" not in text.split('"""')[1] or "Fair" not in text.split('"""')[1]
    ]
    assert silent == []


def test_json_of_all_benchmarks_at_once_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One object tells of one benchmark; the remedy lists them."""
    assert cli.main(["bench", "--json"]) == 2
    assert ", ".join(NAMES) in capsys.readouterr().err


def test_a_benchmark_that_fails_is_an_invalid_run() -> None:
    """Exit 3, with the name of it; whatever it said stands on stderr."""
    with pytest.raises(RunInvalid, match="no_such_benchmark ended with 1"):
        measured("no_such_benchmark", 1.0)


def test_a_size_that_is_none_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """With the bounds."""
    assert cli.main(["bench", "engine", "--size", "0"]) == 2
    assert "--size = '0'" in capsys.readouterr().err


def promises(name: str) -> list[str]:
    """The figures that the schema demands of a benchmark."""
    found: list[str] = []
    for rule in SCHEMA["allOf"]:
        if rule["if"]["properties"]["name"]["const"] == name:
            found += rule["then"]["properties"]["figures"]["required"]
    return found


@cache
def bench(name: str) -> dict[str, Any]:
    """What `surge bench` prints for programs; run once, for all that ask."""
    command = ["./surge", "bench", name, "--size", f"{SIZE}", "--json"]
    answer = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=300
    )
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def faults(found: dict[str, Any]) -> list[str]:
    """What the schema objects to."""
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(found)]
