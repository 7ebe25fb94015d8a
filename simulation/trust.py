"""How far an answer of the model may be trusted: what it rests on, and where it leaves that.

An answer is *extrapolated* where it needs something that was not there when the model was held
against load that it had not seen: a station busier than any was, a step that nobody walked, a
policy that did not answer. An interval can't say how wrong that is, so it is said in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from simulation.bounds import Bounds, bounds_of
from simulation.intervals import CONFIDENCE, Interval, capacity_factor, interval_of
from simulation.projection import Projection
from simulation.replication import Question, Replication
from simulation.service import ServiceModel
from workload.agreement import Agreement, agreement_from
from workload.errors import Fault, RecordError
from workload.summary import finite

SCHEMA_NAME: Final = "surge/trust/1"
NEVER: Final = "never checked: run surge verify"
PERCENTILES: Final = ("p50_s", "p95_s", "p99_s")
#: Busier than checked by no more than this share of the capacity is not called extrapolated.
CLOSE: Final = 0.02
#: Busy for more than so many times as long as people come: that is an aftermath.
LONG: Final = 2.0
#: A station below this share was not asked for anything that could be wrong.
IDLE: Final = 0.05
#: Settings whose every value must have answered in a check; of the others more is the same.
POLICIES: Final = ("identity_check", "admission", "shared_core")


@dataclass(frozen=True)
class Beyond:
    """One reason why an answer is extrapolated. ``kind``: station, step, policy or registry."""

    kind: str
    name: str
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "why": self.sentence}


@dataclass(frozen=True)
class Trust:
    """``agreement``: None for a model that was never checked; then nothing else is known.

    ``loads``: station -> busy share in the busiest minute of what was asked; ``checked``: station
    -> (least, most) measured busy share of the levels that were compared; ``capacity``: by what
    rates and capacities are to be divided and multiplied.
    """

    agreement: Agreement | None
    intervals: tuple[Interval, ...] = ()
    beyond: tuple[Beyond, ...] = ()
    loads: Mapping[str, float] | None = None
    checked: Mapping[str, tuple[float, float]] | None = None
    capacity: float = math.inf

    @property
    def extrapolated(self) -> bool:
        return bool(self.beyond)

    def interval(self, step: str, metric: str) -> Interval | None:
        """That of a step's percentile, such as ``p95_s``; None where there is none."""
        return next((i for i in self.intervals if (i.step, i.metric) == (step, metric)), None)

    def widened(self, low: float, high: float) -> tuple[float, float]:
        """An interval of a rate or a capacity, wider by the measured error of saturation.

        On a log scale, half-widths in quadrature: chance and the model's error are independent.
        """
        if not (0 < low <= high < math.inf):
            return low, high
        middle, half = math.sqrt(low * high), math.log(high / low) / 2
        reach = math.hypot(half, math.log(self.capacity)) if self.capacity < math.inf else math.inf
        factor = math.exp(reach) if reach < 700 else math.inf
        return middle / factor, middle * factor

    def to_json(self) -> dict[str, Any]:
        """`surge/trust/1`."""
        agreement = self.agreement
        checked = self.checked or {}
        return {
            "schema": SCHEMA_NAME,
            "checked": agreement is not None,
            "basis": None if agreement is None else agreement.to_json()["basis"],
            "extrapolated": [one.to_json() for one in self.beyond],
            "stations": {
                station: {
                    "load": load,
                    "checked_from": checked[station][0] if station in checked else None,
                    "checked_to": checked[station][1] if station in checked else None,
                }
                for station, load in (self.loads or {}).items()
            },
            "confidence": CONFIDENCE,
            "capacity_factor": finite(self.capacity),
            "intervals": [one.to_json() for one in self.intervals],
        }


def agreement_of(model: ServiceModel) -> Agreement | None:
    """What a model carries; RecordError where that is damaged."""
    raw = model.agreement
    if raw is None:
        return None
    try:
        return agreement_from(dict(raw))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        remedy = "a key is missing or damaged; run surge verify again"
        raise RecordError("model", [Fault("agreement", str(error), remedy)]) from error


def trust_of(question: Question, replications: Sequence[Replication] = ()) -> Trust:
    """Of a question and what came of it; without replications no latency has an interval."""
    agreement = agreement_of(question.model)
    if agreement is None:
        return Trust(None)
    loads = loads_of(question, replications)
    checked = checked_range(agreement)
    return Trust(
        agreement,
        tuple(_intervals(question, replications, agreement)),
        tuple(_beyond(question, agreement, loads, checked)),
        loads,
        checked,
        capacity_factor(agreement),
    )


def at_demand(question: Question, factor: float) -> Question:
    """The same with so many times the people."""
    bending = question.bending
    people = (bending.population or question.scenario.curve.population) * factor
    return replace(question, bending=replace(bending, population=people))


def checked_range(agreement: Agreement) -> dict[str, tuple[float, float]]:
    """Station -> (least, most) busy share; the most is that of a held-out level."""
    found: dict[str, tuple[float, float]] = {}
    for station in {name for level in agreement.levels for name in level.utilisation}:
        every = [one.utilisation.get(station, 0.0) for one in agreement.levels]
        held = [one.utilisation.get(station, 0.0) for one in agreement.levels if one.held_out]
        found[station] = (min(every), max(held, default=0.0))
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))


