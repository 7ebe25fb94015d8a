"""The experiment behind `verify` and `demo`: learn on low levels, predict a high one, measure it.

The order is the point. Saturation is measured first, only to choose the levels; the model learns
from the low levels alone; its prediction of the held-out level is written down before that level
is measured. Every level has other visitors (another seed), so that nobody registers twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from harness.checked import basis_of, settings_of, utilisation_of, with_agreement
from harness.drive import drive
from harness.errors import RunInvalid
from harness.experiment_design import Design
from harness.stack import Stack
from harness.stack_settings import StackSettings, with_pairs
from loadtests.campaign import CampaignPlan
from loadtests.rundir import CampaignResult
from simulation.calibrate import calibrate_runs
from simulation.deployment import Deployment
from simulation.evidence import Run, read_run
from simulation.projection import Question, replicate
from simulation.service import ServiceModel
from workload.agreement import Agreement, Level, compare
from workload.history import History
from workload.manifest import Bending, write_json
from workload.scenario import Scenario, scenario_from
from workload.summary import Summary, summarize
from workload.visit import Outcome

#: The ministry is given so many slots that the service itself is what saturates.
REGISTRY_SLOTS: Final = 128
#: Pauses are multiplied by this, so that a level of half a minute reaches the last step.
PAUSES: Final = 0.004
DRAIN_S: Final = 5.0
MEASURED_UNTIL: Final = "await_identity"
WARM_UP_PER_S: Final = 150.0
PULSE_S: Final = 0.1
#: Short enough that a pulse stays one; long enough that nobody polls the identity check in vain.
PULSE_PAUSES: Final = 0.001
#: Saturated: no more than this share of what was offered is answered, or the core is busier,
SATURATED: Final = 0.97
#: or half of the answers take this many times as long as from a quiet service. Natural batching
#: keeps up with more than that for a while, by letting everybody wait for ever larger batches.
SLOW: Final = 5.0
TRIES: Final = 5
#: Fewest people of a pulse that make batches of more than a few rows.
FEWEST: Final = 30

Tell = Callable[[str], None]


def own_settings(pairs: Sequence[str]) -> StackSettings:
    """The reference system as experiments start it, with a person's settings on top."""
    roomy = StackSettings(registry_slots=REGISTRY_SLOTS, registry_twin_slots=REGISTRY_SLOTS)
    return with_pairs(roomy, pairs)


@dataclass(frozen=True)
class Findings:
    """What an experiment came to, and where its files are."""

    directory: Path
    model: ServiceModel
    agreement: Agreement
    runs: tuple[CampaignResult, ...]


class Experiment:
    """One system, measured level by level."""

    def __init__(
        self, stack: Stack, scenario: Scenario, directory: Path, design: Design, tell: Tell
    ) -> None:
        self.stack = stack
        self.scenario = scenario
        self.directory = directory
        self.design = design
        self.tell = tell
        self._levels = 0
        self.results: list[CampaignResult] = []

    def measure(self, name: str, per_s: float, seconds: float) -> Run:
        """Drive the scenario's opening, thinned to a mean of ``per_s`` visitors over ``seconds``.

        Raises RunInvalid when the run says nothing.
        """
        return self._drive(name, self.scenario, bent_to(self.scenario, per_s, seconds))

    def pulses(self, name: str, lowest_per_s: float) -> Run:
        """Drive the same people in pulses, with hardly a pause; RunInvalid as in `measure`.

        Their mean is no higher than the lowest steady level.
        """
        design = self.design
        people = min(design.pulse, max(FEWEST, round(lowest_per_s * design.pulse_every_s)))
        scenario = pulsed(self.scenario, people, design.pulse_every_s, design.level_s)
        return self._drive(name, scenario, Bending((0.0, design.level_s), pauses=PULSE_PAUSES))

    @property
    def next_seed(self) -> int:
        """The seed of the next level: each has visitors of its own."""
        return self.scenario.seed + self._levels + 1

    def _drive(self, name: str, scenario: Scenario, bending: Bending) -> Run:
        scenario = scenario.with_seed(self.next_seed)
        self._levels += 1
        result = drive(
            CampaignPlan(
                scenario=scenario,
                target=self.stack.service,
                run_dir=self.directory / name,
                window_s=bending.window_s,
                thin=bending.thin,
                population=bending.population,
                pauses=bending.pauses,
                drain_s=DRAIN_S,
                cores=tuple(self.stack.placement.generator) if self.stack.placement else (),
                admin_token=self.stack.admin_token,
            )
        )
        self.results.append(result)
        if result.manifest.status == "interrupted":
            raise KeyboardInterrupt
        if result.manifest.status != "complete":
            raise RunInvalid(f"{name}: {'; '.join(result.manifest.reasons)}")
        self.stack.check()
        return read_run(self.directory / name)

    def saturation(self) -> tuple[Run, float]:
        """(the overloaded run, answers a second): what the service does when more is offered.

        More is offered until answers fall behind or take five times as long; less, when the
        generator falls behind first.
        The most that was answered counts: far beyond saturation a service answers less again.
        """
        seconds = self.design.saturation_s
        warm = self.measure("warm-up", WARM_UP_PER_S, self.design.warm_up_s)
        per_s, most = 2.2 * WARM_UP_PER_S / busy_share(warm), 0.0
        for attempt in range(1, TRIES + 1):
            try:
                run = self.measure(f"saturation-{attempt}", per_s, seconds)
            except RunInvalid as invalid:
                if attempt == TRIES:
                    raise
                self.tell(f"  {invalid}; offering less")
                per_s *= 0.85
                continue
            answered = answers_per_s(run.history, seconds)
            most = max(most, answered)
            wanted = wanted_per_s(run.history, seconds)
            behind = answered < SATURATED * wanted or busy_share(run) > SATURATED
            if behind or median_answer_s(run) > SLOW * median_answer_s(warm):
                return run, most
            per_s *= 1.15
        raise RunInvalid(f"{most:,.0f} answers/s did not saturate the service; is it pinned?")


