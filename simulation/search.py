"""What can be bought, and how much of it is enough: each setting alone, then all together.

More of anything never hurts here, so for each setting there is a least value that will do while all
others are ample. What no purchase can mend is told with the bound that proves it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from simulation.bounds import Bounds, bounds_of
from simulation.deployment import Deployment
from simulation.fluid import fluid_of
from simulation.replication import Question
from simulation.screen import Screen
from workload.errors import Fault, InputError
from workload.objective import Objective

#: What is ample: so many times what the busiest minute needs.
AMPLE: Final = 4.0
#: A quota is found within this share, a count exactly.
CLOSE: Final = 1.01


@dataclass(frozen=True)
class Setting:
    """A setting that can be bought: its price's name, and the stations that it relieves."""

    name: str
    price: str
    stations: tuple[str, ...]


SETTINGS: Final = (
    Setting("replicas", "replica", ("event_loop", "connection_pool")),
    Setting("database_cores", "database_core", ("database",)),
    Setting("registry_slots", "registry_slot", ("registry_client",)),
    Setting("registry_quota_per_s", "registry_call_per_s", ("registry_quota",)),
    Setting("mail_connections", "mail_connection", ("mail_sender",)),
)
#: The queue of an objective -> where its work waits.
QUEUES: Final = {
    "identity": ("registry_quota", "registry_client"),
    "mail": ("mail_sender",),
}


def check_can_be_judged(question: Question) -> None:
    """At least one objective, and none of an uncalibrated step; InputError otherwise."""
    uncalibrated = question.model.uncalibrated()
    faults = [
        Fault("objective", one.text, "its step is uncalibrated: calibrate on more runs")
        for one in question.scenario.objectives
        if one.kind == "latency" and one.subject in uncalibrated
    ]
    if not question.scenario.objectives:
        faults = [Fault("objectives", [], "the scenario states none: there is nothing to meet")]
    if faults:
        raise InputError(f"scenario {question.scenario.name}", faults)


def settings_to_search(deployment: Deployment, fixed: frozenset[str]) -> tuple[Setting, ...]:
    """Those that are not fixed and mean something here: no quota where there is none."""
    return tuple(
        one
        for one in SETTINGS
        if one.name not in fixed
        and not (one.name == "database_cores" and deployment.shared_core)
        and not (one.name == "registry_quota_per_s" and not deployment.registry_quota_per_s)
    )


def with_values(deployment: Deployment, values: Mapping[str, float]) -> Deployment:
    """The deployment with these settings; counts stay whole numbers."""
    typed: dict[str, Any] = {
        name: value if name == "registry_quota_per_s" else int(value)
        for name, value in values.items()
    }
    return replace(deployment, **typed)


def ample_deployment(question: Question, searched: tuple[Setting, ...]) -> Deployment:
    """Of everything that may be bought, several times what the busiest minute needs."""
    bounds, values = bounds_of(question), {}
    for setting in searched:
        loads = [row.peak_load for name in setting.stations if (row := bounds.of(name))]
        have = float(getattr(question.deployment, setting.name))
        needed = max(loads, default=0.0) * have
        values[setting.name] = max(have, float(math.ceil(AMPLE * needed)), 4.0)
    return with_values(question.deployment, values)


def impossible(
    question: Question, broken: tuple[str, ...], searched: tuple[Setting, ...]
) -> InputError:
    """The error that names the objective, and the bound that proves it where one does."""
    bounds = bounds_of(question)
    faults = [
        Fault("objective", one.text, _proof(one, question, bounds))
        for one in question.scenario.objectives
        if one.text in broken
    ]
    names = ", ".join(one.name for one in searched) or "nothing"
    return InputError(
        f"no deployment can meet these objectives (free to choose: {names}, all of them ample)",
        faults,
    )


def _proof(objective: Objective, question: Question, bounds: Bounds) -> str:
    remedy = "lower the demand, free a setting (leave out its --fixed) or relax the objective"
    if objective.kind == "backlog":
        rows = [row for name in QUEUES[objective.subject] if (row := bounds.of(name))]
        worst = max(rows, key=lambda row: row.backlog_s, default=None)
        if worst and worst.backlog_s >= objective.limit:
            return f"proof by the bound: {worst.sentence}; {remedy}"
    for row in bounds.unstable:
        return f"by the bound: {row.sentence}; {remedy}"
    found = fluid_of(question)
    if objective.kind == "latency":
        took = found.latency(objective.subject, objective.quantile)
        return f"{objective.subject} takes {took:.3g} s when nobody waits anywhere; {remedy}"
    if objective.kind == "success":
        return f"{found.success[objective.subject]:.2%} succeed with everything ample; {remedy}"
    return f"{found.lost / max(found.people, 1e-9):.1%} are lost with everything ample; {remedy}"


def least_of(screen: Screen, ample: Deployment, setting: Setting) -> float:
    """The least value of a setting that passes the screen while all others are ample."""

    def passes(value: float) -> bool:
        return not screen.broken(with_values(ample, {setting.name: value}))

    high = float(getattr(ample, setting.name))
    if setting.name == "registry_quota_per_s":
        return _least_share(passes, high)
    low = 0.0
    while high - low > 1:
        # What is needed is mostly far below what is ample: a geometric middle finds it sooner.
        middle = float(min(max(round(math.sqrt(max(low, 1.0) * high)), low + 1), high - 1))
        if passes(middle):
            high = middle
        else:
            low = middle
    return high


def _least_share(passes: Callable[[float], bool], high: float) -> float:
    low = high
    while passes(low):
        high, low = low, low / 2
        if low < 1e-3:
            return high
    while high / low > CLOSE:
        middle = rounded_up(math.sqrt(low * high))
        if not low < middle < high:
            break
        if passes(middle):
            high = middle
        else:
            low = middle
    return high


def rounded_up(value: float) -> float:
    """To three digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return round(math.ceil(value / unit - 1e-9) * unit, 9)


def enough(
    screen: Screen, chosen: Deployment, searched: tuple[Setting, ...]
) -> tuple[Deployment, bool]:
    """Raised until it passes the screen; whether it did as it stood."""
    broken, is_least = screen.broken(chosen), True
    while broken:
        is_least = False
        chosen = raised(screen, chosen, broken, searched)
        broken = screen.broken(chosen)
    return chosen, is_least


def raised(
    screen: Screen, chosen: Deployment, broken: tuple[str, ...], searched: tuple[Setting, ...]
) -> Deployment:
    """A notch more of what the missed objectives wait for, else of the busiest station."""
    bounds = bounds_of(screen.asked(chosen))
    waits = [
        name
        for one in screen.question.scenario.objectives
        if one.kind == "backlog" and one.text in broken
        for name in QUEUES[one.subject]
    ]

    def strain(setting: Setting) -> tuple[bool, float]:
        rows = [row for name in setting.stations if (row := bounds.of(name))]
        load = max((row.peak_load for row in rows), default=0.0)
        return any(name in waits for name in setting.stations), load

    if not searched:
        fault = Fault("objectives", list(broken), "free a setting: leave out one of --fixed")
        raise InputError("no deployment can meet these objectives (nothing is free)", [fault])
    worst = max(searched, key=strain)
    have = float(getattr(chosen, worst.name))
    quota = worst.name == "registry_quota_per_s"
    value = rounded_up(have * 1.02) if quota else max(have + 1, math.ceil(have * 1.05))
    return with_values(chosen, {worst.name: value})
