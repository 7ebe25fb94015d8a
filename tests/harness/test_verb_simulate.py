"""`surge simulate`: what it answers, what it refuses, and what it keeps."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulation.service import ServiceModel
from workload.history import read_history
from workload.manifest import read_manifest

Verb = Callable[..., Any]
#: SimPy needs no compiling: for a hundred people it is the quicker one.
BRIEF = ("simulate", "smoke", "--engine", "simpy", "--window", "0s..12s", "--horizon", "3m")


def test_objectives_that_are_met_exit_0_and_the_answer_is_one_object(
    verb: Verb, model_file: Path
) -> None:
    """The schema's keys, the verdicts, and what was asked."""
    answer = verb(*BRIEF, "--model", str(model_file), "--json")
    assert answer.code == 0
    found = answer.found
    assert found["schema"] == "surge/projection/1"
    assert [one["verdict"] for one in found["objectives"]] == ["met"] * 4
    assert found["bending"]["window_s"] == [0.0, 12.0]
    assert found["deployment"]["name"] == "this-machine"
    assert found["steps"]["register"]["accepted"] > 100
    assert answer.told.count("Objectives") == 1


def test_an_objective_that_is_missed_exits_1(verb: Verb, model_file: Path) -> None:
    """One slot at a registry of 3 s: nobody has an answer in 5 s."""
    slow = ("--set", "registry_slots=1", "--set", "registry_latency=[3.0]")
    answer = verb(*BRIEF, *slow, "--model", str(model_file), "--json")
    assert answer.code == 1
    verdicts = {one["text"]: one["verdict"] for one in answer.found["objectives"]}
    assert verdicts["p(95) await_identity < 5s"] == "missed"
    assert answer.found["bottleneck"] == "registry_client"


def test_an_uncalibrated_step_leaves_its_objective_unknown_and_exits_3(
    verb: Verb, model: ServiceModel, tmp_path: Path
) -> None:
    """A model that saw register 10 times does not speak about its 99th percentile."""
    unsure = replace(model, calibrated={**model.calibrated, "register": 10})
    answer = verb(*BRIEF, "--model", str(unsure.write(tmp_path / "unsure.json")), "--json")
    assert answer.code == 3
    assert "register" in answer.found["uncalibrated"]
    assert "open_site" not in answer.found["uncalibrated"]
    assert answer.found["objectives"][0]["verdict"] == "unknown"
    assert "uncalibrated" in answer.found["objectives"][0]["why"]


def test_several_replications_give_an_interval_and_the_same_seed_the_same_digest(
    verb: Verb, model_file: Path
) -> None:
    """Seeds count up from the given one; nothing depends on who ran them."""
    several = (*BRIEF, "--seed", "5", "--replications", "3", "--model", str(model_file), "--json")
    first, second = verb(*several).found, verb(*several).found
    assert first["history_sha256"] == second["history_sha256"]
    assert (first["replications"], first["seed"]) == (3, 5)
    assert first["collapse"]["low"] == 0.0
    assert first["collapse"]["high"] == pytest.approx(1 - 0.025 ** (1 / 3))


def test_published_figures_stand_beside_only_when_nothing_is_bent(
    verb: Verb, model_file: Path
) -> None:
    """A window of the wave is not the wave; published ratios are named as inputs."""
    wave = ("simulate", "prakerja-2020", "--engine", "simpy", "--model", str(model_file))
    bent = verb(*wave, "--population", "300", "--horizon", "51h", "--json")
    points = bent.found["checkpoints"]
    assert [point["hours"] for point in points] == [21, 50]  # nobody knows of the 65th hour
    assert {count for point in points for count in point["published"].values()} == {None}
    assert "nothing published compares" in bent.told
    assert "1,432,133" not in bent.told


def test_a_trace_is_a_run_directory_of_its_own_kind(
    verb: Verb, model_file: Path, tmp_path: Path
) -> None:
    """Every attempt, and a manifest that says simulated; a second one does not overwrite it."""
    trace = tmp_path / "trace"
    command = (*BRIEF, "--model", str(model_file), "--trace", str(trace), "--json")
    found = verb(*command).found
    manifest = read_manifest(trace)
    assert (manifest.kind, manifest.status) == ("simulated", "complete")
    assert len(read_history(trace)) == found["attempts"]
    summary = json.loads((trace / "summary.json").read_text())
    assert [one["verdict"] for one in summary["objectives"]] == ["met"] * 4
    again = verb(*command)
    assert again.code == 2
    assert "give another directory" in again.told


