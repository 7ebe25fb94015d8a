"""How a service scales: by plan, by its load, or by both; and what that comes to in cells.

    [scaling]
    startup = "90s"                  # from being wanted to being ready
    max = 12                         # reactive: never more, and from `min` on
    min = 2
    target_busy = 0.6                # the share of their cores that replicas should be busy
    every = "15s"                    # how often that is looked at
    cooldown = "5m"                  # after a change, none is taken away for so long

    [[scaling.planned]]
    at = "30m"                       # on the scenario's clock, after the opening
    replicas = 6

A planned step says how many there are; where the service is reactive too, how many there are at
least. A plan is on the scenario's clock, and faster where a run is sped up. How long a replica
takes to start is the service's own, and the same at any speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Final

from simulation.replicas import (
    CHANGE,
    G_CHANGED,
    G_COOLDOWN,
    G_EVERY,
    G_FLOOR,
    G_LOG,
    G_PLAN,
    G_PLANNED,
    G_SLOTS,
    G_STARTUP,
    G_WORTH,
    HEAD,
    P_READY_AT,
    P_STATE,
    READY,
    REPLICA,
    STARTING,
)
from workload.durations import SECOND_NS
from workload.errors import Fault
from workload.reader import Reader, number, seconds, whole

MOST_REPLICAS: Final = 10_000
MOST_STEPS: Final = 1_000
LEAST_EVERY_S: Final = 1.0
NO_SCALING: Final = "none"
#: Keys that mean something only where the service is reactive, which `max` makes it.
REACTIVE: Final = ("min", "target_busy", "every", "cooldown")


@dataclass(frozen=True)
class Wanted:
    """From ``at_s`` on, seconds after the opening, so many replicas are wanted."""

    at_s: float
    replicas: int


@dataclass(frozen=True)
class Scaling:
    """``most``: of a reactive service, 0 where only the plan decides. ``target_busy``: share of
    their cores. Spans in seconds.
    """

    startup_s: float = 60.0
    planned: tuple[Wanted, ...] = ()
    least: int = 1
    most: int = 0
    target_busy: float = 0.6
    every_s: float = 15.0
    cooldown_s: float = 300.0

    @property
    def is_reactive(self) -> bool:
        return self.most > 0

    def slots(self, replicas: int) -> int:
        """The most replicas that there may be, of a service that begins with so many."""
        return self.most or max(replicas, *(step.replicas for step in self.planned))

    def to_json(self) -> dict[str, Any]:
        """As it is written, spans in seconds; without `max` where only the plan decides."""
        found = {
            "startup_s": self.startup_s,
            "planned": [asdict(step) for step in self.planned],
        }
        if not self.is_reactive:
            return found
        return found | {
            "min": self.least,
            "max": self.most,
            "target_busy": self.target_busy,
            "every_s": self.every_s,
            "cooldown_s": self.cooldown_s,
        }


def read_scaling(reader: Reader, base: Scaling | None) -> Scaling | None:
    """The `[scaling]` of a deployment, faults in the reader; ``base`` has what is not written.

    None where nothing is written, or ``scaling = "none"``.
    """
    if not reader.has("scaling"):
        return base
    if reader.table["scaling"] == NO_SCALING:
        reader.leave("scaling")
        return None
    table, base = reader.child("scaling"), base or Scaling()
    count = whole(1, MOST_REPLICAS)
    spans = {
        f"{key}_s": table.take(key, span(low_s), getattr(base, f"{key}_s"))
        for key, low_s in (("startup", 0.0), ("every", LEAST_EVERY_S), ("cooldown", 0.0))
    }
    values: dict[str, Any] = {
        **spans,
        "most": table.take("max", count, base.most),
        "least": table.take("min", count, base.least),
        "target_busy": table.take("target_busy", number(0.01, 1.0), base.target_busy),
        "planned": _planned(table) if table.has("planned") else base.planned,
    }
    table.done(also=("planned",))
    # After a fault of a value what it was before stands in, so that all faults are found.
    found = replace(base, **{key: value for key, value in values.items() if value is not None})
    written = [key for key in REACTIVE if table.has(key)]
    if not found.is_reactive and not table.has("max"):
        if written:
            remedy = f"this key is missing; add it, or leave out {', '.join(written)}"
            table.fault("max", None, remedy)
        elif not found.planned and not table.has("planned"):
            table.fault("planned", None, "write when to scale ([[scaling.planned]]), or `max`")
    return found


def span(low_s: float) -> Callable[[Any], float]:
    """A parser for a span of time of at least so many seconds."""

    def parse(value: Any) -> float:
        found = seconds(value)
        if found < low_s:
            raise ValueError(f"write a span of at least {low_s:g}s")
        return found

    return parse


def _planned(reader: Reader) -> tuple[Wanted, ...]:
    """The steps in order of time."""
    found: list[Wanted] = []
    for table in reader.children("planned"):
        at_s = table.take("at", seconds)
        replicas = table.take("replicas", whole(1, MOST_REPLICAS))
        table.done()
        if at_s is not None and replicas is not None:
            found.append(Wanted(at_s, replicas))
    if any(later.at_s <= earlier.at_s for earlier, later in pairwise(found)):
        reader.fault("planned", [step.at_s for step in found], "write them in order of time")
    if len(found) > MOST_STEPS:
        reader.fault("planned", len(found), f"write at most {MOST_STEPS} steps")
    return tuple(found)


def faults_of(scaling: Scaling | None, replicas: int, *, shared_core: bool) -> list[Fault]:
    """What does not go together."""
    if scaling is None:
        return []
    faults = []
    if shared_core:
        remedy = (
            "leave out shared_core (false): a replica that comes brings cores of its own, and "
            "one core that all share can't grow"
        )
        faults.append(Fault("scaling", "with shared_core = true", remedy))
    if not scaling.is_reactive:
        return faults
    if scaling.least > scaling.most:
        remedy = f"write at most scaling.max, {scaling.most}"
        faults.append(Fault("scaling.min", scaling.least, remedy))
    elif not scaling.least <= replicas <= scaling.most:
        remedy = (
            f"a run begins with them: write a number from scaling.min to scaling.max, "
            f"{scaling.least} to {scaling.most}"
        )
        faults.append(Fault("replicas", replicas, remedy))
    for place, step in enumerate(scaling.planned):
        if step.replicas > scaling.most:
            key = f"scaling.planned[{place}].replicas"
            faults.append(Fault(key, step.replicas, f"at most scaling.max, {scaling.most}"))
    return faults


# ---- in cells ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """A run that scales, as it begins: ``from_s`` after the opening, on a clock ``speed`` times as
    fast; ``cores`` that a replica keeps busy at most.
    """

    scaling: Scaling
    replicas: int
    cores: int
    horizon_s: float
    from_s: float = 0.0
    speed: float = 1.0

    def cells(self) -> list[int]:
        """`World.scaling` at time 0, when nothing has happened."""
        scaling, slots = self.scaling, self.scaling.slots(self.replicas)
        least = scaling.least if scaling.is_reactive else 1
        steps = [(self._at_ns(step), max(least, step.replicas)) for step in scaling.planned]
        ahead = [cell for at_ns, count in steps if at_ns >= 0 for cell in (at_ns, count)]
        passed = [count for at_ns, count in steps if at_ns < 0]
        head = [0] * HEAD
        every_ns = _ns(scaling.every_s) if scaling.is_reactive else 0
        values = {
            G_SLOTS: slots,
            G_FLOOR: max([least, *passed[-1:]]),
            G_STARTUP: _ns(scaling.startup_s),
            G_EVERY: every_ns,
            G_WORTH: max(1, round(every_ns * self.cores * scaling.target_busy)),
            G_COOLDOWN: _ns(scaling.cooldown_s),
            G_CHANGED: 0,
            G_PLAN: HEAD + slots * REPLICA,
            G_PLANNED: len(ahead) // 2,
            G_LOG: HEAD + slots * REPLICA + len(ahead),
        }
        for cell, value in values.items():
            head[cell] = value
        records = [0] * (slots * REPLICA)
        for replica, ready_ns in enumerate(self._ready_ns()):
            mine = replica * REPLICA
            records[mine + P_STATE] = STARTING if ready_ns > 0 else READY
            records[mine + P_READY_AT] = ready_ns
        return [*head, *records, *ahead, *([0] * CHANGE * self._most_changes())]

    def _at_ns(self, step: Wanted) -> int:
        return round((step.at_s - self.from_s) / self.speed * SECOND_NS)

    def _ready_ns(self) -> list[int]:
        """When each replica that is started at time 0 is ready; 0 or less: it is by then."""
        found = [0] * self.replicas
        for step in self.scaling.planned:
            if self._at_ns(step) >= 0:
                break
            if self.scaling.is_reactive and step.replicas < len(found):
                continue
            ready_ns = self._at_ns(step) + _ns(self.scaling.startup_s)
            found = found[: step.replicas] + [ready_ns] * (step.replicas - len(found))
        return found

    def _most_changes(self) -> int:
        """Each decision makes two at most: when it falls, and when those that start are ready."""
        looks = 0
        if self.scaling.is_reactive:
            looks = int(self.horizon_s / self.scaling.every_s) + 1
        return 2 * (looks + len(self.scaling.planned)) + 2


def _ns(value_s: float) -> int:
    return round(value_s * SECOND_NS)
