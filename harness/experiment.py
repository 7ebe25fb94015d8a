"""The experiment behind `verify` and `demo`: learn on low levels, predict high ones, measure them.

The order is the point. Saturation is measured first, only to choose the levels; the model learns
from the low levels alone; its prediction of the held-out levels is written down before the first
of them is measured, and the agreement carries the digest of that file.
"""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.checked import basis_of, with_agreement
from harness.experiment_design import Design
from harness.held_deployments import System, busy_levels, check_deployments
from harness.measuring import (
    DRAIN_S,
    Experiment,
    Tell,
    answers_per_s,
    attempts_per_visit,
    bent_to,
    deployment_of,
    level_of,
    measured_part,
    own_settings,
    predict_run,
    predicted_history,
    pulsed,
    tell_of_pace,
)
from harness.stack import Stack
from harness.stack_settings import StackSettings
from loadtests.rundir import CampaignResult
from simulation.calibrate import calibrate_runs
from simulation.evidence import Run, read_run
from simulation.pace import as_in, pace_of
from simulation.service import ServiceModel
from workload.agreement import Agreement, Level
from workload.manifest import Bending, write_json
from workload.scenario import Scenario
from workload.summary import Summary

__all__ = [
    "DRAIN_S",
    "Experiment",
    "Findings",
    "answers_per_s",
    "bent_to",
    "deployment_of",
    "measured_part",
    "order_of",
    "own_settings",
    "predict_run",
    "pulsed",
    "verify",
]


@dataclass(frozen=True)
class Findings:
    """What an experiment came to, and where its files are."""

    directory: Path
    model: ServiceModel
    agreement: Agreement
    runs: tuple[CampaignResult, ...]


@dataclass(frozen=True)
class Foreseen:
    """One run that does not exist yet, and what is expected of it."""

    name: str
    per_s: float
    seed: int
    summary: Summary

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.name,
            "offered_per_s": self.per_s,
            "seed": self.seed,
            "summary": self.summary.to_json(),
        }


def verify(
    scenario: Scenario, directory: Path, design: Design, tell: Tell, settings: StackSettings
) -> Findings:
    """The whole experiment; writes its runs, ``model.json``, ``prediction.json`` and
    ``agreement.json`` below ``directory``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    scenario = measured_part(scenario)
    tell("starting the reference system")
    with Stack(settings, logs=directory / "logs") as stack:
        experiment = Experiment(stack, scenario, directory, design, tell)
        overloaded, saturation = _saturate(experiment)
        low_per_s, held_out_per_s = levels_per_s(design, overloaded, saturation, tell)
        low = [_measured(experiment, f"low-{n}", per_s) for n, per_s in enumerate(low_per_s, 1)]
        tell("measuring pulses, to tell warm costs from cold ones")
        pulses = experiment.pulses("pulses", min(low_per_s))
        model = calibrate_runs([*low, pulses])
        model.write(directory / "model.json")
        system = System(scenario, model, settings, deployment_of(low[-1]), design)
        busy = busy_levels(system, max(held_out_per_s))
        foreseen = _foresee(experiment, model, (*held_out_per_s, *busy))
        written_unix, sha256 = write_prediction(directory, foreseen)
        held = _held_out(experiment, system, foreseen, busy)
    basis = replace(
        basis_of(experiment.results[-1].manifest, directory),
        predicted_unix=written_unix,
        prediction_sha256=sha256,
    )
    changed = check_deployments(system, directory, max(held_out_per_s), tell)
    predicted = _saturation_of(overloaded, scenario, model, design) if overloaded else math.nan
    learned = [_at_its_pace([run], scenario, model, held_out=False) for run in low]
    names = tuple(run.path.name for run in (*low, pulses))
    agreement = Agreement(names, predicted, saturation, (*learned, *held, *changed), basis)
    return _concluded(directory, model, agreement, experiment.results)


def _concluded(
    directory: Path, model: ServiceModel, agreement: Agreement, results: Sequence[CampaignResult]
) -> Findings:
    """Both written; the model carries from now on what came out."""
    model = with_agreement(model, agreement)
    model.write(directory / "model.json")
    write_json(directory / "agreement.json", agreement.to_json())
    return Findings(directory, model, agreement, tuple(results))


def _saturate(experiment: Experiment) -> tuple[Run | None, float]:
    """The overloaded run and the answers a second; none where the levels are given."""
    if experiment.design.low_per_s:
        return None, math.nan
    experiment.tell("measuring saturation, to choose the levels")
    return experiment.saturation()


def levels_per_s(
    design: Design, overloaded: Run | None, saturation: float, tell: Tell
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(low levels, held-out levels) in visitors a second: as given, or as shares of saturation."""
    if overloaded is None:
        return design.low_per_s, design.held_out_per_s
    visits = saturation / attempts_per_visit(overloaded)
    tell(f"  saturated at {saturation:,.0f} answers/s, about {visits:,.0f} visitors/s")
    return tuple(share * visits for share in design.low), tuple(
        share * visits for share in design.held_out
    )


