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
    """Those that are not fixed and mean something here: no quota where there is none.

    Where replicas come and go, how many there are is the scaling's to say.
    """
    return tuple(
        one
        for one in SETTINGS
        if one.name not in fixed
        and not (one.name == "replicas" and deployment.scaling)
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
    """The least value of a setting that passes the screen while all others are ample.

    The fluid finds the least that it can't deny; what is simulated starts there.
    """

    def with_value(value: float) -> Deployment:
        return with_values(ample, {setting.name: value})

    high = float(getattr(ample, setting.name))
    whole = setting.name != "registry_quota_per_s"
    low = 0.0 if whole else high / 1024
    value = bisect(lambda one: not screen.flows_break(with_value(one)), low, high, whole)[1]
    if screen.broken(with_value(value)):
        value = bisect(lambda one: not screen.broken(with_value(one)), value, high, whole)[1]
    return value


def bisect(
    passes: Callable[[float], bool],
    low: float,
    high: float,
    whole: bool,  # noqa: FBT001
) -> tuple[float, float]:
    """(largest that fails, least that passes) between a low that fails and a high that passes.

    What is needed is mostly far below what is ample: a geometric middle finds it sooner.
    """
    while (high - low > 1) if whole else (high / low > CLOSE):
        middle = math.sqrt(max(low, 1.0) * high) if whole else rounded_up(math.sqrt(low * high))
        if whole:
            middle = float(min(max(round(middle), low + 1), high - 1))
        elif not low < middle < high:
            break
        low, high = (low, middle) if passes(middle) else (middle, high)
    return low, high


def rounded_up(value: float) -> float:
    """To three digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return round(math.ceil(value / unit - 1e-9) * unit, 9)


def enough(
    screen: Screen, chosen: Deployment, searched: tuple[Setting, ...]
) -> tuple[Deployment, bool]:
    """Raised until it passes the screen, and trimmed again; whether it passed as it stood."""
    broken, least = screen.broken(chosen), chosen
    while broken:
        chosen = raised(screen, chosen, broken, searched, every=True)
        broken = screen.broken(chosen)
    for setting in sorted(searched, key=lambda one: -chosen.prices.get(one.price, 0.0)):
        low, high = (float(getattr(one, setting.name)) for one in (least, chosen))
        chosen = _trimmed(screen, chosen, setting, low, high)
    return chosen, chosen == least


def _trimmed(
    screen: Screen, chosen: Deployment, setting: Setting, low: float, high: float
) -> Deployment:
    """With as little of a setting, from ``low`` on, as still passes while the others stay."""

    def passes(value: float) -> bool:
        return not screen.broken(with_values(chosen, {setting.name: value}))

    if low < high:
        whole = setting.name != "registry_quota_per_s"
        value = low if passes(low) else bisect(passes, low, high, whole)[1]
        chosen = with_values(chosen, {setting.name: value})
    return chosen


def raised(
    screen: Screen,
    chosen: Deployment,
    broken: tuple[str, ...],
    searched: tuple[Setting, ...],
    *,
    every: bool = False,
) -> Deployment:
    """A notch more of what the missed objectives wait for, else of the busiest station's.

    Of the busiest of those that they wait for, or of ``every`` one.
    """
    bounds = bounds_of(screen.asked(chosen))
    waits = [
        name
        for one in screen.question.scenario.objectives
        if one.kind == "backlog" and one.text in broken
        for name in QUEUES[one.subject]
    ]

    def load(setting: Setting) -> float:
        rows = [row for name in setting.stations if (row := bounds.of(name))]
        return max((row.peak_load for row in rows), default=0.0)

    if not searched:
        fault = Fault("objectives", list(broken), "free a setting: leave out one of --fixed")
        raise InputError("no deployment can meet these objectives (nothing is free)", [fault])
    awaited = [one for one in searched if any(name in waits for name in one.stations)]
    notches = {}
    for setting in awaited if every and awaited else [max(awaited or searched, key=load)]:
        have = float(getattr(chosen, setting.name))
        quota = setting.name == "registry_quota_per_s"
        notches[setting.name] = (
            rounded_up(have * 1.02) if quota else max(have + 1, math.ceil(have * 1.05))
        )
    return with_values(chosen, notches)
