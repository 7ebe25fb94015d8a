"""How an experiment is laid out: which levels are learned from, which is held out, how long."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Final

from workload.errors import Fault, InputError
from workload.reader import seconds


@dataclass(frozen=True)
class Design:
    """Shares of saturation, and seconds. ``repeats``: of each held-out level, for its noise.

    One level to learn from comes in pulses: ``pulse`` visitors at once, every ``pulse_every_s``.
    Its mean load is low, but while a pulse lasts the loop does not sleep and batches grow, so that
    the cost of a request can be told from that of a wake-up, and a row's from a flush's.
    With ``low_per_s`` and ``held_out_per_s`` (visitors a second) the levels are given, and
    saturation is not measured. ``busy``: further held-out levels, by how busy the model expects its
    busiest station to be there. ``deployments``: names of changed ones that are held out too.
    """

    low: tuple[float, ...] = (0.12, 0.24, 0.35)
    held_out: tuple[float, ...] = (0.705,)
    busy: tuple[float, ...] = ()
    repeats: int = 2
    pulse: int = 300
    pulse_every_s: float = 3.0
    level_s: float = 16.0
    saturation_s: float = 10.0
    warm_up_s: float = 6.0
    low_per_s: tuple[float, ...] = ()
    held_out_per_s: tuple[float, ...] = ()
    deployments: tuple[str, ...] = ()


#: What the demo has time for, and what `verify` takes.
QUICK: Final = Design()
THOROUGH: Final = Design(
    low=(0.1, 0.18, 0.25, 0.32),
    held_out=(0.705,),
    busy=(0.65, 0.8, 0.9),
    repeats=3,
    level_s=60.0,
    saturation_s=15.0,
)

SHORTEST_S: Final = 5.0
#: Deployments that can be held out: `harness/held_deployments.py` knows how each is changed.
DEPLOYMENTS: Final = (
    "two-workers",
    "pool-halved",
    "slots-halved",
    "registry-slow",
    "batching-off",
    "inline",
    "other-mix",
)


def read_design(arguments: argparse.Namespace) -> Design:
    """The design that the options of `surge verify` stand for; InputError with every fault."""
    design = QUICK if arguments.quick else THOROUGH
    faults: list[Fault] = []
    if arguments.level is not None:
        design = replace(design, level_s=_span(arguments.level, faults))
    if (arguments.levels is None) != (arguments.held_out is None):
        remedy = "give both, or neither: then levels are shares of the measured saturation"
        faults.append(Fault("--levels, --held-out", arguments.levels or arguments.held_out, remedy))
    elif arguments.levels is not None:
        low = _rates("--levels", arguments.levels, faults)
        held_out = _rates("--held-out", arguments.held_out, faults)
        if low and held_out and min(held_out) < 2 * max(low):
            remedy = f"each at least twice the highest level, {2 * max(low):g}"
            faults.append(Fault("--held-out", arguments.held_out, remedy))
        design = replace(design, low_per_s=low, held_out_per_s=held_out, busy=())
    if arguments.deployments:
        design = replace(design, deployments=_deployments(arguments.deployments, faults))
    if faults:
        raise InputError("options", faults)
    return design


def _span(text: str, faults: list[Fault]) -> float:
    try:
        span = seconds(text)
    except ValueError as error:
        faults.append(Fault("--level", text, str(error)))
        return SHORTEST_S
    if span < SHORTEST_S:
        faults.append(Fault("--level", text, f"write at least {SHORTEST_S:g}s"))
    return span


def _rates(option: str, text: str, faults: list[Fault]) -> tuple[float, ...]:
    try:
        rates = tuple(float(part) for part in text.split(","))
    except ValueError:
        rates = ()
    if not rates or min(rates) <= 0:
        faults.append(Fault(option, text, "write visitors a second, such as 50,100,150"))
        return ()
    return rates


def _deployments(text: str, faults: list[Fault]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if names == ("all",):
        return DEPLOYMENTS
    known = f"write all, or some of {', '.join(DEPLOYMENTS)}"
    faults += [Fault("--deployments", name, known) for name in names if name not in DEPLOYMENTS]
    return names
