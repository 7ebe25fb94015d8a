"""From the options of `surge simulate` to a question, and from the question to its projection."""

import argparse
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from harness import CHECKOUT
from harness.from_state import begun, refuse_bends
from harness.progress import progress
from harness.tables import say
from harness.walk import Options, Walk, read_walk
from simulation.deployment import Deployment, load_deployment, with_settings
from simulation.executors import opened, read_workers
from simulation.projection import Projection, Question, project
from simulation.screen import Clock, unstable_words
from simulation.service import ServiceModel, read_model
from workload.agreement import SCHEMA_NAME as AGREEMENT
from workload.errors import Fault, InputError, InvalidRunError
from workload.manifest import read_json
from workload.objective import Verdict, judge

#: A model that the project ships, measured on one named machine.
REFERENCE = CHECKOUT / "simulation" / "models" / "reference.json"
MOST_REPLICATIONS = 1_000_000
#: Where there is more to simulate than anybody has cores for.
MOST_AT_ONCE = 1_000_000
#: Memory of one replication, measured on whole waves: each arrival, and each person walked.
BYTES_AN_ARRIVAL = 60
BYTES_A_PERSON = 400


@dataclass(frozen=True)
class Asked:
    """A question, and where its parts came from: names or files, as they were given."""

    question: Question
    walk: Walk
    model_file: Path
    scenario_given: str = ""
    deployment_given: str = ""
    pairs: tuple[str, ...] = ()


def read_question(arguments: argparse.Namespace) -> Asked:
    """The question that the options stand for; InputError with every fault in them."""
    options = Options(arguments)
    walk = read_walk(options)
    replications = options.whole("replications", 1, MOST_REPLICATIONS)
    if walk.scenario.seed + replications > 2**63 - 1:
        options.fault("seed", walk.scenario.seed, "the last replication's seed must be below 2**63")
    if arguments.trace and replications > 1:
        remedy = "a trace keeps one replication: leave it out, and choose the one by --seed"
        options.fault("replications", replications, remedy)
    horizon_s = options.span("horizon") if arguments.horizon is not None else None
    state_file = getattr(arguments, "from_state", None)  # a plan, knee or cliff begins with nobody
    if state_file:
        refuse_bends(options)
    options.done()
    model_file, model = find_model(arguments.model)
    deployment, state = find_deployment(arguments), None
    if state_file:
        walk, state = begun(state_file, walk, deployment)
    question = Question(
        scenario=walk.scenario,
        model=model,
        deployment=deployment,
        bending=walk.bending,
        engine=arguments.engine,
        replications=replications,
        trace=arguments.trace is not None,
        horizon_s=horizon_s,
        state=state,
    )
    return Asked(question, walk, model_file, str(arguments.scenario), arguments.deployment,
                 tuple(arguments.pairs))  # fmt: skip


def find_model(given: Path | None) -> tuple[Path, ServiceModel]:
    """The model that was given, else the shipped one; InputError where there is neither."""
    if given is None:
        if not REFERENCE.exists():
            remedy = "give the model.json that `surge demo`, `verify` or `calibrate RUN…` wrote"
            raise InputError("options", [Fault("--model", None, remedy)])
        say("no --model given: the shipped reference model is used, measured on another machine")
        given = REFERENCE
    return given, with_agreement_beside(read_model(given), given)


def with_agreement_beside(model: ServiceModel, file: Path) -> ServiceModel:
    """A model that carries no agreement takes that of ``agreement.json`` beside its file.

    Only where that is about the same runs: another model's check says nothing of this one.
    """
    beside = file.parent / "agreement.json"
    if model.agreement is not None or not beside.is_file():
        return model
    found = read_json(beside, AGREEMENT)
    if not found.get("calibrated_on") or found["calibrated_on"] != model.fitted.get("runs"):
        return model
    return replace(model, agreement={"schema": AGREEMENT, **found})


def find_deployment(arguments: argparse.Namespace) -> Deployment:
    """A profile with settings applied; InputError with every fault of either."""
    option = getattr(arguments, "pairs_option", "--set")
    return with_settings(load_deployment(arguments.deployment), arguments.pairs, option)


def project_with_progress(
    question: Question, executor: str = "threads", clock: Clock | None = None
) -> Projection:
    """All replications, spread over those that --executor names; how far they are is shown.

    When the clock runs out, those that were done, which is said; InvalidRunError where none was,
    with the stations that are unstable and by how much.
    """
    with (
        progress(f"simulating {question.scenario.name}") as report,
        workers(executor, question, question.replications, clock) as pool,
    ):
        try:
            check = clock.check if clock else None
            found = project(question, lambda done: report(done, ""), pool, check)
        except InvalidRunError as error:
            raise InvalidRunError(f"{error}{unstable_words(question)}") from error
    done, wanted = len(found.replications), question.replications
    if done < wanted:
        say(f"time ran out after {done} of {wanted} replications: give a longer --max-wall")
    return found


def clock_of(arguments: argparse.Namespace) -> Clock:
    """The clock of --max-wall; InputError where that is no span of time."""
    options = Options(arguments)
    most_s = options.span("max_wall")
    options.done()
    return Clock(
        most_s, remedy="a shorter --window, a smaller --population or fewer --replications"
    )


def bytes_needed(question: Question) -> float:
    """Memory of one replication, about."""
    scenario, bending = question.scenario, question.bending
    if bending.population is not None:
        scenario = scenario.with_population(bending.population)
    walked = float(scenario.curve.expected(*bending.window_s)) * bending.thin
    walked += question.state.total if question.state else 0
    return scenario.curve.population * BYTES_AN_ARRIVAL + walked * BYTES_A_PERSON


def fits_at_once(question: Question) -> int:
    """Replications that fit into this machine's memory together; InputError where not even one."""
    needed = bytes_needed(question)
    available = psutil.virtual_memory().available
    if needed > available:
        remedy = (
            f"about {needed / 2**30:.1f} GiB are needed and {available / 2**30:.1f} are free: "
            "give a shorter --window, a smaller --population or --thin"
        )
        people = round(question.bending.population or question.scenario.curve.population)
        raise InputError("options", [Fault("people", people, remedy)])
    return max(1, int(available / max(needed, 1.0)))


def judged(projection: Projection) -> list[Verdict]:
    """A verdict on each objective; of an uncalibrated step it is unknown, and says why."""
    model = projection.question.model
    unknown = {"latency": model.uncalibrated(), "success": model.uncalibrated(fewest=1)}
    verdicts = []
    for objective in projection.question.scenario.objectives:
        verdict = judge(objective, projection)
        if objective.subject in unknown.get(objective.kind, ()):
            why = "uncalibrated: fewer than 1,000 accepted attempts in the calibration runs"
            verdict = replace(verdict, why=why)
        verdicts.append(verdict)
    return verdicts


@contextmanager
def workers(
    executor: str, question: Question, wanted: int, clock: Clock | None = None
) -> Iterator[Executor | None]:
    """Who simulates, by --executor; None for a single replication, which is simulated here.

    As many at once as this machine has cores, and as fit into its memory; those of another machine
    are that machine's affair. InputError for another name, InvalidRunError where a worker is lost.
    """
    asked = read_workers(executor)
    at_once = wanted if asked.elsewhere else min(wanted, fits_at_once(question))
    if wanted == 1 and asked.kind != "dask":
        yield None
        return
    with opened(asked, at_once, clock.stop if clock else None) as pool:
        yield pool
