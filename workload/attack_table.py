"""[attack] as TOML writes it: who comes to load the service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from workload.arrivals import ArrivalCurve
from workload.attack import Attack
from workload.journey import Journey
from workload.reader import Reader, number, seconds, whole

MOST_PER_S: Final = 1e6
LONGEST_TIMEOUT_S: Final = 1e8


def read_attack(
    reader: Reader, journey: Journey | None, curve: ArrivalCurve | None
) -> Attack | None:
    """[attack], where there is one; None also after a fault in it."""
    if not reader.has("attack"):
        return None
    before, table = len(reader.faults), reader.child("attack")
    ends_s = curve.duration_s if curve else 0.0
    first = _open_to_all(journey)
    attack = Attack(
        per_s=table.take("per_s", number(0, MOST_PER_S, open_low=True)) or 1.0,
        start_s=table.take("start", seconds, 0.0) or 0.0,
        end_s=table.take("end", seconds, ends_s or 1.0) or 0.0,
        steps=table.take("steps", _steps(first), first[:1], written=list(first[:1])) or (),
        attempts=table.take("attempts", whole(1, 1000), 100) or 1,
        timeout_s=table.take("timeout_s", number(0, LONGEST_TIMEOUT_S, open_low=True), 10.0) or 1.0,
    )
    table.done()
    if attack.end_s <= attack.start_s:
        table.fault(
            "end", attack.end_s, f"the attack must end after it starts ({attack.start_s:g} s)"
        )
    return attack if len(reader.faults) == before else None


def _open_to_all(journey: Journey | None) -> tuple[str, ...]:
    """Steps that need no mail of an earlier one: those before the first that waits for some."""
    found: list[str] = []
    for step in journey.steps if journey else ():
        if step.mail != "none" or step.polls:
            break
        found.append(step.name)
    return tuple(found)


def _steps(known: Sequence[str]) -> Callable[[Any], tuple[str, ...]]:
    """A parser for steps in the journey's order."""

    def parse(value: Any) -> tuple[str, ...]:
        found = value if isinstance(value, list) else []
        if not found or found != [name for name in known if name in found]:
            choice = ", ".join(known)
            raise ValueError(
                f"write a list of steps, in their order, of those needing no mail: {choice}"
            )
        return tuple(found)

    return parse
