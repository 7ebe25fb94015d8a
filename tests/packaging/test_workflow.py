"""The workflow of GitHub Actions: valid, with few rights, and running what exists here."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from harness import CHECKOUT
from harness.cli import VERBS
from harness.gate import STEP_SUMMARY

FOLDER = CHECKOUT / ".github" / "workflows"


def workflow() -> dict[str, Any]:
    """`on` is read as a boolean by YAML 1.1; nothing here needs it."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / "ci.yml").read_text())
    return found


def steps() -> list[dict[str, Any]]:
    return [step for job in workflow()["jobs"].values() for step in job["steps"]]


def commands() -> list[str]:
    return [step["run"] for step in steps() if "run" in step]


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    tool = str(Path(sys.executable).parent / "check-jsonschema")
    command = [tool, "--builtin-schema", "vendor.github-workflows", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_workflow_fits_githubs_schema() -> None:
    """As published for editors."""
    paths = sorted(FOLDER.glob("*.y*ml"))
    assert [path.name for path in paths] == ["ci.yml"]
    assert [said.stdout for path in paths if (said := check_schema(path)).returncode] == []


def test_a_planted_fault_is_found(tmp_path: Path) -> None:
    """A job that says not where it runs."""
    path = tmp_path / "ci.yml"
    path.write_text((FOLDER / "ci.yml").read_text().replace("runs-on: ubuntu-latest", ""))
    assert check_schema(path).returncode != 0


def test_it_may_read_the_checkout_and_nothing_else() -> None:
    """No job asks for more, none keeps the token in the checkout, none runs without end."""
    assert workflow()["permissions"] == {"contents": "read"}
    for job in workflow()["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 45
    checkouts = [s for s in steps() if s.get("uses", "").startswith("actions/checkout")]
    assert len(checkouts) == len(workflow()["jobs"])
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_only_githubs_own_actions_are_used_by_their_major_version() -> None:
    """Nobody else's code runs here beside what the lock pins."""
    used = [step["uses"] for step in steps() if "uses" in step]
    assert used != []
    assert [name for name in used if not re.fullmatch(r"actions/[\w-]+@v\d+", name)] == []


def test_no_command_holds_an_expression() -> None:
    """A title of somebody's pull request must not become a command."""
    assert [command for command in commands() if "${{" in command] == []


def test_smoke_is_the_gate_and_its_report_is_kept() -> None:
    """Whatever came of it, the run directory is uploaded; smoke itself shows its summary, once."""
    smoke = workflow()["jobs"]["smoke"]["steps"]
    gate = next(step for step in smoke if step.get("run", "").startswith("./surge smoke"))
    assert "continue-on-error" not in gate
    folder = gate["run"].split()[-1]
    later = smoke[smoke.index(gate) + 1 :]
    assert STEP_SUMMARY == "GITHUB_STEP_SUMMARY"
    assert [command for command in commands() if STEP_SUMMARY in command] == []
    (keep,) = later
    assert keep["if"] == "${{ !cancelled() }}"
    assert keep["with"]["path"] == folder
    assert keep["uses"].startswith("actions/upload-artifact@")


def test_everything_that_is_run_exists() -> None:
    """Verbs of ./surge, and .ci/run."""
    verbs = {found[1] for command in commands() if (found := re.match(r"\./surge (\w+)", command))}
    assert {"smoke"} <= verbs <= set(VERBS)
    assert ".ci/run" in commands()
    assert os.access(CHECKOUT / ".ci" / "run", os.X_OK)
