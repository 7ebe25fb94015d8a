"""What each element of the model buys: the held-out error with that element taken out.

Every element is a way to make a model and a deployment poorer: the engines know nothing of it.
The runs that a `surge verify` left behind are predicted again, once as the model is and once
without each element; nothing is measured anew.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from harness.experiment import DRAIN_S, answers_per_s, deployment_of, measured_part
from simulation.calibrate import calibrate_runs
from simulation.deployment import Deployment
from simulation.evidence import Run, read_run, windows
from simulation.pace import as_in
from simulation.projection import Question, replicate
from simulation.service import ServiceModel, StepCost
from workload.agreement import Row, compare, signed_error
from workload.durations import Duration, constant
from workload.errors import Fault, RecordError
from workload.history import History
from workload.manifest import read_manifest
from workload.scenario import load_scenario
from workload.summary import finite, summarize

SCHEMA_NAME: Final = "surge/ablation/1"
WHOLE: Final = "the whole model"
HELD_OUT: Final = re.compile(r"held-out(-\d+)+")
SATURATION: Final = re.compile(r"saturation-\d+")
#: What a table and the score look at; p99 is in the JSON.
SCORED: Final = ("p50_s", "p95_s")

Pair = tuple[ServiceModel, Deployment]


@dataclass(frozen=True)
class Element:
    """``without``: the same model and deployment, poorer by this element."""

    name: str
    instead: str
    without: Callable[[Pair, float], Pair]


@dataclass(frozen=True)
class Ablated:
    """The errors of one level without one element. ``saturation_error``: NaN without such a run."""

    element: str
    instead: str
    rows: tuple[Row, ...]
    saturation_error: float

    @property
    def score(self) -> float:
        """Mean |log(predicted / measured)| over the steps' p50 and p95; infinite where one is."""
        errors = [row.error for row in self.rows if row.metric in SCORED]
        sizes = [_size(error) for error in errors if not math.isnan(error)]
        return math.fsum(sizes) / len(sizes) if sizes else math.nan

    def to_json(self) -> dict[str, Any]:
        return {
            "element": self.element,
            "instead": self.instead,
            "score": finite(self.score),
            "saturation_error": finite(self.saturation_error),
            "rows": [row.to_json() for row in self.rows],
        }


def _size(error: float) -> float:
    return abs(math.log1p(error)) if -1.0 < error < math.inf else math.inf


def _model(**changes: Any) -> Callable[[Pair, float], Pair]:
    return lambda pair, _: (replace(pair[0], **changes), pair[1])


def _deployment(**changes: Any) -> Callable[[Pair, float], Pair]:
    return lambda pair, _: (pair[0], replace(pair[1], **changes))


def _means(*names: str) -> Callable[[Pair, float], Pair]:
    """These distributions of the model, each replaced by its mean."""

    def without(pair: Pair, _: float) -> Pair:
        model, deployment = pair
        means: dict[str, Any] = {n: constant(getattr(model, n).mean_s) for n in names}
        return replace(model, **means), deployment

    return without


def _each_step(change: Callable[[StepCost], StepCost]) -> Callable[[ServiceModel], ServiceModel]:
    return lambda model: replace(model, steps={n: change(c) for n, c in model.steps.items()})


def _flat(cost: StepCost) -> StepCost:
    """Every slice as long as the mean one."""
    lengths = [field.name for field in fields(cost) if field.type == "Duration"]
    means: dict[str, Any] = {name: constant(getattr(cost, name).mean_s) for name in lengths}
    return replace(cost, **means)


def _slices(pair: Pair, _: float) -> Pair:
    return _each_step(_flat)(pair[0]), pair[1]


def _constant_demand(pair: Pair, wakeups: float) -> Pair:
    """What the wake-ups cost at the levels that were learned from, as a part of each request."""
    model, deployment = pair
    more = model.wake_s * wakeups

    def dearer(cost: StepCost) -> StepCost:
        whole = cost.before.mean_s + cost.after.mean_s
        factor = (whole + more) / whole if whole else 1.0
        return replace(cost, before=_scaled(cost.before, factor), after=_scaled(cost.after, factor))

    return replace(_each_step(dearer)(model), wake_s=0.0), deployment


def _scaled(duration: Duration, factor: float) -> Duration:
    return Duration(tuple(knot * factor for knot in duration.knots_s))


def _free_database(pair: Pair, _: float) -> Pair:
    """The database answers without work of its own; only its log takes time."""
    model = _each_step(lambda cost: replace(cost, query=constant(0.0)))(pair[0])
    return replace(model, write_base_s=0.0, write_row_s=0.0, errand_s=0.0), pair[1]