def _measured(experiment: Experiment, name: str, per_s: float) -> Run:
    seconds = experiment.design.level_s
    experiment.tell(f"measuring {name}: {per_s:,.0f} visitors/s for {seconds:g} s")
    return experiment.measure(name, per_s, seconds)


def _foresee(
    experiment: Experiment, model: ServiceModel, levels: Sequence[float]
) -> list[Foreseen]:
    """Every held-out run in the order in which it will be measured, predicted."""
    design = experiment.design
    last = read_run(experiment.results[-1].run_dir)
    foreseen = []
    for seed, (name, per_s) in enumerate(order_of(levels, design.repeats), experiment.next_seed):
        run = _like(last, bent_to(experiment.scenario, per_s, design.level_s), seed)
        summary = predict_run(run, experiment.scenario, model)
        foreseen.append(Foreseen(name, per_s, seed, summary))
    return foreseen


def order_of(levels: Sequence[float], repeats: int) -> list[tuple[str, float]]:
    """(run, visitors a second): repeats interleaved, and the levels of each of them shuffled.

    Otherwise a machine that grows slower in the meantime is taken for a level that is harder. The
    shuffle is the same each time.
    """
    chance = random.Random(0)
    order = []
    for repeat in range(1, repeats + 1):
        shuffled = list(enumerate(levels, 1))
        chance.shuffle(shuffled)
        for level, per_s in shuffled:
            name = f"held-out-{repeat}" if len(levels) == 1 else f"held-out-{level}-{repeat}"
            order.append((name, per_s))
    return order


def write_prediction(directory: Path, foreseen: Sequence[Foreseen]) -> tuple[float, str]:
    """Into ``prediction.json``; (when, in seconds since 1970; SHA-256 of the file)."""
    written_unix = time.time()
    path = write_json(
        directory / "prediction.json",
        {
            "schema": "surge/prediction/1",
            "written_unix": written_unix,
            "offered_per_s": max(one.per_s for one in foreseen),
            "runs": [one.to_json() for one in foreseen],
        },
    )
    return written_unix, hashlib.sha256(path.read_bytes()).hexdigest()


def _held_out(
    experiment: Experiment,
    system: System,
    foreseen: Sequence[Foreseen],
    busy: Sequence[float],
) -> list[Level]:
    """Measure what was predicted, and compare.

    The model of the prediction, at the pace that the machine then turned out to have: nothing else
    of these runs goes into it. What was written down before is compared too. ``busy``: the
    levels that were chosen by how busy the core is expected to be.
    """
    measured: dict[float, list[tuple[Run, Summary]]] = {}
    for one in foreseen:
        run = _measured(experiment, one.name, one.per_s)
        measured.setdefault(one.per_s, []).append((run, one.summary))
    found = []
    for per_s, pairs in sorted(measured.items()):
        runs, written = [run for run, _ in pairs], [said for _, said in pairs]
        level = _at_its_pace(runs, system.scenario, system.model, held_out=True, written=written)
        tell_of_pace(runs, system.model, experiment.tell)
        if per_s in busy:
            there = system.as_in(runs)
            expected = system.unchanged.busy(there, per_s, runs[0].manifest.seed)
            level = replace(level, expected=expected)
        found.append(level)
    return found


def _at_its_pace(
    runs: Sequence[Run],
    scenario: Scenario,
    model: ServiceModel,
    *,
    held_out: bool,
    written: Sequence[Summary] = (),
) -> Level:
    """A level, predicted at the pace that the machine had in each of its runs."""
    predicted = [predict_run(run, scenario, as_in([run], model)) for run in runs]
    pace = round(pace_of(runs, model), 4)
    return level_of(runs, predicted, held_out=held_out, pace=pace, written=written)


def _like(run: Run, bending: Bending, seed: int) -> Run:
    """A run that does not exist yet: of the same system, but bent so, and of this seed."""
    return replace(run, manifest=replace(run.manifest, bending=bending, seed=seed))


def _saturation_of(run: Run, scenario: Scenario, model: ServiceModel, design: Design) -> float:
    history = predicted_history(run, scenario, as_in([run], model))
    return answers_per_s(history, design.saturation_s)