def loads_of(question: Question, replications: Sequence[Replication] = ()) -> dict[str, float]:
    """Station -> busy share in the busiest minute, the busiest station first.

    By what was simulated (retries, polls, wake-ups, rows that share a flush), raised to the busiest
    minute in proportion; by the bounds where nothing was, or where more comes than can be done.
    """
    bounds = bounds_of(question)
    found: dict[str, float] = {}
    for row in bounds.rows:
        name = row.station.replace("registry_quota", "registry_client")
        found[name] = max(row.peak_load, row.mean_load, found.get(name, 0.0))
    simulated: dict[str, float] = {}
    for one in replications:
        for name, busy in _simulated(question, one).items():
            load = min(1.0, busy * _peak(bounds, name))
            simulated[name] = max(simulated.get(name, 0.0), load)
    for name, load in simulated.items():
        found[name] = load if found.get(name, 0.0) <= 1.0 else found[name]
    found.pop("waiting_room", None)  # a policy, and meant to be full
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _peak(bounds: Bounds, station: str) -> float:
    row = bounds.of(station)
    return max(1.0, row.peak_load / row.mean_load) if row and row.mean_load else 1.0


def _simulated(question: Question, one: Replication) -> dict[str, float]:
    """Station -> busy share while people come.

    What is done in a long aftermath (mails, calls, polls of hours) is not pressed into that time.
    """
    model, deployment, come_s = question.model, question.deployment, question.window_length_s
    found: dict[str, float] = {}
    for name, row in one.stations.items():
        if name not in ("generator", "write_batcher", "waiting_room"):
            active_s = min(row["drained_at_h"] * 3600, one.summary.duration_s)
            longer = active_s / come_s
            found[name] = row["utilisation"] * (longer if longer < LONG else 1.0)
    replicas = one.scaled.mean_ready(come_s) if one.scaled else deployment.replicas
    loops = replicas * min(deployment.workers, deployment.cores)
    work_s = one.wakeups * model.wake_s
    if deployment.shared_core:
        # The worker process and the database take the loop's core.
        for name, cpu_s in (
            ("mail_sender", model.mail_cpu_s),
            ("registry_client", model.check_cpu_s),
        ):
            work_s += one.stations.get(name, {}).get("served", 0.0) * cpu_s
        work_s += found.get("database", 0.0) * come_s * loops
    found["event_loop"] = found.get("event_loop", 0.0) + work_s / loops / come_s
    return found


def _intervals(
    question: Question, replications: Sequence[Replication], agreement: Agreement
) -> Iterator[Interval]:
    """Of every step and percentile that has a value; none where outcomes are two-peaked."""
    if not replications:
        return
    projection = Projection(question, tuple(replications))
    if projection.two_peaked:
        return
    steps = question.model.steps

    def kind_of(step: str) -> str:
        return f"{steps[step].kind}" if step in steps else step

    for name in question.scenario.journey.names:
        said = projection.step(name)
        rows = [found for one in replications if (found := one.summary.step(name))]
        for metric in PERCENTILES:
            value = said[metric]
            if value:
                quantile = int(metric[1:3]) / 100
                figures = [row.latency.quantile(quantile) for row in rows if row.latency.total]
                yield interval_of(agreement, name, metric, figures, value, kind_of)


def _beyond(
    question: Question,
    agreement: Agreement,
    loads: Mapping[str, float],
    checked: Mapping[str, tuple[float, float]],
) -> Iterator[Beyond]:
    held = [level for level in agreement.levels if level.held_out]
    if not held:
        yield Beyond("check", "held out", "no level was held out when the model was checked")
    yield from _stations_beyond(loads, checked)
    walked = {row.step for level in held for row in level.rows}
    for name in question.scenario.journey.names:
        if name in walked:
            continue
        why = "never measured, at another step's cost by analogy"
        if question.model.calibrated.get(name):
            why = "measured, but its latency never compared"
        yield Beyond("step", name, f"{name}: {why}")
    yield from _settings_beyond(question, [level.settings for level in held])


def _stations_beyond(
    loads: Mapping[str, float], checked: Mapping[str, tuple[float, float]]
) -> Iterator[Beyond]:
    if not checked:
        why = "nobody noted how busy the stations were when it was checked"
        yield Beyond("check", "utilisation", why)
        return
    for station, load in loads.items():
        if station not in checked:
            if load > IDLE:
                why = f"{station} is busy to {load:.0%}: how busy it was in a check is not known"
                yield Beyond("station", station, why)
        elif load > max(checked[station][1] + CLOSE, IDLE):
            most = checked[station][1]
            why = f"{station} is busy to {load:.0%} in its busiest minute, checked up to {most:.0%}"
            yield Beyond("station", station, why)


def _settings_beyond(question: Question, held: Sequence[Mapping[str, Any]]) -> Iterator[Beyond]:
    deployment = question.deployment
    for name in POLICIES:
        value = getattr(deployment, name)
        seen = {settings[name] for settings in held if name in settings}
        if seen and value not in seen:
            yield Beyond("policy", name, f"{name} = {_word(value)} never answered in a check")
    # More than ever answered is another system: they share out what comes.
    counts = {"replicas": deployment.most_replicas, "workers": deployment.workers}
    for name, value in counts.items():
        most = max((settings[name] for settings in held if name in settings), default=None)
        if most is not None and value > most:
            why = f"{value} {name} share out what comes, checked with {most}"
            yield Beyond("policy", name, why)
    if deployment.scaling:
        yield Beyond("policy", "scaling", "replicas that come and go were never measured")
    alone = {settings["batch_rows"] == 1 for settings in held if "batch_rows" in settings}
    if alone and (deployment.batch_rows == 1) not in alone:
        word = "off" if deployment.batch_rows == 1 else "on"
        yield Beyond("policy", "batch_rows", f"batching {word} never answered in a check")
    if deployment.registry_windows:
        yield Beyond("registry", "registry_windows", "the registry's outages were never measured")


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