#: In the order of a request's way.
ELEMENTS: Final = (
    Element("generator", "visitors beside the service", _deployment(generator=False)),
    Element("twins", "they cost the generator's core nothing",
            _model(twin_mail_s=0.0, twin_check_s=0.0)),
    Element("network", "no time", _model(network_s=0.0)),
    Element("wake-ups", "a loop that never sleeps", _model(wake_s=0.0)),
    Element("load-dependent demand", "wake-ups spread over requests", _constant_demand),
    Element("lengths of slices", "every slice as long as the mean", _slices),
    Element("batching", "one row a flush", _deployment(batch_rows=1)),
    Element("work of a flush", "flushes and rows cost the loop nothing",
            _model(flush_base_s=0.0, flush_row_s=0.0)),
    Element("work of the database", "no CPU", _free_database),
    Element("the shared core", "database and worker on cores of their own",
            _deployment(shared_core=False)),
    Element("commit", "no time", _model(commit=constant(0.0))),
    Element("lengths of commits", "every commit takes the mean", _means("commit")),
    Element("lengths of reads", "every read takes the mean", _means("read")),
    Element("the worker's bursts", "jobs are taken up at once", _model(poll_s=0.0)),
    Element("work of the worker", "mails and checks cost no CPU",
            _model(mail_cpu_s=0.0, check_cpu_s=0.0)),
    Element("lengths of checks", "the registry always takes the mean", _means("registry")),
    Element("lengths of mails", "every mail takes the mean", _means("mail")),
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """What a `surge verify` left: a model of today from its low runs, and what was held out.

    ``levels``: the repeats of each held-out level. ``wakeups``: of the loop, a request, at the
    levels that were learned from.
    """

    model: ServiceModel
    levels: tuple[tuple[Run, ...], ...]
    overloaded: Run | None
    wakeups: float


def read_record(directory: Path) -> Record:
    """RecordError where it is not the directory of a `surge verify` that came to its end."""
    learned = [read_run(directory / name) for name in _calibrated_on(directory)]
    paths = sorted(path.parent for path in directory.glob("*/manifest.json"))
    held: dict[str, list[Run]] = {}
    for path in paths:
        if HELD_OUT.fullmatch(path.name):
            held.setdefault(path.name.rpartition("-")[0], []).append(read_run(path))
    if not held:
        remedy = "give the directory that `surge verify` wrote"
        raise RecordError(str(directory), [Fault("held-out runs", "none", remedy)])
    full = [path for path in paths if SATURATION.fullmatch(path.name)]
    full = [path for path in full if read_manifest(path).status == "complete"]
    requests, wakeups = (
        math.fsum(window.total("service", name) for window in windows(learned))
        for name in ("surge_requests_total", "surge_loop_wakeups_total")
    )
    return Record(
        calibrate_runs(learned),
        tuple(tuple(runs) for runs in held.values()),
        read_run(full[-1]) if full else None,
        wakeups / max(1.0, requests),
    )


def _calibrated_on(directory: Path) -> Sequence[str]:
    """Names of the runs that the agreement says the model was learned from."""
    path = directory / "agreement.json"
    remedy = "give the directory that `surge verify` wrote"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return [str(name) for name in raw["calibrated_on"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(str(directory), [Fault(path.name, str(error)[:60], remedy)]) from error


def ablate(record: Record, tell: Callable[[str], None]) -> list[tuple[float, list[Ablated]]]:
    """(visitors a second, errors of the whole model and without each element), by level."""
    whole = Element(WHOLE, "", lambda pair, _: pair)
    found = []
    for runs in record.levels:
        offered = math.fsum(run.offered_per_s for run in runs) / len(runs)
        tell(f"predicting {offered:,.0f} visitors/s again, {len(ELEMENTS) + 1} times")
        found.append((offered, [_without(one, runs, record) for one in (whole, *ELEMENTS)]))
    return found


def _without(element: Element, runs: Sequence[Run], record: Record) -> Ablated:
    measured = [summarize(run.history, run.arrivals_s) for run in runs]
    foreseen = [summarize(_history(element, run, record), run.arrivals_s) for run in runs]
    error = math.nan
    if (run := record.overloaded) is not None:
        predicted = answers_per_s(_history(element, run, record), run.arrivals_s)
        error = signed_error(predicted, answers_per_s(run.history, run.arrivals_s))
    return Ablated(element.name, element.instead, compare(measured, foreseen), error)


def _history(element: Element, run: Run, record: Record) -> History:
    """The visitors of a run, through the model without the element."""
    whole = as_in([run], record.model)
    model, deployment = element.without((whole, deployment_of(run)), record.wakeups)
    scenario = measured_part(load_scenario(run.path / "scenario.toml"))
    question = Question(
        scenario=scenario.with_seed(run.manifest.seed),
        model=model,
        deployment=deployment,
        bending=run.manifest.bending,
        horizon_s=run.arrivals_s + DRAIN_S,
        trace=True,
    )
    history = replicate(question, run.manifest.seed).history
    if history is None:
        remedy = "the model kept no history of its visits"
        raise RecordError(run.path.name, [Fault("history", "none", remedy)])
    return history


def ablation_json(
    directory: Path, found: Sequence[tuple[float, Sequence[Ablated]]]
) -> dict[str, Any]:
    """`surge/ablation/1`."""
    return {
        "schema": SCHEMA_NAME,
        "record": directory.name,
        "levels": [
            {"offered_per_s": offered, "elements": [one.to_json() for one in every]}
            for offered, every in found
        ],
    }
