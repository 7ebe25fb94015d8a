"""What the tests of the verbs share: one real run, driven once a session, and a small model."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from harness import CHECKOUT
from simulation.service import ServiceModel, StepCost
from tests.loadtests.drive import on_schedule
from workload.durations import constant


@dataclass(frozen=True)
class Answer:
    """What a verb said: its exit code, the one object on stdout, and what people read."""

    code: int
    found: dict[str, Any]
    told: str


def surge(*arguments: str, cwd: Path = CHECKOUT) -> Answer:
    """A verb with --json in a process of its own, as a script would call it."""
    command = [str(CHECKOUT / "surge"), *arguments, "--json"]
    environment = {**os.environ, "NO_COLOR": "1"}
    answer = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=180
    )
    found = json.loads(answer.stdout) if answer.stdout else {}
    return Answer(answer.returncode, found, answer.stderr)


@dataclass(frozen=True)
class RealRun:
    """A run directory that `surge load` made, and what it said."""

    path: Path
    answer: Answer


@pytest.fixture(scope="session")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> RealRun:
    """Eight seconds of smoke against the reference system, some 160 visits."""

    def load(folder: Path) -> RealRun:
        path = folder / "run"
        answer = surge("load", "smoke", "--window", "12s..20s", "--run-dir", str(path))
        return RealRun(path, answer)

    return on_schedule(tmp_path_factory.mktemp("load"), load)


DOCUMENTS = CHECKOUT / "docs" / "json"


@pytest.fixture(scope="session")
def documented() -> dict[str, Any]:
    """Every documented JSON Schema, by the name that objects carry."""
    schemas = (json.loads(path.read_text()) for path in sorted(DOCUMENTS.glob("*.json")))
    return {schema["properties"]["schema"]["const"]: schema for schema in schemas}


@pytest.fixture(scope="session")
def json_faults(documented: dict[str, Any]) -> Callable[[Any], list[str]]:
    """What an object lacks of the schema that it names."""
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in documented.values()
    )

    def faults(found: Any) -> list[str]:
        validator = Draft202012Validator(documented[found["schema"]], registry=registry)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(found)]

    return faults


STEPS = {
    "open_site": "plain",
    "register": "write",
    "verify_email": "write",
    "submit_identity": "write",
    "await_identity": "read",
}


@pytest.fixture
def model() -> ServiceModel:
    """A service of round figures: 100 µs before and after each await, a registry of 30 ms."""
    steps = {
        name: StepCost(kind, constant(1e-4), constant(1e-4), constant(2e-4))
        for name, kind in STEPS.items()
    }
    return ServiceModel(
        steps=steps, commit=constant(5e-4), registry=constant(0.03), mail=constant(1e-3),
        calibrated=dict.fromkeys(STEPS, 5000), fitted={"runs": ["made-up"]},
    )  # fmt: skip


@pytest.fixture
def model_file(model: ServiceModel, tmp_path: Path) -> Path:
    """The model as `surge calibrate` writes it."""
    return model.write(tmp_path / "model.json")


@pytest.fixture
def verb(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """A verb in this process: quick, for what starts no system."""
    from harness import cli

    def run(*arguments: str) -> Answer:
        code = cli.main(list(arguments))
        output = capsys.readouterr()
        return Answer(code, json.loads(output.out) if output.out else {}, output.err)

    return run
