"""Deployments that the model has not seen: predicted, then set up and measured.

One system was learned from. Each of these is that system with one thing changed; the calibrated
model answers for it with nothing but the same change, at about 70 % of what it says that the
changed system can do. The prediction is written down before the system is started.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from harness.errors import RunInvalid
from harness.experiment_design import DEPLOYMENTS, Design
from harness.measuring import (
    WARM_UP_PER_S,
    Experiment,
    Tell,
    bent_to,
    history_of,
    level_of,
    question_of,
    tell_of_pace,
)
from harness.stack import Stack
from harness.stack_settings import StackSettings
from simulation.deployment import Deployment
from simulation.evidence import Run
from simulation.pace import as_in, pace_of
from simulation.projection import Question, replicate
from simulation.service import ServiceModel
from simulation.trust import loads_of
from workload.agreement import Level
from workload.durations import Duration
from workload.errors import InvalidRunError
from workload.manifest import write_json
from workload.scenario import Scenario
from workload.summary import Summary, summarize

#: Share of its busiest station at which a changed deployment is held against its prediction.
SHARE: Final = 0.7
#: Slots are halved until they can do no more than this share of what the core can.
BINDS: Final = 0.8
SLOWER: Final = 2.0
#: The other mix: visits that end here, so that nobody asks how the identity check came out.
SHORT: Final = "verify_email"
#: Rounds of asking the model how busy a rate makes it; a rate moves by no more than STRIDE in one.
ROUNDS: Final = 8
STRIDE: Final = 3.0
#: Near enough to a busy share that was asked for.
NEAR: Final = 0.01


@dataclass(frozen=True)
class System:
    """What was learned from: whose visitors, the model, the settings, how it answered."""

    scenario: Scenario
    model: ServiceModel
    settings: StackSettings
    deployment: Deployment
    design: Design

    def as_in(self, runs: Sequence[Run]) -> System:
        """With the model at the pace that the machine had in these runs."""
        return replace(self, model=as_in(runs, self.model))

    @property
    def unchanged(self) -> Changed:
        """The deployment that was learned from."""
        return Changed("", "", self.settings, self.scenario)


@dataclass(frozen=True)
class Changed:
    """One changed deployment. ``words``: what is changed. ``slower``: of the registry, by what."""

    name: str
    words: str
    settings: StackSettings
    scenario: Scenario
    slower: float = 1.0

    def deployment(self, system: System) -> Deployment:
        """The one that was learned from, with the same change."""
        latency = None
        if self.slower != 1.0:
            knots = system.model.registry.knots_s
            latency = Duration(tuple(knot * self.slower for knot in knots))
        settings = self.settings
        return replace(
            system.deployment,
            name=self.name,
            workers=settings.workers,
            pool=settings.pool,
            batch_rows=settings.batch_rows,
            registry_slots=settings.registry_slots,
            registry_latency=latency,
            identity_check=settings.identity_check,
        )

    def question(self, system: System, per_s: float, seed: int) -> Question:
        """What is asked of the model at a mean of ``per_s`` visitors a second."""
        bending = bent_to(self.scenario, per_s, system.design.level_s)
        return question_of(self.scenario, system.model, self.deployment(system), bending, seed)

    def predicted(self, system: System, per_s: float, seed: int) -> Summary:
        """What the model says of it."""
        asked = self.question(system, per_s, seed)
        return summarize(history_of(replicate(asked, seed)), asked.window_length_s)

    def busy(self, system: System, per_s: float, seed: int) -> dict[str, float]:
        """Station -> busy share that the model expects."""
        asked = self.question(system, per_s, seed)
        loads = loads_of(asked, [replicate(asked, seed)])
        return {station: round(load, 4) for station, load in loads.items()}


def changed_deployments(system: System, core_per_s: float) -> dict[str, Changed]:
    """By name. ``core_per_s``: visitors a second that keep the core busy, for the slots."""
    base = system.settings
    slots = binding_slots(base.registry_slots, system.model.registry.mean_s, core_per_s)
    knots = tuple(SLOWER * knot for knot in base.registry_twin_latency_s)
    settings: dict[str, tuple[str, StackSettings]] = {
        "two-workers": (
            f"{2 * base.workers} service processes on the same core",
            replace(base, workers=2 * base.workers),
        ),
        "pool-halved": (
            f"{max(1, base.pool // 2)} connections for reads",
            replace(base, pool=max(1, base.pool // 2)),
        ),
        "slots-halved": (
            f"{slots} slots of the registry: halved until they, not the core, hold visitors up",
            replace(base, registry_slots=slots, registry_twin_slots=slots),
        ),
        "registry-slow": (
            f"a registry {SLOWER:g} times as slow",
            replace(base, registry_twin_latency_s=knots),
        ),
        "batching-off": ("one row in a flush", replace(base, batch_rows=1)),
        "inline": ("the request waits for the registry", replace(base, identity_check="inline")),
        "other-mix": (f"visits that end after {SHORT}", base),
    }
    short = system.scenario
    if SHORT in short.journey.step_names:
        short = short.until(SHORT)
    return {
        name: Changed(
            name,
            words,
            one,
            short if name == "other-mix" else system.scenario,
            SLOWER if name == "registry-slow" else 1.0,
        )
        for name, (words, one) in settings.items()
    }


def binding_slots(slots: int, latency_s: float, core_per_s: float) -> int:
    """Halved once, and then until they bind before the core does; at least one."""
    slots = max(1, slots // 2)
    while slots > 1 and slots > BINDS * core_per_s * latency_s:
        slots //= 2
    return slots


def rate_at(share: float, ask: Callable[[float], Question], first_per_s: float) -> float:
    """Visitors a second that keep the busiest station at ``share``.

    By asking the model, from ``first_per_s`` on: a load grows with the rate, though not in
    proportion, since batches grow and a busy loop does not sleep.
    """
    per_s, least, most = first_per_s, 0.0, math.inf
    best = (math.inf, first_per_s)
    for _ in range(ROUNDS):
        question = ask(per_s)
        loads = loads_of(question, [replicate(question, question.scenario.seed)])
        busy = max(loads.values())
        best = min(best, (abs(busy - share), per_s))
        if best[0] < NEAR:
            break
        least, most = (per_s, most) if busy < share else (least, per_s)
        per_s *= min(STRIDE, max(1 / STRIDE, share / busy if busy else STRIDE))
        if not least < per_s < most:  # beyond its edge a system is busier than any rate says
            per_s = (least + most) / 2
    return best[1]


def busy_levels(system: System, first_per_s: float) -> list[float]:
    """Visitors a second at which the busiest station is expected as busy as the design says.

    True utilisation: a share of saturation says little of it, since batches grow and a loop that
    is busy does not sleep.
    """
    seed = system.scenario.seed + 1
    return [
        rate_at(share, lambda at: system.unchanged.question(system, at, seed), first_per_s)
        for share in system.design.busy
    ]


def check_deployments(
    system: System, directory: Path, first_per_s: float, tell: Tell
) -> list[Level]:
    """A level of each deployment that the design names; their runs are below ``directory``.

    One that could not be measured is told of and left out.
    """
    wanted = [name for name in DEPLOYMENTS if name in system.design.deployments]
    if not wanted:
        return []
    seed = system.scenario.seed + 1
    core_per_s = rate_at(1.0, lambda at: system.unchanged.question(system, at, seed), first_per_s)
    found = []
    for name in wanted:
        changed = changed_deployments(system, core_per_s)[name]
        try:
            found.append(_checked(system, changed, directory / name, first_per_s, tell))
        except (RunInvalid, InvalidRunError) as invalid:
            tell(f"  {name} could not be measured: {invalid}")
    return found


def _checked(
    system: System, changed: Changed, directory: Path, first_per_s: float, tell: Tell
) -> Level:
    """Predict, write it down, start, measure, compare."""
    design, first = system.design, changed.scenario.seed + 2  # the warm-up takes the first seed
    per_s = rate_at(SHARE, lambda at: changed.question(system, at, first), first_per_s)
    seeds = range(first, first + design.repeats)
    foreseen = [changed.predicted(system, per_s, seed) for seed in seeds]
    names = [f"{changed.name}-{n}" for n in range(1, design.repeats + 1)]
    directory.mkdir(parents=True, exist_ok=True)
    written: dict[str, Any] = {
        "schema": "surge/prediction/1",
        "written_unix": time.time(),
        "offered_per_s": per_s,
        "runs": [
            {"run": name, "offered_per_s": per_s, "seed": seed, "summary": summary.to_json()}
            for seed, (name, summary) in enumerate(zip(names, foreseen, strict=True), first)
        ],
    }
    write_json(directory / "prediction.json", written)
    tell(
        f"{changed.name}: {changed.words}; predicted busy to {SHARE:.0%} at {per_s:,.0f} visitors/s"
    )
    with Stack(changed.settings, logs=directory / "logs") as stack:
        experiment = Experiment(stack, changed.scenario, directory, design, tell)
        experiment.measure("warm-up", min(per_s, WARM_UP_PER_S), design.warm_up_s)
        runs = [experiment.measure(name, per_s, design.level_s) for name in names]
    tell_of_pace(runs, system.model, tell)
    at_their_pace = [
        changed.predicted(system.as_in([run]), per_s, seed) for seed, run in enumerate(runs, first)
    ]
    return level_of(
        runs,
        at_their_pace,
        held_out=True,
        pace=round(pace_of(runs, system.model), 4),
        written=foreseen,
        deployment=changed.name,
        expected=changed.busy(system.as_in(runs), per_s, first),
    )