def bent_to(scenario: Scenario, per_s: float, seconds: float) -> Bending:
    """The scenario's opening, at a mean of ``per_s`` visitors over its first ``seconds``.

    Thinned; or, where more are wanted than come, with the population raised.
    """
    share = per_s * seconds / float(scenario.curve.expected(0.0, seconds))
    if share > 1:
        population = scenario.curve.population * share
        return Bending((0.0, seconds), population=population, pauses=PAUSES)
    return Bending((0.0, seconds), thin=share, pauses=PAUSES)


def pulsed(scenario: Scenario, people: int, every_s: float, seconds: float) -> Scenario:
    """The same people and journey, arriving ``people`` within PULSE_S at every ``every_s``."""
    starts = np.arange(0.0, seconds - PULSE_S, every_s).tolist()
    parts = [
        {"shape": "constant", "per_s": people / PULSE_S, "start": at, "end": at + PULSE_S}
        for at in starts
    ]
    table = {**scenario.table, "name": f"{scenario.name}-pulses", "checkpoints_h": []}
    table["arrivals"] = {"duration": seconds, "parts": parts}
    table.pop("opening", None)  # a pulse is everybody at once
    return scenario_from(table, "the pulses", scenario.reading or None)


def busy_share(run: Run) -> float:
    """Share of the system's core that was busy: service, database and worker process."""
    start, end = run.arrivals_s / 3, run.arrivals_s
    total = sum(
        run.telemetry.total(source, name, start, end)
        for source, name in (
            ("service", "process_cpu_seconds_total"),
            ("worker", "process_cpu_seconds_total"),
            ("worker", "surge_database_cpu_seconds_total"),
        )
    )
    return max(total / (end - start), 0.01)


def answers_per_s(history: History, seconds: float) -> float:
    """Good answers a second in the second half of a run's arrivals."""
    good = np.isin(history["outcome"], (Outcome.ACCEPTED, Outcome.PENDING, Outcome.DECLINED))
    return _in_second_half(history["ended"][good], seconds)


def median_answer_s(run: Run) -> float:
    """Seconds from intended start to answer, of half of the attempts in the last two thirds."""
    taken = run.history["ended"] - run.history["intended"]
    answered = (run.history["ended"] > 0) & (run.history["intended"] >= run.arrivals_s / 3 * 1e9)
    return float(np.median(taken[answered])) / 1e9 if answered.any() else math.inf


def wanted_per_s(history: History, seconds: float) -> float:
    """Attempts intended a second in the second half of a run's arrivals."""
    return _in_second_half(history["intended"], seconds)


def _in_second_half(at_ns: np.ndarray, seconds: float) -> float:
    inside = (at_ns >= seconds * 0.5e9) & (at_ns < seconds * 1e9)
    return float(inside.sum()) / (seconds / 2)


def deployment_of(run: Run, generator: bool = True) -> Deployment:  # noqa: FBT001, FBT002 - one plain switch
    """The deployment that answered a run, from what it said of itself."""
    capacity = run.manifest.capacity
    return Deployment(
        name="measured",
        workers=int(capacity["workers"]),
        shared_core=bool(capacity.get("cores")),
        generator=generator,
        pool=int(capacity["pool"]),
        lanes=int(capacity["lanes"]),
        batch_rows=int(capacity["batch_rows"]),
        registry_slots=int(capacity["registry_slots"]),
        registry_quota_per_s=float(capacity.get("registry_quota_per_s") or 0.0),
        mail_connections=int(capacity.get("mail_connections") or 4),
    )


def predict_run(run: Run, scenario: Scenario, model: ServiceModel) -> Summary:
    """The same visitors, through the model: folded as the measurement is."""
    return summarize(_predicted(run, scenario, model), run.arrivals_s)


