"""One system, measured level by level, and the same visitors through the model.

Every level has other visitors (another seed), so that nobody registers twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from harness.checked import settings_of, utilisation_of
from harness.drive import drive
from harness.errors import RunInvalid
from harness.experiment_design import Design
from harness.stack import Stack
from harness.stack_settings import StackSettings, with_pairs
from loadtests.campaign import CampaignPlan
from loadtests.rundir import CampaignResult
from simulation.deployment import Deployment
from simulation.evidence import Run, read_run
from simulation.pace import pace_of
from simulation.projection import Question, Replication, replicate
from simulation.service import ServiceModel
from workload.agreement import Level, compare
from workload.history import History
from workload.manifest import Bending
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
#: A machine whose pace moved by more was not the machine that was learned from.
STEADY: Final = 0.2
#: Fewest people of a pulse that make batches of more than a few rows.
FEWEST: Final = 30

Tell = Callable[[str], None]


def own_settings(pairs: Sequence[str]) -> StackSettings:
    """The reference system as experiments start it, with a person's settings on top."""
    roomy = StackSettings(registry_slots=REGISTRY_SLOTS, registry_twin_slots=REGISTRY_SLOTS)
    return with_pairs(roomy, pairs)


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
        identity_check=str(capacity.get("identity_check") or "queued"),
        mail_connections=int(capacity.get("mail_connections") or 4),
        admission=str(capacity.get("admission") or "open"),
        in_flight_cap=int(capacity.get("in_flight_cap") or 0),
        shed_delay_s=float(capacity.get("shed_delay_s", 1.0)),
    )


def predict_run(run: Run, scenario: Scenario, model: ServiceModel) -> Summary:
    """The same visitors, through the model: folded as the measurement is."""
    return summarize(predicted_history(run, scenario, model), run.arrivals_s)


def predicted_history(run: Run, scenario: Scenario, model: ServiceModel) -> History:
    """The same visitors, through the model; RunInvalid where it kept no history."""
    asked = question_of(
        scenario, model, deployment_of(run), run.manifest.bending, run.manifest.seed
    )
    return history_of(replicate(asked, run.manifest.seed))


def tell_of_pace(runs: Sequence[Run], model: ServiceModel, tell: Tell) -> None:
    """Say which of these runs had a machine that is hardly the one that was learned from."""
    for run in runs:
        pace = pace_of([run], model)
        if abs(pace - 1.0) > STEADY:
            tell(
                f"  {run.path.name}: processor time was {pace:.2f} times as dear as while the "
                "model was learned: such a machine says little; measure again"
            )


def question_of(
    scenario: Scenario, model: ServiceModel, deployment: Deployment, bending: Bending, seed: int
) -> Question:
    """What is asked of the model about one level: until its last visitors have drained."""
    question = Question(
        scenario=scenario.with_seed(seed),
        model=model,
        deployment=deployment,
        bending=bending,
        trace=True,
    )
    return replace(question, horizon_s=question.window_length_s + DRAIN_S)


def history_of(replication: Replication) -> History:
    """Its visits; RunInvalid where it kept none."""
    if replication.history is None:
        raise RunInvalid("the model kept no history of its visits")
    return replication.history


def level_of(
    runs: Sequence[Run],
    predicted: Sequence[Summary],
    *,
    held_out: bool,
    pace: float = 1.0,
    written: Sequence[Summary] = (),
    deployment: str = "",
    expected: Mapping[str, float] | None = None,
) -> Level:
    """One level of the agreement, from its repeats.

    ``predicted`` at the pace that the machine had; ``written`` before, at that of the learning.
    """
    measured = [summarize(run.history, run.arrivals_s) for run in runs]
    offered = math.fsum(run.offered_per_s for run in runs) / len(runs)
    busy = [utilisation_of(run) for run in runs]
    return Level(
        offered,
        held_out,
        compare(measured, predicted, written),
        # The least of the repeats: only that far was all of them.
        {station: min(one.get(station, 0.0) for one in busy) for station in busy[0]},
        settings_of(deployment_of(runs[0])),
        deployment,
        expected or {},
        pace,
    )


def measured_part(scenario: Scenario) -> Scenario:
    """What a level of seconds can reach: nobody waits there for the pauses of days before later
    steps, and the few who call for help are too few to learn from. A projection takes the costs of
    both by analogy.
    """
    last, quiet = MEASURED_UNTIL, scenario.without_calls()
    return quiet.until(last) if last in quiet.journey.step_names else quiet


def attempts_per_visit(run: Run) -> float:
    """Attempts of those visits of a run that ended."""
    ended = run.history["ending"] != 0
    finished = np.isin(run.history["visitor"], run.history["visitor"][ended])
    return float(finished.sum()) / max(1, int(ended.sum()))