def test_a_bad_seed_bending_and_count_are_told_together(verb: Verb, model_file: Path) -> None:
    """All faults of the options at once, with the option, the value and the remedy."""
    answer = verb(
        "simulate", "smoke", "--model", str(model_file), "--seed", "lucky", "--thin", "2",
        "--window", "5m", "--replications", "0", "--population", "-5", "--horizon", "soon",
    )  # fmt: skip
    assert answer.code == 2
    for option in ("seed", "thin", "window", "replications", "population", "horizon"):
        assert f"--{option} = " in answer.told


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--set", "registry_slot=3"), "did you mean `registry_slots`?"),
        (("--set", "replicas=many", "--set", "pool"), "2 faults"),
        (("--deployment", "moon"), "national, this-machine"),
        (("--trace", "somewhere", "--replications", "2"), "a trace keeps one replication"),
        (("--seed", str(2**63 - 1)), "below 2**63"),
    ],
)
def test_what_the_model_does_not_know_is_a_clear_error(
    verb: Verb, model_file: Path, extra: tuple[str, ...], words: str
) -> None:
    """An unknown setting, deployment or combination: exit 2, and what would do."""
    answer = verb(*BRIEF, "--model", str(model_file), *extra)
    assert answer.code == 2
    assert words in answer.told


def test_a_model_of_another_schema_a_cut_one_and_none_are_clear_errors(
    verb: Verb, model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file, what was found, and what would do."""
    monkeypatch.setattr("harness.projecting.REFERENCE", tmp_path / "not-shipped.json")
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"schema": "surge/model/2"}))
    wrong = verb(*BRIEF, "--model", str(other))
    assert wrong.code == 2
    assert "this command reads surge/model/1" in wrong.told
    other.write_bytes(model_file.read_bytes()[:200])
    assert "cut short" in verb(*BRIEF, "--model", str(other)).told
    none = verb(*BRIEF)
    assert none.code == 2
    assert "give the model.json that `surge demo`" in none.told


def test_a_journey_that_the_model_has_not_seen_names_the_step(
    verb: Verb, model: ServiceModel, tmp_path: Path
) -> None:
    """Nothing is invented for a step without a cost."""
    steps = {name: cost for name, cost in model.steps.items() if name != "await_identity"}
    partial = replace(model, steps=steps).write(tmp_path / "partial.json")
    answer = verb(*BRIEF, "--model", str(partial))
    assert answer.code == 2
    assert "await_identity" in answer.told


def test_the_shipped_reference_model_is_used_and_named(
    verb: Verb, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the project ships one, --model may be left out, and people are told."""
    monkeypatch.setattr("harness.projecting.REFERENCE", model_file)
    answer = verb(*BRIEF, "--json")
    assert answer.code == 0
    assert "the shipped reference model is used" in answer.told
    assert answer.found["model"]["file"] == str(model_file)


def test_more_people_than_the_memory_holds_are_refused_before_they_are_drawn(
    verb: Verb, model_file: Path
) -> None:
    """What is needed, what is free, and what to give instead."""
    answer = verb(*BRIEF, "--model", str(model_file), "--population", "300000000")
    assert answer.code == 2
    assert "GiB" in answer.told
    assert "--thin" in answer.told


def test_who_never_gets_there_shows_as_never(verb: Verb, model_file: Path) -> None:
    """Every mail is lost: half of the visits to verify_email and more are infinite."""
    answer = verb(*BRIEF, "--model", str(model_file), "--set", "mail_loss=1.0")
    assert answer.code == 3  # nobody came to await_identity
    line = next(line for line in answer.told.splitlines() if line.startswith("verify_email"))
    assert line.split()[-3:] == ["never", "never", "never"]


@pytest.mark.slow
def test_threads_processes_and_both_engines_give_the_same_bytes(
    verb: Verb, model_file: Path
) -> None:
    """Who computes changes nothing."""
    several = ("--replications", "2", "--model", str(model_file), "--json")
    digests = {
        verb(*BRIEF, *several, *extra).found["history_sha256"]
        for extra in ((), ("--executor", "processes"), ("--engine", "compiled"))
    }
    assert len(digests) == 1