def _predicted(run: Run, scenario: Scenario, model: ServiceModel) -> History:
    question = Question(
        scenario=scenario.with_seed(run.manifest.seed),
        model=model,
        deployment=deployment_of(run),
        bending=run.manifest.bending,
        horizon_s=run.arrivals_s + DRAIN_S,
        trace=True,
    )
    history = replicate(question, run.manifest.seed).history
    if history is None:
        raise RunInvalid("the model kept no history of its visits")
    return history


def level_of(runs: Sequence[Run], predicted: Sequence[Summary], *, held_out: bool) -> Level:
    """One level of the agreement, from its repeats."""
    measured = [summarize(run.history, run.arrivals_s) for run in runs]
    offered = math.fsum(run.offered_per_s for run in runs) / len(runs)
    busy = [utilisation_of(run) for run in runs]
    return Level(
        offered,
        held_out,
        compare(measured, predicted),
        # The least of the repeats: only that far was all of them.
        {station: min(one.get(station, 0.0) for one in busy) for station in busy[0]},
        settings_of(deployment_of(runs[0])),
    )


def measured_part(scenario: Scenario) -> Scenario:
    """What a level of seconds can reach: nobody waits there for the pauses of days before later
    steps, and the few who call for help are too few to learn from. A projection takes the costs of
    both by analogy.
    """
    last, quiet = MEASURED_UNTIL, scenario.without_calls()
    return quiet.until(last) if last in quiet.journey.step_names else quiet


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
        held = _held_out(experiment, model, held_out_per_s)
    predicted = _saturation_of(overloaded, scenario, model, design) if overloaded else math.nan
    levels = [level_of([run], [predict_run(run, scenario, model)], held_out=False) for run in low]
    names = tuple(run.path.name for run in (*low, pulses))
    basis = basis_of(experiment.results[-1].manifest, directory)
    agreement = Agreement(names, predicted, saturation, (*levels, held), basis)
    model = with_agreement(model, agreement)
    model.write(directory / "model.json")
    write_json(directory / "agreement.json", agreement.to_json())
    return Findings(directory, model, agreement, tuple(experiment.results))


def _saturate(experiment: Experiment) -> tuple[Run | None, float]:
    """The overloaded run and the answers a second; none where the levels are given."""
    if experiment.design.low_per_s:
        return None, math.nan
    experiment.tell("measuring saturation, to choose the levels")
    return experiment.saturation()


def levels_per_s(
    design: Design, overloaded: Run | None, saturation: float, tell: Tell
) -> tuple[tuple[float, ...], float]:
    """(low levels, held-out level) in visitors a second: as given, or as shares of saturation."""
    if overloaded is None:
        return design.low_per_s, design.held_out_per_s
    visits = saturation / attempts_per_visit(overloaded)
    tell(f"  saturated at {saturation:,.0f} answers/s, about {visits:,.0f} visitors/s")
    return tuple(share * visits for share in design.low), design.held_out * visits


def _measured(experiment: Experiment, name: str, per_s: float) -> Run:
    seconds = experiment.design.level_s
    experiment.tell(f"measuring {name}: {per_s:,.0f} visitors/s for {seconds:g} s")
    return experiment.measure(name, per_s, seconds)


def _held_out(experiment: Experiment, model: ServiceModel, per_s: float) -> Level:
    """Predict every repeat, write it down, then measure; what was written is what is compared."""
    design = experiment.design
    bending = bent_to(experiment.scenario, per_s, design.level_s)
    first = experiment.next_seed
    last = read_run(experiment.results[-1].run_dir)
    foreseen = [
        predict_run(_like(last, bending, seed), experiment.scenario, model)
        for seed in range(first, first + design.repeats)
    ]
    write_json(
        experiment.directory / "prediction.json",
        {
            "schema": "surge/prediction/1",
            "offered_per_s": per_s,
            "runs": [
                {"seed": seed, "summary": summary.to_json()}
                for seed, summary in enumerate(foreseen, first)
            ],
        },
    )
    names = [f"held-out-{n}" for n in range(1, design.repeats + 1)]
    return level_of([_measured(experiment, name, per_s) for name in names], foreseen, held_out=True)


def _like(run: Run, bending: Bending, seed: int) -> Run:
    """A run that does not exist yet: of the same system, but bent so, and of this seed."""
    return replace(run, manifest=replace(run.manifest, bending=bending, seed=seed))


def _saturation_of(run: Run, scenario: Scenario, model: ServiceModel, design: Design) -> float:
    return answers_per_s(_predicted(run, scenario, model), design.saturation_s)


def attempts_per_visit(run: Run) -> float:
    """Attempts of those visits of a run that ended."""
    ended = run.history["ending"] != 0
    finished = np.isin(run.history["visitor"], run.history["visitor"][ended])
    return float(finished.sum()) / max(1, int(ended.sum()))
