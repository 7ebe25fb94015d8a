"""A simulated run as a run directory: the same files that a measured one leaves."""

from collections.abc import Sequence
from pathlib import Path

from simulation.projection import Projection
from workload.errors import Fault, InputError
from workload.history import write_history
from workload.manifest import Manifest, these_versions, this_commit, this_machine, write_json
from workload.objective import Verdict


def check_trace_dir(directory: Path) -> None:
    """Before the work: InputError where a run or a file already is. Makes the directory."""
    if directory.is_file() or any(directory.glob("history-*")):
        remedy = "a run or a file is already there: give another directory"
        raise InputError("options", [Fault("--trace", str(directory), remedy)])
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"can't be made: {error.strerror}"
        raise InputError("options", [Fault("--trace", str(directory), remedy)]) from error


def write_trace(directory: Path, projection: Projection, verdicts: Sequence[Verdict]) -> None:
    """manifest.json, scenario.toml, history-0.arrows, summary.json of the one replication."""
    question, one = projection.question, projection.replications[0]
    assert one.history is not None, "a traced question keeps its history"
    write_history(directory, one.history)
    (directory / "scenario.toml").write_text(question.scenario.to_toml(), encoding="utf-8")
    judged = {"objectives": [verdict.to_json() for verdict in verdicts]}
    write_json(directory / "summary.json", {**one.summary.to_json(), **judged})
    Manifest(
        kind="simulated",
        scenario=question.scenario.name,
        fingerprint=question.scenario.fingerprint,
        seed=one.seed,
        bending=question.bending,
        lasted_s=one.summary.duration_s,
        commit=this_commit(),
        machine=this_machine(),
        versions=these_versions(),
        capacity={"deployment": question.deployment.to_json()},
        generator={"engine": question.engine},
        reading=question.scenario.reading,
    ).write(directory)
